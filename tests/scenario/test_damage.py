"""Why this exists: whatever a disk, a network or an enemy does to a stored backup, it is noticed (exit 4),
and not a byte of it reaches a target."""

import hashlib
import itertools
import json

import pytest
from lib.crash import SAMPLE
from lib.folder_state import folder_state
from lib.product import Product
from lib.stored_backup import (
    SEGMENT_BYTES, assert_restores_to, back_up_files, random_files, segment_digests,
)

OTHER_COPY = "hint: use another copy of this backup, or another backup (restore --list)"
MEGABYTES = 36  # three segments


@pytest.fixture(scope="module")
def source(module_tmp):
    return random_files(module_tmp / "source", MEGABYTES)


@pytest.fixture(scope="module")
def backed_up(module_tmp, source):
    product = Product(module_tmp / "product")
    return product, back_up_files(product, source)


@pytest.fixture(scope="module")
def other(backed_up, source):
    """A second backup of the same files with the same key, in the same repository."""
    return back_up_files(backed_up[0], source)


@pytest.fixture
def place(tmp):
    """A folder that holds something else, which must stay as it is."""
    place = tmp / "place"
    (place / "neighbour").mkdir(parents=True)
    (place / "neighbour" / "file").write_text("not ours")
    return place


def refused(product, stored, place, fact, code=4):
    """Verify and restore both say `fact`, and the target stays as it was."""
    before = folder_state(place)
    for words in (
        ("verify", stored.name),
        ("restore", "--backup-file", stored.name, "--components", "config", "--files-dir", place),
    ):
        done = product.run(*words, expect=code)
        assert fact in done.err
        # Which backup and where, and what to do.
        assert code != 4 or (f"{stored.name} in {product.repository}: " in done.err and "hint: " in done.err), done
        assert done.out == ""
        assert folder_state(place) == before


def segment_fact(number):
    return f"segment {number + 1} of 3 (bytes {number * SEGMENT_BYTES}-"


def offsets_of_interest(length):
    """First, second, middle and last byte of every segment, and the header that openssl writes."""
    for start in range(0, length, SEGMENT_BYTES):
        end = min(start + SEGMENT_BYTES, length)
        yield from (start, start + 1, (start + end) // 2, end - 2, end - 1)
    yield from (7, 8, 15, 16)  # "Salted__", salt, first block


def test_any_flipped_bit_of_the_body_is_found(backed_up, place):
    product, stored = backed_up
    bits = itertools.cycle(range(8))
    for offset in offsets_of_interest(stored.body.stat().st_size):
        with stored.flipped(stored.body, offset, next(bits)):
            refused(product, stored, place, segment_fact(offset // SEGMENT_BYTES))


def test_any_flipped_bit_of_the_index_is_found(backed_up, place):
    product, stored = backed_up
    fact = f"{stored.index.name} is not the index that the manifest of {stored.name} names\n{OTHER_COPY}"
    bits = itertools.cycle(range(8))
    for offset in range(0, stored.index.stat().st_size, 7 * SAMPLE):
        with stored.flipped(stored.index, offset, next(bits)):
            assert fact in product.run("verify", stored.name, expect=4).err
    with stored.flipped(stored.index, 40):
        refused(product, stored, place, fact)


def test_any_flipped_bit_of_the_manifest_is_found(backed_up, place):
    product, stored = backed_up
    missed = []
    bits = itertools.cycle(range(8))
    text = stored.manifest.read_text()
    for offset in range(0, len(text), 3 * SAMPLE):
        bit = next(bits)
        with stored.flipped(stored.manifest, offset, bit):
            done = product.run("verify", stored.name, expect=None)
            if done.code != 4:
                missed.append((done.code, bit, text[max(0, offset - 25):offset + 1], done.err))
    assert missed == []
    with stored.flipped(stored.manifest, text.index('"entry_count":') + 14):
        refused(product, stored, place, stored.name)


def test_any_cut_of_the_body_is_found(backed_up, place):
    product, stored = backed_up
    whole = stored.body.read_bytes()
    length = len(whole)
    (members,) = [[int(line.split()[1]) for line in stored.index.read_text().splitlines() if line.startswith("member ")]]
    cuts = {
        0, 1, 8, 16, 17, 32, members[0], 16 + members[0], SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1,
        2 * SEGMENT_BYTES, length - 17, length - 16, length - 1,
    }
    for cut in sorted(cuts):
        with stored.changed(stored.body, whole[:cut]):
            fact = f"{stored.body.name} is {cut} bytes long, its manifest says {length}\n{OTHER_COPY}"
            refused(product, stored, place, fact)


def test_extra_bytes_are_found(backed_up, place):
    product, stored = backed_up
    for path in stored.objects:
        whole = path.read_bytes()
        for extra in (b"\0", b"\n", b"{}\n", whole[-16:], whole[:1024]):
            with stored.changed(path, whole + extra):
                refused(product, stored, place, stored.name)


@pytest.mark.parametrize("order", ["102", "021", "210", "000", "011"])
def test_swapped_and_repeated_segments_are_found(backed_up, place, order):
    product, stored = backed_up
    whole = stored.body.read_bytes()
    cut = [whole[at:at + SEGMENT_BYTES] for at in range(0, len(whole), SEGMENT_BYTES)]
    content = b"".join(cut[int(digit)] for digit in order)
    first_wrong = next(place for place, digit in enumerate(order) if int(digit) != place)
    fact = segment_fact(first_wrong) if len(content) == len(whole) else f"{stored.body.name} is {len(content)} bytes long"
    with stored.changed(stored.body, content):
        refused(product, stored, place, fact)


def test_a_segment_of_another_backup_is_found_even_with_its_digest(backed_up, other, place):
    product, stored = backed_up
    whole = stored.body.read_bytes()
    spliced = whole[:SEGMENT_BYTES] + other.body.read_bytes()[SEGMENT_BYTES:2 * SEGMENT_BYTES] + whole[2 * SEGMENT_BYTES:]
    index = stored.index.read_text().replace(segment_digests(stored.body)[1], segment_digests(other.body)[1])
    with stored.changed(stored.body, spliced):
        refused(product, stored, place, segment_fact(1))
        with stored.changed(stored.index, index.encode()):
            fact = f"{stored.index.name} is not the index that the manifest of {stored.name} names"
            refused(product, stored, place, fact)
            manifest = json.loads(stored.manifest.read_text())
            manifest["index_sha256"] = hashlib.sha256(index.encode()).hexdigest()
            with stored.changed(stored.manifest, canonical(manifest)):
                refused(product, stored, place, f"the manifest of {stored.name} was changed after it was written\n{OTHER_COPY}")


def canonical(document):
    """A manifest as somebody writes it who has everything but the key."""
    def text(members):
        return json.dumps(members, sort_keys=True, separators=(",", ":")).encode()

    rest = {name: value for name, value in document.items() if name not in ("mac", "manifest_sha256")}
    return text({**document, "manifest_sha256": hashlib.sha256(text(rest)).hexdigest()}) + b"\n"


@pytest.mark.parametrize("what", ["body", "index", "manifest"])
def test_an_object_of_another_backup_is_found(backed_up, other, place, what):
    product, stored = backed_up
    facts = {
        "body": "segment 1 of 3" if stored.body.stat().st_size == other.body.stat().st_size else f"{stored.body.name} is",
        "index": f"{stored.index.name} is not the index",
        "manifest": stored.name,
    }
    with stored.changed(getattr(stored, what), getattr(other, what).read_bytes()):
        refused(product, stored, place, facts[what])


def test_a_whole_backup_under_the_name_of_another_is_found(backed_up, other, place):
    product, stored = backed_up
    with stored.changed(stored.body, other.body.read_bytes()), stored.changed(
        stored.index, other.index.read_bytes()
    ), stored.changed(stored.manifest, other.manifest.read_bytes()):
        refused(product, stored, place, f"{stored.manifest.name} is the manifest of {other.name}")


@pytest.mark.parametrize("what", ["body", "index"])
def test_a_lost_object_is_named(backed_up, place, what):
    product, stored = backed_up
    with stored.changed(getattr(stored, what), None):
        refused(product, stored, place, f"{getattr(stored, what).name} is missing")
        (listed,) = [row for row in product.run("list", "--json").json()["backups"] if row["name"] == stored.name]
        assert (listed["state"], listed["problem"]) == ("damaged", f"{getattr(stored, what).name} is missing")


def test_without_its_manifest_a_backup_is_not_there(backed_up, place):
    product, stored = backed_up
    with stored.changed(stored.manifest, None):
        refused(product, stored, place, (
            f"there is no backup {stored.name} in {product.repository}\nhint: restore --list shows what there is; a body "
            "whose manifest is lost can be read with --unauthenticated"
        ), code=10)
        assert stored.name not in product.run("list").out


@pytest.mark.parametrize("version", [0, 2, 99])
def test_an_unknown_format_version_is_named(backed_up, place, version):
    product, stored = backed_up
    manifest = json.loads(stored.manifest.read_text())
    assert manifest["version"] == 1
    manifest["version"] = version
    with stored.changed(stored.manifest, canonical(manifest)):
        refused(product, stored, place, (
            f"{stored.manifest.name} has format version {version}; this program reads version 1\nhint: restore it with the "
            "version of auth-service-backup that wrote it, or a newer one"
        ))


def test_a_manifest_that_is_no_manifest_is_damage(backed_up, place):
    product, stored = backed_up
    for content in (b"", b"\n", b"null\n", b"[]\n", b"{}\n", b"[" * 20000, b"\0" * 100, b'{"version":1}\n', b"\xff\xfe\n"):
        with stored.changed(stored.manifest, content):
            refused(product, stored, place, stored.manifest.name)


def test_untouched_it_still_comes_back(backed_up, source, tmp):
    """Last: what the tests above did to the objects was undone."""
    product, stored = backed_up
    assert_restores_to(product, stored, source, tmp / "out")


@pytest.mark.parametrize("settings, suffix", [
    ({"COMPRESSION_ENABLED": "false"}, ".tar.enc"),
    ({"ENCRYPTION_ENABLED": "false"}, ".tar.gz"),
    ({"COMPRESSION_ENABLED": "false", "ENCRYPTION_ENABLED": "false"}, ".tar"),
])
def test_every_form_finds_damage(product, tmp, place, settings, suffix):
    small = random_files(tmp / "small", 1)
    stored = back_up_files(product, small, **settings)
    assert stored.body.name == stored.name + suffix
    assert_restores_to(product, stored, small, tmp / "out")
    length = stored.body.stat().st_size
    for offset in (0, 257, 512, length // 2, length - 1):
        with stored.flipped(stored.body, offset):
            refused(product, stored, place, "segment 1 of 1 (bytes 0-")
    whole = stored.body.read_bytes()
    for content in (whole[:-1], whole + b"\0", b""):
        with stored.changed(stored.body, content):
            refused(product, stored, place, f"{stored.body.name} is {len(content)} bytes long, its manifest says {length}")
    for path in (stored.index, stored.manifest):
        for offset in range(0, path.stat().st_size, 30 * SAMPLE):
            with stored.flipped(path, offset):
                product.run("verify", stored.name, expect=4)
