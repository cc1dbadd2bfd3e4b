"""Why this exists: a log has to be written before it can be backed up, served or replayed: logins, refreshed tokens and
changed profiles of random users, as a busy auth service writes them, until there is as much WAL as wanted."""

import subprocess

from lib.postgres import SUPERUSER_PASSWORD, _identity

WORK = """\\set user random(1, {rows})
BEGIN;
UPDATE users SET profile = jsonb_set(profile, '{{seen}}', to_jsonb(now())) WHERE id = :user;
UPDATE refresh_tokens SET digest = sha256(random()::text::bytea) WHERE id = :user;
INSERT INTO sessions SELECT gen_random_uuid(), :user, '10.1.2.3', 'Mozilla/5.0 (X11; Linux x86_64)', now();
INSERT INTO audit_log SELECT nextval('audit_ids'), now(), :user, 'login',
    jsonb_build_object('ip', '10.0.0.1', 'request', md5(random()::text));
COMMIT;
"""
BURST = 5_000  # transactions of each of two clients between two looks at the WAL


def lsn(server):
    return server.value("SELECT pg_current_wal_flush_lsn()::text")


def bytes_between(server, start, end):
    return int(server.value(f"SELECT pg_wal_lsn_diff('{end}', '{start}')"))


def write_wal(server, megabytes):
    """Returns where the WAL began and ended; a few percent more than asked for."""
    rows = server.value("SELECT count(*) FROM users", "auth")
    server.sql(f"CREATE SEQUENCE IF NOT EXISTS audit_ids START {rows + 1}", "auth")
    script = server.folder / "work.pgbench"
    script.write_text(WORK.format(rows=rows))
    start = lsn(server)
    while bytes_between(server, start, lsn(server)) < megabytes * 1_000_000:
        server.sql("CHECKPOINT")  # from here on the first change of each page is logged as a whole page
        subprocess.run(
            [server.bin / "pgbench", "-n", "-h", server.folder, "-p", str(server.port), "-U", "postgres", "-c", "2", "-t", str(BURST),
             "-f", script, "auth"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            env={**server.environment, "PGPASSWORD": SUPERUSER_PASSWORD}, **_identity())
    return start, lsn(server)
