"""Why this exists: a physical backup holds a whole cluster, so the tests of the way there and back need
one: several databases, a tablespace, unlogged and partitioned tables, and the comparison of all of it."""

from lib.auth_data import APP_ROLE
from lib.fingerprint import differences

# A name that SQL must quote and that a URL must escape.
ODD_DATABASE = "Audit log/ü 2"
DATABASES = ("auth", "billing", ODD_DATABASE)
TABLESPACE = "fast"

BILLING = f"""
CREATE TABLE invoices (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, cents bigint NOT NULL);
INSERT INTO invoices (cents) SELECT n * 7 FROM generate_series(1, 500) n;
CREATE TABLE ledger (id bigint PRIMARY KEY, note text NOT NULL) TABLESPACE {TABLESPACE};
INSERT INTO ledger SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 2000) n;
CREATE INDEX ledger_note ON ledger (md5(note)) TABLESPACE {TABLESPACE};
CREATE UNLOGGED TABLE cache (id integer PRIMARY KEY) TABLESPACE {TABLESPACE};
INSERT INTO cache SELECT generate_series(1, 10);
GRANT SELECT ON invoices TO {APP_ROLE};
"""

AUDIT = """
CREATE TABLE "Log" (at timestamptz PRIMARY KEY, what text);
INSERT INTO "Log"
SELECT timestamptz '2024-01-01Z' + n * interval '1 hour', 'event ' || n FROM generate_series(1, 300) n;
"""


def fill(server):
    """Beside the auth data that the server has: two more databases and a tablespace; returns its folder."""
    folder = server.create_tablespace(TABLESPACE)
    server.sql("CREATE DATABASE billing")
    server.sql(f"GRANT CONNECT ON DATABASE billing TO {APP_ROLE}")
    server.sql("ALTER DATABASE billing SET statement_timeout = '7s'")
    server.sql(f'CREATE DATABASE "{ODD_DATABASE}" OWNER {APP_ROLE}')
    server.sql(BILLING, "billing")
    server.sql(AUDIT, ODD_DATABASE)
    return folder


def fingerprints(server, databases=DATABASES):
    return {database: server.fingerprint(database) for database in databases}


def assert_same(before, after):
    """Both as `fingerprints` gives them."""
    assert before.keys() == after.keys()
    for database, expected in before.items():
        assert differences(expected, after[database]) == [], database


def rows(server, table, database):
    return server.value(f"SELECT count(*) FROM {table}", database)


def tablespace_place(server):
    """The folder of the tablespace as the server sees it."""
    return server.value(f"SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = '{TABLESPACE}'")
