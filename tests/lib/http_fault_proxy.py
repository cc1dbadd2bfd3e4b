"""Why this exists: a cloud fails in ways that no server in a test does by itself. Between the product and a real
server, this lets a chosen request meet an error, a cut, a wait, a wrong byte or a wrong clock, passes all others on as
they are (the Host header too, so that signatures hold), and remembers every one."""

import dataclasses
import email.utils
import http.client
import http.server
import re
import socket
import struct
import threading
import time
from urllib.parse import parse_qsl, unquote, urlsplit

BLOCK_BYTES = 256 * 1024
TRICKLE_PAUSE_SECONDS = 0.05
SERVER_SECONDS_MAX = 120
# Of one connection only (RFC 9110, 7.6.1), or said anew here.
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "expect", "content-length"}


@dataclasses.dataclass
class Fault:
    """What happens to a request, and its reply. Made by the functions below."""

    name: str
    reply: tuple = None          # (status, headers, body), instead of the server's
    reset: str = ""              # "before" the server has it, or "after" the server has done it
    stall: str = ""              # before the "request" is passed on, before the "reply", or in the middle of its "body"
    truncate_at: int = None      # so many bytes of the reply's body, and the end of the connection
    flip_reply_at: int = None    # this byte of the reply's body is another one
    flip_request_at: int = None  # this byte of what is sent is another one
    bytes_per_second: int = None
    headers: dict = dataclasses.field(default_factory=dict)  # of the reply, instead of the server's
    date_shift_seconds: int = 0


def answer(status, body="", content_type="application/xml", **headers):
    """Not the server's answer but this; a header's name is written with _ for -: Retry_After=1."""
    named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    encoded = body.encode() if isinstance(body, str) else body
    return Fault(f"{status}", reply=(status, {"Content-Type": content_type, **named}, encoded))


def s3_error(status, code, message="as the test wants it", **headers):
    return answer(status, f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
                          f"<RequestId>REQUEST-OF-A-TEST</RequestId><HostId>host</HostId></Error>",
                  x_amz_request_id="REQUEST-OF-A-TEST", **headers)


def gcs_error(status, reason, message="as the test wants it", **headers):
    return answer(status, f'{{"error": {{"code": {status}, "message": "{message}", "errors": '
                          f'[{{"domain": "global", "reason": "{reason}", "message": "{message}"}}]}}}}',
                  "application/json; charset=UTF-8", **headers)


def html_error(status, **headers):
    """As a load balancer in between says it."""
    return answer(status, f"<html><head><title>{status}</title></head><body><h1>Error</h1></body></html>",
                  "text/html", **headers)


def reset_before():
    """The connection is reset, and the server never hears of the request."""
    return Fault("reset before", reset="before")


def reset_after():
    """The server does it; the connection is reset instead of its reply."""
    return Fault("reset after", reset="after")


def stall(at="reply"):
    """Nothing more comes, until release()."""
    return Fault(f"stall {at}", stall=at)


def truncate(after_bytes):
    return Fault("truncate", truncate_at=after_bytes)


def change_reply(at=0):
    return Fault("change reply", flip_reply_at=at)


def change_request(at=0):
    return Fault("change request", flip_request_at=at)


def trickle(bytes_per_second):
    """Of the reply's body."""
    return Fault("trickle", bytes_per_second=bytes_per_second)


def change_headers(**headers):
    return Fault("headers", headers={name.replace("_", "-"): str(value) for name, value in headers.items()})


def clock_shifted(seconds):
    """The server's clock, as its Date header tells it, is so much ahead."""
    return Fault("clock", date_shift_seconds=seconds)


@dataclasses.dataclass
class Seen:
    """A request: `path` decoded, `query` a dict, `headers` by lower-case name, `length` of its body; `status` of what
    the client was sent (None: nothing) and the name of the `fault` it met."""

    method: str
    path: str
    query: dict
    headers: dict
    length: int
    status: int = None
    fault: str = ""


class Injection:
    """Where a fault happens; `happened` counts, and set() of `done` follows the last."""

    def __init__(self, fault, method, where, skip, times):
        self.fault, self.happened, self.done = fault, 0, threading.Event()
        self._method, self._where, self._skip, self._times = method, re.compile(where), skip, times

    def takes(self, seen, target):
        """Whether this request meets it; counts. Under the proxy's lock."""
        if self._method not in (None, seen.method) or not self._where.search(target):
            return False
        if self._times is not None and self.happened >= self._times:
            return False
        if self._skip > 0:
            self._skip -= 1
            return False
        self.happened += 1
        if self.happened == self._times:
            self.done.set()
        return True


class Guard:
    """Meets every request of which `refuses` is true."""

    def __init__(self, fault, refuses):
        self.fault, self._refuses = fault, refuses

    def takes(self, seen, _target):
        return self._refuses(seen)


class Gone(Exception):
    """The connection ends here, with a reset or without."""

    def __init__(self, reset):
        super().__init__()
        self.reset = reset


class HttpFaultProxy:
    """Listens on a free port of 127.0.0.1 and passes each request on to 127.0.0.1:`port`. A context manager."""

    def __init__(self, port):
        self.target_port = port
        self.seen = []
        self.is_stalled = threading.Event()
        self._lock = threading.Lock()
        self._injections, self._connections, self._resets = [], set(), set()
        self._go = threading.Event()
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self.release()
        self.cut()

    def inject(self, fault, method=None, where="", nth=1, times=1):
        """From the `nth` request on that has this method and in whose "/path?query", as it was sent, the regular
        expression `where` is found: so many `times` (None: always). The oldest that takes a request has it."""
        injection = Injection(fault, method, where, nth - 1, times)
        with self._lock:
            self._injections.append(injection)
        return injection

    def guard(self, fault, refuses):
        """Every request of which refuses(Seen) is true meets the fault, as whoever has no right to it."""
        with self._lock:
            self._injections.append(Guard(fault, refuses))

    def clear(self):
        """No more faults."""
        with self._lock:
            self._injections = []

    def release(self):
        """All that is stalled goes on."""
        go, self._go = self._go, threading.Event()
        self.is_stalled.clear()
        go.set()

    def cut(self):
        """Ends every connection that is open, at once."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # ended meanwhile

    def requests(self, method=None, where=""):
        """Those seen so far, in order; `where` is looked for in the decoded path."""
        with self._lock:
            return [s for s in self.seen if method in (None, s.method) and re.search(where, s.path)]

    def count(self, method=None, where=""):
        return len(self.requests(method, where))

    def _fault_of(self, seen, target):
        with self._lock:
            self.seen.append(seen)
            for injection in self._injections:
                if injection.takes(seen, target):
                    seen.fault = injection.fault.name
                    return injection.fault
        return Fault("")

    def _stall(self):
        go = self._go
        self.is_stalled.set()
        go.wait()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy):
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request, client_address):
        with self.proxy._lock:
            self.proxy._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        with self.proxy._lock:
            self.proxy._connections.discard(request)
            reset = request in self.proxy._resets
            self.proxy._resets.discard(request)
        if reset:
            self.close_request(request)  # without the orderly end that comes before otherwise
        else:
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass  # a client or a server that went away is what tests are about


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection of a client's, with one of its own to the server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = BLOCK_BYTES
    _upstream = None

    def handle_expect_100(self):
        return True  # the client sends its body without being asked: curl waits a second for it at most

    def respond(self):
        url = urlsplit(self.path)
        self._length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        self._seen = Seen(self.command, unquote(url.path), query, headers, self._length)
        fault = self.server.proxy._fault_of(self._seen, self.path)
        try:
            self._meet(fault)
        except Gone as gone:
            self._end(gone.reset)
        except (OSError, http.client.HTTPException):
            self._end(reset=True)  # the server is down, or went away

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = respond

    def _meet(self, fault):
        if fault.reset == "before":
            raise Gone(reset=True)
        if fault.stall == "request":
            self.server.proxy._stall()
        if fault.reply:
            self._own_reply(*fault.reply)
            return
        reply = self._pass_on(fault)
        if fault.stall == "reply":
            self.server.proxy._stall()
        if fault.reset == "after":
            reply.read()
            raise Gone(reset=True)
        self._give_back(reply, fault)

    def _own_reply(self, status, headers, body):
        for _ in self._sent_blocks():
            pass
        self._seen.status = status
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(body)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _sent_blocks(self):
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        left = self._length
        while left > 0:
            block = self.rfile.read(min(left, BLOCK_BYTES))
            if not block:
                raise Gone(reset=False)
            left -= len(block)
            yield block

    def _pass_on(self, fault):
        if not self._upstream:
            port = self.server.proxy.target_port
            self._upstream = http.client.HTTPConnection("127.0.0.1", port, SERVER_SECONDS_MAX, blocksize=BLOCK_BYTES)
        upstream = self._upstream
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP:
                upstream.putheader(name, value)
        if "Content-Length" in self.headers:
            upstream.putheader("Content-Length", self.headers["Content-Length"])
        upstream.endheaders()
        for block in with_flip(self._sent_blocks(), fault.flip_request_at):
            upstream.send(block)
        return upstream.getresponse()

    def _give_back(self, reply, fault):
        length = reply.getheader("Content-Length")
        has_no_body = self.command == "HEAD" or reply.status in (204, 304) or reply.status < 200
        blocks = iter(lambda: reply.read(BLOCK_BYTES), b"")
        if length is None and not has_no_body:
            whole = reply.read()
            length, blocks = len(whole), iter([whole])
        self._seen.status = reply.status
        self.send_response_only(reply.status, reply.reason)
        for name, value in reply.getheaders():
            if name.lower() not in HOP_BY_HOP and name.title() not in map(str.title, fault.headers):
                self.send_header(name, self._changed(name, value, fault))
        for name, value in fault.headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", length)
        self.end_headers()
        self._give_body(with_flip(blocks, fault.flip_reply_at), int(length or 0), fault)

    def _changed(self, name, value, fault):
        if name.lower() == "date" and fault.date_shift_seconds:
            moment = email.utils.parsedate_to_datetime(value).timestamp() + fault.date_shift_seconds
            return email.utils.formatdate(moment, usegmt=True)
        if name.lower() == "location":
            # Where an upload goes on: here, too.
            return value.replace(f"//127.0.0.1:{self.server.proxy.target_port}/", f"//{self.headers['Host']}/")
        return value

    def _give_body(self, blocks, length, fault):
        stops_at = length // 2 if fault.stall == "body" else fault.truncate_at
        given = 0
        for block in blocks:
            if stops_at is not None and given + len(block) > stops_at:
                self._give(block[:stops_at - given], fault)
                if fault.stall != "body":
                    raise Gone(reset=False)
                self.server.proxy._stall()
                block, given, stops_at = block[stops_at - given:], stops_at, None
            self._give(block, fault)
            given += len(block)

    def _give(self, block, fault):
        if not fault.bytes_per_second:
            self.wfile.write(block)
            return
        step = max(1, int(fault.bytes_per_second * TRICKLE_PAUSE_SECONDS))
        for at in range(0, len(block), step):
            self.wfile.write(block[at:at + step])
            time.sleep(TRICKLE_PAUSE_SECONDS)

    def _end(self, reset):
        self.close_connection = True
        if reset:
            # A linger of no time makes close() a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with self.server.proxy._lock:
                self.server.proxy._resets.add(self.request)

    def finish(self):
        if self._upstream:
            self._upstream.close()
        super().finish()

    def log_message(self, *_):
        pass  # `seen` has all of it


def with_flip(blocks, at):
    """The same blocks, but for one bit of the byte `at` of all of them (None: none)."""
    passed = 0
    for block in blocks:
        if at is not None and passed <= at < passed + len(block):
            place = at - passed
            block = block[:place] + bytes([block[place] ^ 1]) + block[place + 1:]
        passed += len(block)
        yield block
