"""The service under measurement, with one driver."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from . import machine

TOKEN = "bench-token"
CODE = {
    "node": ("nodejs20", "exports.handler = async (data) => ({ greeting: `Hello, ${data.name}!` });"),
    "python": ("python3.11", "def handler(data, context):\n    return {'greeting': f\"Hello, {data['name']}!\"}\n"),
    "go": (
        "go1.19",
        "package main\n\nfunc handler(data, context map[string]interface{}) (interface{}, error) {\n"
        '\treturn map[string]interface{}{"greeting": "Hello, " + data["name"].(string) + "!"}, nil\n}\n',
    ),
}


class Service:
    """The service with one driver and functions that greet."""

    def __init__(self, binary, driver, bundles):
        self.binary, self.driver, self.bundles = binary, driver, bundles
        self.data = tempfile.mkdtemp(prefix="cb-bench-")
        self.process = self.base = None

    def start(self, **settings):
        """Starts it with settings, which are variables, and has the bundle of each language made."""
        environment = dict(os.environ, CLOUDBOX_ADMIN_TOKEN=TOKEN, CLOUDBOX_BUNDLES_DIR=self.bundles, **settings)
        command = [self.binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", self.data, "--sandbox", self.driver]
        with open(os.path.join(self.data, "log"), "w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        line = self.process.stdout.readline()
        found = re.search(r"http://[\d.:]+", line)
        if not found:
            with open(os.path.join(self.data, "log")) as log:
                sys.exit(f"the service with {self.driver} did not start: {line}{log.read()[-2000:]}")
        self.base = found.group(0)

    def api(self, method, path, body=None):
        """One call of the API; anything but success ends the bench."""
        request = urllib.request.Request(self.base + path, method=method, data=json.dumps(body or {}).encode())
        request.add_header("Authorization", "Bearer " + TOKEN)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            sys.exit(f"{method} {path}: {error.code} {error.read().decode()}")

    def deploy(self, name, language, **settings):
        """Makes a function that greets, and deploys it."""
        runtime, code = CODE[language]
        body = {"name": name, "runtime": runtime, "code": code, "is_public": True, **settings}
        self.api("POST", "/api/projects/1/functions", body)
        self.api("POST", f"/api/projects/1/functions/{name}/deploy?wait=true")

    def url(self, name):
        """Its public address."""
        return f"{self.base}/p/1/functions/{name}"

    def pids(self):
        """The service's processes and those of its sandboxes, a daemon's children included."""
        return machine.family(self.process.pid, mark="cloudbox")

    def stop(self):
        """Ends it, and removes what it kept."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
        shutil.rmtree(self.data, ignore_errors=True)
