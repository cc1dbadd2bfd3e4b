"""Why this exists: "in the middle" must be a place and not a moment. Between the product and its server,
this lets a chosen number of bytes pass and then holds what follows until the test has done its deed;
it can also cut the line there, let the server call itself another version, or take words out of a question."""

import socket
import threading

BLOCK_BYTES = 64 * 1024
CONNECT_SECONDS = 10


class TcpProxy:
    """Listens on a free port of 127.0.0.1 and passes each connection on to `port`. A context manager.

    Of all connections together, `hold_after` bytes from the server pass; the rest waits for release()
    or cut(). `replace`: bytes of the server's that the client sees as others of the same length. `change`: a
    function that does so to each block; it may be set at any time, and what is held back meets the newest.
    `replace_asked`: {bytes of the client's: what the server sees instead, of the same length}.
    """

    def __init__(self, port, hold_after=None, replace=None, change=None, replace_asked=None):
        self._target = port
        self._left = hold_after
        self.change = change or (lambda data: data.replace(*replace) if replace else data)
        self._replace_asked = replace_asked or {}
        self._lock = threading.Lock()
        self._go = threading.Event()
        self._go_on = True
        self.is_holding = threading.Event()
        self._sockets, self._threads = [], []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def url(self, url, server):
        """The server's URL, led through here."""
        return url.replace(f":{server.port}/", f":{self.port}/")

    def wait_until_holding(self, seconds=60):
        if not self.is_holding.wait(seconds):
            raise TimeoutError(f"fewer bytes came than the proxy was to hold after: {self._left} are left")

    def release(self):
        """From now on everything passes."""
        with self._lock:
            self._left = None
        self._go.set()

    def cut(self):
        """Ends every connection, both sides of it, at once."""
        self._go_on = False
        self._go.set()
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            close(one)

    def _start(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target), CONNECT_SECONDS)
            except OSError:
                return
            server.settimeout(None)
            with self._lock:
                self._sockets += [client, server]
            self._start(self._pass_on, client, server, self._ask)
            self._start(self._pass_on, server, client, self._admit)

    def _ask(self, data):
        for asked, seen in self._replace_asked.items():
            data = data.replace(asked, seen)
        return data

    def _admit(self, data):
        """Returns once `data` from the server may go on."""
        with self._lock:
            if self._left is not None:
                self._left = max(0, self._left - len(data))
            held = self._left == 0
        if held:
            self.is_holding.set()
            self._go.wait()
        return self.change(data)

    def _pass_on(self, source, sink, admit):
        try:
            while self._go_on:
                data = source.recv(BLOCK_BYTES)
                if not data:
                    break
                data = admit(data)
                if self._go_on:
                    sink.sendall(data)
        except OSError:
            pass  # the other direction, or the test, has closed it
        close(source)
        close(sink)


def close(one):
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # never connected, or closed already
    one.close()
