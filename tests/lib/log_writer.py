"""Why this exists: "exactly what was committed by then" needs a writer that knows, for every instant and every
position, what was committed by then. It uses several sessions, but lets one commit at a time happen, and asks the
server for its clock and the end of its WAL just before and just after each."""

import contextlib
import dataclasses
import datetime

DATABASE = "app"
MICROSECOND = datetime.timedelta(microseconds=1)
PLACE = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, clock_timestamp()"


@dataclasses.dataclass(frozen=True)
class Commit:
    """Between `before` and `after` (instants, and ends of the WAL) it happened, and `state` is what is there
    since. The commit's own time and record lie strictly after `before`."""

    state: frozenset
    before: datetime.datetime
    after: datetime.datetime
    before_lsn: int
    after_lsn: int


def lsn_text(value):
    return f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"


def instant_text(instant):
    return instant.astimezone(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class LogWriter:
    """Rows (table, n) of the database `app`, and names of databases: ("database", name) is one as well."""

    def __init__(self, server, sessions=3):
        self.server, self.number, self.commits = server, 0, []
        self._sessions, self._count = [], sessions
        self._state = {("database", DATABASE)}
        server.sql(f"CREATE DATABASE {DATABASE}")
        server.sql("CREATE TABLE numbered (n integer PRIMARY KEY, filler text)", DATABASE)
        self.connect()
        self._note(lambda: None)

    def connect(self):
        """Anew, after the server was started again."""
        self.close()
        self._sessions = [self.server.connect(DATABASE) for _ in range(self._count)]
        self._observer = self.server.connect(DATABASE)

    def close(self):
        for session in self._sessions:
            session.close()
        if self._sessions:
            self._observer.close()
        self._sessions = []

    # -- what is written -----------------------------------------------------------------------------

    def session(self):
        """One after the other."""
        self._sessions.append(self._sessions.pop(0))
        return self._sessions[0]

    def rows(self, count=1, filler_bytes=32, table="numbered"):
        """One transaction."""
        session = self.session()
        session.execute("BEGIN")
        added = self._insert(session, count, filler_bytes, table)
        self._note(lambda: session.execute("COMMIT"), add=added)

    def subtransactions(self):
        """One transaction of which some parts are taken back."""
        session = self.session()
        session.execute("BEGIN")
        kept = self._insert(session, 2)
        session.execute("SAVEPOINT a")
        self._insert(session, 3)
        session.execute("ROLLBACK TO a")
        session.execute("SAVEPOINT b")
        kept |= self._insert(session, 2)
        session.execute("RELEASE b")
        self._note(lambda: session.execute("COMMIT"), add=kept)

    def taken_back(self, count=5):
        session = self.session()
        session.execute("BEGIN")
        self._insert(session, count)
        session.execute("ROLLBACK")

    def prepare(self, count=2):
        """Returns what commit_prepared needs."""
        session = self.session()
        session.execute("BEGIN")
        added = self._insert(session, count)
        name = f"prepared-{self.number}"
        session.execute(f"PREPARE TRANSACTION '{name}'")
        return name, added

    def commit_prepared(self, prepared):
        name, added = prepared
        self._note(lambda: self.session().execute(f"COMMIT PREPARED '{name}'"), add=added)

    def leave_open(self, count=2):
        """A transaction of a session of its own; returns a function that commits it."""
        session = self.server.connect(DATABASE)
        session.execute("BEGIN")
        added = self._insert(session, count)

        def commit():
            self._note(lambda: session.execute("COMMIT"), add=added)
            session.close()

        return commit

    def create_table(self, name):
        self._note(lambda: self.session().execute(f"CREATE TABLE {name} (n integer, filler text)"))

    def drop_table(self, name):
        gone = {row for row in self._state if row[0] == name}
        self._note(lambda: self.session().execute(f"DROP TABLE {name}"), remove=gone)

    def truncate(self, name):
        gone = {row for row in self._state if row[0] == name}
        self._note(lambda: self.session().execute(f"TRUNCATE {name}"), remove=gone)

    def create_database(self, name):
        self._note(lambda: self.session().execute(f"CREATE DATABASE {name}"), add={("database", name)})

    def mixture(self, rounds=1):
        """A bit of each of the ordinary ones."""
        for _ in range(rounds):
            self.rows()
            self.rows(40, filler_bytes=200)
            self.taken_back()
            self.subtransactions()

    def _insert(self, session, count, filler_bytes=32, table="numbered"):
        numbers = range(self.number + 1, self.number + 1 + count)
        self.number += count
        session.execute(
            f"INSERT INTO {table} SELECT n, repeat(md5(n::text), %s) FROM generate_series(%s::integer, %s::integer) n",
            (max(1, filler_bytes // 32), numbers[0], numbers[-1]),
        )
        return {(table, n) for n in numbers}

    def _note(self, commit, add=(), remove=()):
        before_lsn, before = self.place()
        commit()
        after_lsn, after = self.place()
        self._state = (self._state | set(add)) - set(remove)
        self.commits.append(Commit(frozenset(self._state), before, after, before_lsn, after_lsn))

    def place(self):
        """The end of the server's WAL, and its clock."""
        lsn, instant = self._observer.execute(PLACE).fetchone()
        return int(lsn), instant

    # -- what was there ------------------------------------------------------------------------------

    def at(self, instant):
        """The last commit by then; the instant must not lie within one."""
        by_then = [commit for commit in self.commits if commit.before < instant]
        assert by_then[-1].after <= instant
        return by_then[-1]

    def targets(self, moments, windows):
        """Endless: (commit, words of a target that stops just after it), drawn with `moments`, a time and a position
        in turn, all of them inside `windows` as `list --json` gives them."""
        times = [(parse_instant(w["from"]), parse_instant(w["to"])) for w in windows]
        places = [(parse_lsn(w["from_position"]), parse_lsn(w["to_position"])) for w in windows]
        found = 0
        for tries in range(1_000_000):
            assert tries < 1000 or found, "no commit lies in the windows"
            place = moments.randrange(len(self.commits) - 1)
            commit, following = self.commits[place], self.commits[place + 1]
            if found % 2 == 0:
                span = (following.before - commit.after) // MICROSECOND
                if span < 1:
                    continue
                instant = commit.after + moments.randrange(span) * MICROSECOND
                if not any(start <= instant <= end for start, end in times):
                    continue
                words = ("--target-time", instant_text(instant))
            else:
                lsn = moments.randint(commit.after_lsn, following.before_lsn)
                if not any(start <= lsn <= end for start, end in places):
                    continue
                words = ("--target-position", lsn_text(lsn))
            found += 1
            yield commit, words


def parse_lsn(text):
    """A position may be followed by its timeline."""
    high, low = text.split()[0].split("/")
    return int(high, 16) << 32 | int(low, 16)


def state_of(server):
    """What LogWriter would say of a server: all rows of its tables in `app`, and its databases."""
    databases = server.sql("SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'")
    state = {("database", name) for (name,) in databases}
    if ("database", DATABASE) not in state:
        return state
    with contextlib.closing(server.connect(DATABASE)) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables.fetchall():
            state |= {(table, n) for (n,) in connection.execute(f"SELECT n FROM {table}").fetchall()}
    return state


def assert_is(server, commit):
    """The set difference in both directions is empty."""
    found = state_of(server)
    assert found - commit.state == set() and commit.state - found == set()
