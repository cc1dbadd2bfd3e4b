"""Why this exists: who is to be met under the name of Google itself must be reached through a proxy, as in a company's
network: then its name is true, its certificate is checked, and no packet leaves the machine."""

import base64
import socket
import socketserver
import threading

BLOCK_BYTES = 256 * 1024
SECONDS_MAX = 30


class ConnectProxy:
    """An HTTP proxy for tunnels (RFC 9110, 9.3.6) that asks for a name and a password. Whatever host is wanted, the
    tunnel ends at 127.0.0.1:`port`; `wanted` has those hosts. A context manager."""

    user, password = "proxy-user", "password-of-the-proxy-of-a-test"

    def __init__(self, port):
        self.target_port, self.wanted, self.refused = port, [], 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://{self.user}:{self.password}@127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    @property
    def login(self):
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


class _Handler(socketserver.StreamRequestHandler):
    timeout = SECONDS_MAX

    def handle(self):
        method, host, _ = self.rfile.readline().decode().split(" ")
        headers = {}
        while line := self.rfile.readline().decode().strip():
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        proxy = self.server.proxy
        if method != "CONNECT" or headers.get("proxy-authorization") != proxy.login:
            proxy.refused += 1
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                             b'Proxy-Authenticate: Basic realm="test"\r\nContent-Length: 0\r\n\r\n')
            return
        proxy.wanted.append(host)
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", proxy.target_port), SECONDS_MAX) as target:
            back = threading.Thread(target=_pass_on, args=(target, self.connection), daemon=True)
            back.start()
            _pass_on(self.connection, target)
            back.join()


def _pass_on(source, target):
    """Until one of them ends; then both do."""
    try:
        while data := source.recv(BLOCK_BYTES):
            target.sendall(data)
    except OSError:
        pass  # a tunnel that is cut is what an end looks like
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # ended already
