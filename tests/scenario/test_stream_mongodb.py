"""Why this exists: `stream` on the MongoDB-compatible servers: the oplog's own entries, each once, in their order,
whatever happens to the stream."""

import bson
import pytest
from lib.log_objects import StreamedLog
from lib.product import Product
from lib.streaming import TERMINATED, Stream, wait_for

DOCUMENTS = 40
BUSY = 11


@pytest.fixture
def streamed(mongo, tmp):
    product = Product(tmp / "product", database_url=mongo.url())
    product.run("backup", "--type", "full")
    return product


def kept_entries(product):
    """What the objects hold, which must go on from each other, as documents."""
    end, entries = None, []
    for one in StreamedLog(product).objects():
        assert end is None or one.start == end
        end = one.end
        entries += bson.decode_all(one.plain())
    return entries


def inserted(entries, collection):
    return [entry["o"]["_id"] for entry in entries if entry["op"] == "i" and entry["ns"].endswith("." + collection)]


def test_each_entry_is_kept_once_over_a_killed_stream(mongo, streamed):
    collection = mongo.client().streamed_db.numbers

    def insert(first):
        for number in range(first, first + DOCUMENTS):
            collection.insert_one({"_id": number})

    def is_kept(count):
        return list(streamed.repository.glob("log/*/log.json")) and len(
            inserted(kept_entries(streamed), "numbers")
        ) == count

    stream = Stream(streamed)
    stream.wait_until_streaming()
    insert(0)
    wait_for(lambda: is_kept(DOCUMENTS), "kept")
    second = Stream(streamed).wait(expect=BUSY)
    assert "another stream of the log" in second.err
    stream.kill()
    insert(DOCUMENTS)
    with Stream(streamed) as again:
        wait_for(lambda: is_kept(2 * DOCUMENTS), "kept after the kill")
        again.running.signal()
        again.wait(expect=TERMINATED)
    entries = kept_entries(streamed)
    assert inserted(entries, "numbers") == list(range(2 * DOCUMENTS))
    places = [entry["ts"] for entry in entries]
    assert places == sorted(set(places))
    collection.database.client.drop_database("streamed_db")
