"""Why this exists: clocks of servers step, when somebody sets them or a machine wakes up; and what a policy lets go must
first be days old. PostgreSQL asks for the time in one place of the C library and the product in another one, so that a
small library in front of both can answer with a time of the test's own."""

import mmap
import os
import pathlib
import struct
import subprocess

SOURCE = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *seconds;

__attribute__((constructor)) static void open_offset(void) {
    int fd = open(getenv("ASB_TEST_CLOCK"), O_RDONLY | O_CLOEXEC);
    seconds = mmap(0, sizeof *seconds, PROT_READ, MAP_SHARED, fd, 0);
    if (seconds == MAP_FAILED) abort();
    close(fd);
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec real;
    (void)zone;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &real);
    now->tv_sec = real.tv_sec + *seconds;
    now->tv_usec = real.tv_nsec / 1000;
    return 0;
}

int clock_gettime(clockid_t which, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, which, now);
    if (!failed && which == CLOCK_REALTIME && seconds) now->tv_sec += *seconds;
    return failed;
}
"""


class SteppedClock:
    """The clock of whoever runs with `environment`; `step_to` sets how many seconds it is ahead."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        source, library, offset = folder / "clock.c", folder / "clock.so", folder / "offset"
        source.write_text(SOURCE)
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
        offset.write_bytes(struct.pack("=q", 0))
        for path in (library, offset):
            path.chmod(0o755)
        self.environment = {"LD_PRELOAD": str(library), "ASB_TEST_CLOCK": str(offset)}
        with open(offset, "r+b") as file:
            self._offset = mmap.mmap(file.fileno(), 8)

    def step_to(self, seconds):
        self._offset[:] = struct.pack("=q", seconds)
