"""Why this exists: moto looks whether a name is taken and writes it in two steps, so of two writers who say "only if it is not
there" both may be told yes, which no S3 does. This is moto's own server, which answers one request after the other."""

import sys
import threading

from moto import server


def one_by_one(app):
    turn = threading.Lock()

    def answer(environ, start_response):
        with turn:
            return app(environ, start_response)

    return answer


run = server.run_simple
server.run_simple = lambda host, port, app, **rest: run(host, port, one_by_one(app), **rest)
sys.exit(server.main())
