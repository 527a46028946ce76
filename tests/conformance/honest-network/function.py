# What honest code does with sockets where there is no network but loopback. Each idiom is true, or raises.
import asyncio, http.client, http.server, selectors, socket, socketserver, ssl, tempfile, threading, urllib.error, urllib.request


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.path)))
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_):
        pass


def served(use):
    server = http.server.HTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        return use(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def tcp():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 5) as client:
        other, _ = server.accept()
        with other:
            other.sendall(b"hi")
            return client.recv(10) == b"hi" and client.getpeername() == server.getsockname()


def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        one.sendto(b"hi", one.getsockname())
        return one.recv(10) == b"hi"


def named():
    path = tempfile.mktemp()
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
        return server.accept()[0].send(b"hi") == 2 and client.recv(10) == b"hi"


def pair():
    one, other = socket.socketpair()
    with one, other, selectors.DefaultSelector() as selector:
        selector.register(other, selectors.EVENT_READ)
        one.send(b"hi")
        return len(selector.select(5)) == 1 and other.recv(10) == b"hi"


def kept():
    def use(port):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        texts = []
        for path in ("/a", "/b"):
            client.request("GET", path)
            texts.append(client.getresponse().read())
        client.close()
        return texts == [b"/a", b"/b"]

    return served(use)


def streams():
    async def main():
        async def echo(reader, writer):
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hi\n")
        line = await reader.readline()
        writer.close()
        server.close()
        return line

    return asyncio.run(main()) == b"hi\n"


def refused(error, work):
    try:
        work()
    except error:
        return True


def threaded():
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(self.rfile.readline())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with socket.create_connection(server.server_address, 5) as client:
            client.sendall(b"hi\n")
            line = client.makefile().readline()
        server.shutdown()
        thread.join()
    return line == "hi\n"


IDIOMS = {
    "TCP": tcp, "UDP": udp, "a socket with a name": named, "a pair": pair, "a connection that is kept": kept, "streams": streams,
    "a server with threads": threaded,
    "HTTP": lambda: served(lambda port: urllib.request.urlopen("http://127.0.0.1:%d/a" % port, timeout=5).read() == b"/a"),
    "localhost": lambda: socket.gethostbyname("localhost") == "127.0.0.1" and socket.getfqdn(),
    "a port that is closed": lambda: refused(ConnectionRefusedError, lambda: socket.create_connection(("127.0.0.1", 1), 5)),
    "an address elsewhere": lambda: refused(OSError, lambda: socket.create_connection(("192.0.2.1", 80), 5)),
    "a name elsewhere": lambda: refused(socket.gaierror, lambda: socket.getaddrinfo("example.com", 443)),
    "a page elsewhere": lambda: refused(urllib.error.URLError, lambda: urllib.request.urlopen("https://example.com", timeout=5)),
    "certificates": lambda: len(ssl.create_default_context().get_ca_certs()) > 50,
}


def handler(data, context):
    failed = {}
    for name, idiom in IDIOMS.items():
        try:
            assert idiom()
        except Exception as error:
            failed[name] = "%s: %s" % (type(error).__name__, error)
    return {"count": len(IDIOMS), "failed": failed}
