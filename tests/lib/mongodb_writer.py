"""Why this exists: a backup must be exact while the service works. This is the service: it inserts, updates
deep inside documents, deletes, makes and drops collections and indexes, and commits transactions over two
collections, and keeps what it was told was committed."""

import random
import threading
import time

from bson import Int64
from pymongo.errors import PyMongoError

SECONDS_MAX = 60
LIVING_MAX = 400  # documents of a collection, so that the replay of the whole oplog stays quick


class Writer:
    """Commits numbered changes to the database `db`, one after another, until it is stopped. A context manager.

    `journal` of the database gets a document for each; transaction number n also moves n from one of `accounts`
    to another, so that in any consistent state their sum is 0.
    """

    def __init__(self, server, db="busy", seed=1, collections=3):
        self.client, self.name = server.client(), db
        self.db = self.client[db]
        self.collections = [f"things_{n}" for n in range(collections)]
        self.committed = 0
        self.error = None
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.prepare()

    def prepare(self):
        for name in self.collections:
            self.db[name].create_index("n")
        self.db.accounts.insert_many([{"_id": n, "balance": Int64(0)} for n in range(10)])

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()
        if self.error:
            raise self.error

    def stop(self):
        self._stop.set()
        self._thread.join()

    def wait_for_more(self, count):
        """Returns once `count` further changes are committed."""
        wanted, deadline = self.committed + count, time.monotonic() + SECONDS_MAX
        while self.committed < wanted:
            assert self._thread.is_alive() and time.monotonic() < deadline, f"the writer stopped: {self.error}"
            time.sleep(0.01)

    def _run(self):
        try:
            while not self._stop.is_set():
                self.commit_one(self.committed + 1)
                self.committed += 1
        except PyMongoError as error:  # told to the thread that waits
            self.error = error

    def commit_one(self, number):
        if number % 5 == 0:
            self.transaction(number)
            return
        self.change(self.db[self._random.choice(self.collections)], number)
        if number % 40 == 1:
            self.change_schema(number)
        self.db.journal.insert_one({"_id": number})

    def transaction(self, number):
        one, other = self._random.sample(range(10), 2)
        with self.client.start_session() as session, session.start_transaction():
            self.db.accounts.update_one({"_id": one}, {"$inc": {"balance": Int64(-number)}}, session=session)
            self.db.accounts.update_one({"_id": other}, {"$inc": {"balance": Int64(number)}}, session=session)
            self.db.journal.insert_one({"_id": number}, session=session)

    def change(self, collection, number):
        """One of the things that a service does to a document."""
        key = self._random.randrange(LIVING_MAX)
        kind = self._random.randrange(8)
        if kind < 3:
            collection.replace_one({"_id": key}, self.document(key, number), upsert=True)
        elif kind == 3:
            collection.update_one({"_id": key}, {"$set": {"n": number, "deep.er.est": number, "list.1": {"x": number}}})
        elif kind == 4:
            collection.update_one({"_id": key}, {"$push": {"list": number}, "$unset": {"gone": 1, "deep.leaf": 1}})
        elif kind == 5:
            collection.update_one({"_id": key}, {"$pop": {"list": 1}, "$inc": {"deep.count": 1}})
        elif kind == 6:
            collection.delete_one({"_id": key})
        else:
            collection.update_many({"n": {"$lt": number - 200}}, {"$set": {"old": True}})

    def document(self, key, number):
        return {
            "_id": key, "n": number, "deep": {"er": {"est": 0}, "leaf": "x", "count": Int64(number)},
            "list": [number, {"x": 1}, [1, 2]], "gone": "soon", "padding": "x" * self._random.randrange(300),
        }

    def change_schema(self, number):
        made = self.db[f"made_{number}"]
        made.insert_many([{"_id": n, "square": n * n} for n in range(number % 17 + 1)])
        made.create_index("square", name=f"square_{number}", unique=True)
        if number % 120 == 1:
            self.db.drop_collection(f"made_{number - 80}")


def balance_of(database):
    """The sum of all accounts; 0 unless a transaction came in half."""
    return sum(account["balance"] for account in database.accounts.find())
