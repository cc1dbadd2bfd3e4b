"""Why this exists: `stream` keeps PostgreSQL's log in the repository while it is written. What is kept must be
the server's own bytes, without a gap, whatever happens to anybody; and what a commit was promised must hold."""

import pytest
from lib import streaming
from lib.log_objects import StreamedLog
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, PostgresServer
from lib.streaming import Stream, Writer, check_equal_to_wal


@pytest.fixture
def server(tmp):
    """PostgreSQL 15 with the backup role, which keeps its WAL for the comparison."""
    with PostgresServer.create(15, tmp / "pg15", wal_keep_size="4GB") as made:
        made.create_minimal_role()
        made.add_hba("host replication all 127.0.0.1/32 scram-sha-256")
        yield made


@pytest.fixture
def streamed(server, product):
    """The product, which has a full backup of the server."""
    product.database_url = server.url(user=BACKUP_ROLE, password=BACKUP_PASSWORD)
    product.run("backup", "--type", "full")
    return product


def test_every_committed_row_is_kept_within_seconds(server, streamed):
    writer = Writer(server)
    with Stream(streamed) as stream:
        stream.wait_until_streaming()
        writer.write(200)
        stream.wait_until_durable(streaming.position(server))
        check_equal_to_wal(streamed, server)
        server.sql("CHECKPOINT")
        server.sql("SELECT pg_switch_wal()")
        writer.write(1)
        stream.wait_until_durable(streaming.position(server))
    check_equal_to_wal(streamed, server)
    assert streaming.commits_in(server, streamed) >= 201
