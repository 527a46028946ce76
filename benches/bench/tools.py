"""What the benches need from registries, fetched once into a folder beside the build."""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(os.path.dirname(HERE), "peers")


class Tools:
    """Programs by name; a folder beside the service's keeps what was fetched or built."""

    def __init__(self, options):
        release = os.path.dirname(os.path.abspath(options.binary))
        self.folder = folder = os.path.join(release, "..", "bench-tools")
        self.certificates = options.certificates
        self.node = os.path.join(folder, "node_modules", ".bin")
        self.python = os.path.join(folder, "venv", "bin")
        self.oha = os.path.join(folder, "bin", "oha")
        self.go_http = os.path.join(folder, "go-http")
        # Built with the service, by the same compiler.
        self.bench_peer = os.path.join(release, "bench-peer")

    def fetch(self):
        """Everything that isn't there yet."""
        os.makedirs(self.folder, exist_ok=True)
        for tool in ("wrk", "node", "npm", "go", "cargo", "python3"):
            if not shutil.which(tool):
                sys.exit(f"{tool} is missing (apt-get install wrk nodejs npm golang-go python3; cargo by rustup)")
        self._once(self.node, ["npm", "install", "--silent", "--no-save", "--prefix", self.folder,
                               *_lines("requirements-node.txt")])
        if not os.path.exists(os.path.join(self.python, "uvicorn")):
            self._run(["python3", "-m", "venv", os.path.dirname(self.python)])
            self._run([os.path.join(self.python, "pip"), "install", "-q", "-r", os.path.join(PEERS, "requirements.txt")])
        self._once(self.oha, ["cargo", "install", "--quiet", "--locked", "oha", "--version", "1.16.0",
                              "--no-default-features", "--features", "rustls", "--root", self.folder])
        self._once(self.go_http, ["go", "build", "-o", self.go_http, os.path.join(PEERS, "go-http.go")])

    def _once(self, made, command):
        if not os.path.exists(made):
            self._run(command)

    def _run(self, command):
        print("fetching:", " ".join(command[:3]), "…", file=sys.stderr, flush=True)
        # Without the lints' compiler of the tests.
        environment = {name: value for name, value in os.environ.items() if name != "RUSTC_WORKSPACE_WRAPPER"}
        environment["NODE_EXTRA_CA_CERTS"] = self.certificates
        subprocess.run(command, check=True, env=environment, stdout=sys.stderr)


def _lines(name):
    with open(os.path.join(PEERS, name)) as file:
        return file.read().split()
