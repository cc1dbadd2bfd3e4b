"""Why this exists: a cloud hands out credentials over HTTP, from places that only its own machines reach. What plays
such a place in a test answers on a free port of 127.0.0.1, and remembers what it was asked."""

import dataclasses
import http.server
import json
import ssl
import threading
from urllib.parse import parse_qsl, urlsplit


@dataclasses.dataclass
class Asked:
    """A request: `headers` by lower-case name, `query` and `form` as lists of (name, value) in order."""

    method: str
    path: str
    query: list
    headers: dict
    body: bytes

    @property
    def form(self):
        return parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=bool(self.body))


@dataclasses.dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def json(cls, document, status=200, **headers):
        return cls(status, json.dumps(document).encode(), {"Content-Type": "application/json", **headers})


class LocalHttp:
    """A context manager. A subclass says in answer() what each request gets. `tls`: the Certificates that it uses;
    `asked`: every request so far; `next_answers`: given instead, one a request, until there are none left."""

    def __init__(self, tls=None):
        self.asked, self.next_answers = [], []
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.path("server"), tls.path("server", "key"))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.address}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, asked):
        raise NotImplementedError

    def paths(self):
        """What was asked for so far, as "GET /path"."""
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    def _answer(self, asked):
        with self._lock:  # one at a time: what a subclass counts is then right
            self.asked.append(asked)
            return self.next_answers.pop(0) if self.next_answers else self.answer(asked)

    def _handler(self):
        local = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self):
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = local._answer(Asked(self.command, url.path, parse_qsl(url.query), headers, body))
                self.send_response(answer.status)
                for name, value in {"Content-Length": len(answer.body), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_PUT = do_POST = respond

            def log_message(self, *_):
                pass  # `asked` has all of it

        return Handler
