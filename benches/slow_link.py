"""Why this exists: how an upload fares on a line between cities must be measured on one. The kernel of a bench's machine may come
without netem, so the line is made of two TUN devices, one here and one in a network namespace, and a process that carries the
packets between them: each direction at a rate of its own, each packet half of a round trip later."""

import collections
import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

PR_SET_PDEATHSIG = 1  # prctl(2)
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
HERE, THERE = "10.77.30.1", "10.77.30.2"
MTU = 1500
# What a router's buffer holds before it drops: the bytes of so many seconds.
BUFFER_SECONDS = 0.1
BLOCK = bytes(1 << 20)


def tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Direction:
    """From one device to the other. A packet that comes while the line is busy waits; what comes when the buffer is full is lost."""

    def __init__(self, source, sink, bytes_per_second, delay):
        self.source, self._sink, self._rate, self._delay = source, sink, bytes_per_second, delay
        self._free_at, self._under_way = 0.0, collections.deque()

    def take(self):
        while True:
            try:
                packet = os.read(self.source, MTU)
            except BlockingIOError:
                return
            now = time.monotonic()
            begin = max(self._free_at, now)
            if begin - now > BUFFER_SECONDS:
                continue
            self._free_at = begin + len(packet) / self._rate
            self._under_way.append((self._free_at + self._delay, packet))

    def give(self):
        """Hands over what has arrived; seconds until the next does, or None."""
        while self._under_way:
            left = self._under_way[0][0] - time.monotonic()
            if left > 0:
                return left
            os.write(self._sink, self._under_way.popleft()[1])
        return None


def carry(here, there, bytes_per_second, delay):
    directions = [Direction(here, there, bytes_per_second, delay), Direction(there, here, bytes_per_second, delay)]
    while True:
        waits = [wait for wait in (direction.give() for direction in directions) if wait is not None]
        ready, _, _ = select.select([here, there], [], [], min(waits, default=None))
        for direction in directions:
            if direction.source in ready:
                direction.take()


class SlowLink:
    """A context manager; needs the rights of root. A command runs at the far end when `far` stands before it; this machine is `HERE`."""

    def __init__(self, megabits=100, round_trip_seconds=0.030):
        self.bytes_per_second, self._delay = megabits * 1e6 / 8, round_trip_seconds / 2
        self._name = f"asb-bench-{os.getpid()}"
        self._carrier = None
        self.far = f"ip netns exec {self._name}"

    def __enter__(self):
        here, there = (f"asb{os.getpid()}{end}" for end in "ab")
        devices = tun(here), tun(there)
        ip("netns", "add", self._name)
        try:
            ip("link", "set", there, "netns", self._name)
            self._raise(here, HERE)
            self._raise(there, THERE, "-n", self._name)
        except subprocess.CalledProcessError:
            ip("netns", "delete", self._name)
            raise
        self._carrier = os.fork()
        if self._carrier == 0:
            try:
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                carry(*devices, self.bytes_per_second, self._delay)
            finally:
                os._exit(1)
        for device in devices:
            os.close(device)
        return self

    def __exit__(self, *_):
        os.kill(self._carrier, signal.SIGKILL)  # the devices go with it
        os.waitpid(self._carrier, 0)
        ip("netns", "delete", self._name)

    @staticmethod
    def _raise(device, address, *where):
        ip(*where, "address", "add", f"{address}/30", "dev", device)
        ip(*where, "link", "set", device, "mtu", str(MTU), "up")


class Sink:
    """Takes whatever comes and answers one byte for the end of it: what the line alone can do. A context manager."""

    def __enter__(self):
        self._listener = socket.create_server((HERE, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                while connection.recv(len(BLOCK)):
                    pass
                connection.sendall(b".")

    def command(self, size):
        """Sends so many bytes there."""
        return f"{sys.executable} {__file__} {self.port} {size}"


def send(port, size):
    with socket.create_connection((HERE, port)) as connection:
        for begin in range(0, size, len(BLOCK)):
            connection.sendall(BLOCK[:size - begin])
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)


if __name__ == "__main__":
    send(int(sys.argv[1]), int(sys.argv[2]))
