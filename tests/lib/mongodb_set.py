"""Why this exists: the test servers are sets of one member. Which member a backup reads is decided by what the
members say of themselves, so two proxies of one server make a primary and a secondary of it."""

import contextlib
import datetime

import bson

from lib.mongodb import SET_NAME
from lib.tcp_proxy import TcpProxy

HEADER_BYTES, OP_REPLY, OP_MSG = 16, 1, 2013
BODY_AT = {OP_REPLY: HEADER_BYTES + 20, OP_MSG: HEADER_BYTES + 5}
GREETINGS = ("isWritablePrimary", "ismaster")


def rewrite_hello(data, change):
    """A block that is one whole answer to hello, as `change` makes its document; every other block as it is."""
    place = BODY_AT.get(int.from_bytes(data[12:16], "little"))
    if place is None or int.from_bytes(data[:4], "little") != len(data) or not any(name.encode() in data for name in GREETINGS):
        return data
    size = int.from_bytes(data[place:place + 4], "little")
    document = bson.decode(data[place:place + size])
    if not any(name in document for name in GREETINGS):
        return data
    change(document)
    whole = data[:place] + bson.encode(document) + data[place + size:]
    return len(whole).to_bytes(4, "little") + whole[4:]


class TwoMembers:
    """A context manager: `primary` and `secondary` are proxies of the one server; `lag` of the secondary."""

    def __init__(self, server, lag=datetime.timedelta(0)):
        self.server, self.lag = server, lag
        self._proxies = contextlib.ExitStack()

    def __enter__(self):
        self.primary, self.secondary = (
            self._proxies.enter_context(TcpProxy(self.server.port, change=self._told_by(is_primary)))
            for is_primary in (True, False)
        )
        return self

    def __exit__(self, *_):
        self._proxies.close()

    def _told_by(self, is_primary):
        def change(hello):
            hosts = [f"127.0.0.1:{proxy.port}" for proxy in (self.primary, self.secondary)]
            hello |= {name: is_primary for name in GREETINGS if name in hello}
            hello |= {"secondary": not is_primary, "hosts": hosts, "primary": hosts[0], "me": hosts[not is_primary]}
            if not is_primary:
                hello["lastWrite"]["lastWriteDate"] -= self.lag
        return lambda data: rewrite_hello(data, change)

    def url(self, seed, **parameters):
        """For a backup of the database `auth` that is told of one member only, a proxy."""
        return seed.url(self.server.url(db="auth", replicaSet=SET_NAME, **parameters), self.server)
