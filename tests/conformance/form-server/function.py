from http.server import BaseHTTPRequestHandler


class handler(BaseHTTPRequestHandler):
    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode("utf-8")
        self.send_response(201)
        self.send_header("Content-Type", "text/plain")
        self.send_header("X-Agent", self.headers["X-Agent"])
        self.end_headers()
        self.wfile.write("{} {} {}".format(self.command, self.path, body).encode("utf-8"))
