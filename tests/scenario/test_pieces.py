"""Why this exists: one file out of a large backup costs what that file costs: only the segments that hold it are
read, each is checked, and what lies beside it, damaged or not, does not matter; and what is put back does not
disturb its neighbours."""

import hashlib
import json
import pathlib

import pytest
from lib import fail_points
from lib.folder_state import folder_state, names_below
from lib.stored_backup import SEGMENT_BYTES, StoredBackup, random_files

USAGE, DAMAGED, REFUSED, NOT_FOUND, WRONG_KEY = 2, 4, 5, 10, 12
KINDS = {
    "compressed and encrypted": {},
    "encrypted only": {"COMPRESSION_ENABLED": "false"},
    "compressed only": {"ENCRYPTION_ENABLED": "false"},
    "neither": {"COMPRESSION_ENABLED": "false", "ENCRYPTION_ENABLED": "false"},
}
# The random file lies in the third of the five or more segments, whatever the kind.
MIDDLE = 2 * SEGMENT_BYTES + 1000


@pytest.fixture(scope="module")
def source(module_tmp):
    """In the archive's order: a.conf, 72 MB that nothing compresses, then everything else."""
    folder = random_files(module_tmp / "etc", 72)
    (folder / "a.conf").write_text("first = 1\n")
    (folder / "z.conf").write_text("last = 1\n")
    (folder / "z.link").symlink_to("z.conf")
    private = folder / "zz private"
    private.mkdir()
    (private / "key.pem").write_text("not a key\n")
    private.chmod(0o750)
    return folder


def back_up(product, source, **settings):
    done = product.run("backup", "config", "--json", env={"CONFIG_PATHS": source, **settings})
    return StoredBackup(product.repository, done.json()["name"])


def only(*words):
    return [item for word in words for item in ("--only", word)]


def restore(product, stored, place, *words, expect=0, env=None):
    done = product.run("restore", "-f", stored.name, "--files-dir", place, "--json", *words, env=env, expect=expect)
    return done.json()


def below(place, source):
    return pathlib.Path(place) / "config" / str(source).lstrip("/")


@pytest.mark.parametrize("kind", KINDS)
def test_one_file_comes_back_and_little_is_read(product, tmp, source, kind):
    stored = back_up(product, source, **KINDS[kind])
    for name in ("a.conf", "z.conf"):
        place, words = tmp / name, only(f"{source}/{name}")
        plan = restore(product, stored, place, *words, "--dry-run")
        assert not place.exists()
        done = restore(product, stored, place, *words)
        assert names_below(below(place, source)) == [name]
        assert (below(place, source) / name).read_bytes() == (source / name).read_bytes()
        # The segments of the list at the end, of the file, and of the folder's header at the beginning.
        assert done["stored_bytes_read"] == plan["stored_bytes"] <= 3 * SEGMENT_BYTES < stored.body.stat().st_size
        assert plan["plain_bytes"] <= 3 * 4 * 1024 * 1024
    whole = restore(product, stored, tmp / "large", *only("config/*/*/etc/random.bin", str(source / "empty")))
    assert whole["stored_bytes_read"] >= 72 * 1024 * 1024
    assert names_below(below(tmp / "large", source)) == ["empty", "random.bin"]
    assert (below(tmp / "large", source) / "random.bin").read_bytes() == (source / "random.bin").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_damage_beside_does_not_hinder_and_damage_inside_does(product, tmp, source, kind):
    stored = back_up(product, source, **KINDS[kind])
    with stored.flipped(stored.body, MIDDLE):
        restore(product, stored, tmp / "beside", *only(f"{source}/*.conf"))
        assert names_below(below(tmp / "beside", source)) == ["a.conf", "app.conf", "z.conf"]
        error = restore(product, stored, tmp / "inside", *only(f"{source}/random.bin"), expect=DAMAGED)["error"]
        assert "segment 3 of 5" in error["fact"]
        restore(product, stored, tmp / "inside", "--components", "config", expect=DAMAGED)
    for offset in (100, -100):  # the file itself; the list of entries
        with stored.flipped(stored.body, offset):
            restore(product, stored, tmp / "inside", *only(f"{source}/a.conf"), expect=DAMAGED)
    assert not (tmp / "inside").exists()


def test_the_inside_is_listed_without_reading_the_data(product, source):
    stored = back_up(product, source)
    with stored.flipped(stored.body, MIDDLE):
        done = product.run("list", "--contents", stored.name, "--json").json()
    assert done["stored_bytes_read"] <= 2 * SEGMENT_BYTES
    names = {line["name"]: (line["kind"], line["bytes"]) for line in done["contents"]}
    prefix = f"config{source}/"
    assert names == {
        prefix + "a.conf": ("file", 10), prefix + "app.conf": ("file", 34), prefix + "empty": ("file", 0),
        prefix + "random.bin": ("file", 72 << 20), prefix + "z.conf": ("file", 9), prefix + "z.link": ("link", 0),
        prefix + "zz private/key.pem": ("file", 10),
    }
    text = product.run("restore", "--list", "--contents", stored.name).out
    assert f"\nfile   72.0 MiB  {prefix}random.bin\n" in text and f"\nlink        0 B  {prefix}z.link\n" in text


def test_ten_thousand_entries_are_listed_at_once(product, tmp):
    many = tmp / "many"
    many.mkdir()
    for number in range(10_000):
        (many / f"user-{number}.json").touch()
    stored = back_up(product, many)
    done = product.run("list", "--contents", stored.name, "--json", timeout=10).json()
    assert len(done["contents"]) == 10_000
    word = f"{many}/user-77?.json"
    restore(product, stored, tmp / "back", "--only", word, env=None)
    assert names_below(below(tmp / "back", many)) == [f"user-77{digit}.json" for digit in range(10)]


def test_the_list_needs_the_key_and_so_does_a_piece(product, tmp, source):
    stored = back_up(product, source)
    for key in ("f" * 64, None):
        other = {"BACKUP_ENCRYPTION_KEY": key}
        product.run("list", "--contents", stored.name, env=other, expect=WRONG_KEY)
        restore(product, stored, tmp / "back", *only("/x"), env=other, expect=WRONG_KEY)
    assert not (tmp / "back").exists()


def test_a_word_means_a_path_a_pattern_or_a_folder_with_all_in_it(product, tmp, source):
    stored = back_up(product, source)
    for number, (word, names) in enumerate({
        f"{source}/zz private/": ["zz private", "zz private/key.pem"],
        f"{source}/*/key.*": ["zz private", "zz private/key.pem"],
        f"config{source}/z.*": ["z.conf", "z.link"],
        f"{source}/[ae]*": ["a.conf", "app.conf", "empty"],
    }.items()):
        restore(product, stored, tmp / str(number), *only(word))
        assert names_below(below(tmp / str(number), source)) == names
    back = below(tmp / "0", source)
    assert folder_state(back)[b"zz private"] == ("d", 0o750)


def test_a_word_that_names_nothing_says_what_there_is(product, tmp, source):
    stored = back_up(product, source)
    error = restore(product, stored, tmp / "back", *only(f"{source}/a.cnof"), expect=NOT_FOUND)["error"]
    assert error["hint"] == f"did you mean {source}/a.conf?"
    error = restore(product, stored, tmp / "back", *only(f"{source}/a.conf", "/nothing"), expect=NOT_FOUND)["error"]
    assert "no file that /nothing names" in error["fact"] and f"it holds {source}/a.conf" in error["hint"]
    error = restore(product, stored, tmp / "back", *only("auth.users"), expect=USAGE)["error"]
    assert "holds no database" in error["fact"]
    error = restore(product, stored, tmp / "back", *only("auth.users"), "--components", "config", expect=USAGE)["error"]
    assert "--components leaves that out" in error["fact"]
    restore(product, stored, tmp / "back", *only(f"certificates{source}"), expect=NOT_FOUND)
    assert not (tmp / "back").exists()


def test_what_is_there_is_refused_or_kept_beside_and_its_neighbours_stay(product, tmp, source):
    stored = back_up(product, source)
    there = below(tmp / "back", source)
    (there / "zz private").mkdir(parents=True)
    for name in ("a.conf", "neighbour"):
        (there / name).write_text("mine\n")
    (there / "zz private").chmod(0o700)
    words = only(f"{source}/*.conf", f"{source}/zz private")
    before = folder_state(tmp / "back")
    error = restore(product, stored, tmp / "back", *words, expect=REFUSED)["error"]
    assert f"{there}/a.conf is already there" in error["fact"]
    assert folder_state(tmp / "back") == before
    plan = restore(product, stored, tmp / "back", *words, "--force", "--dry-run")
    assert plan["replaces"] == [f"{there}/a.conf (kept beside it with .before-TIME at its name's end)"]
    restore(product, stored, tmp / "back", *words, "--force")
    (kept,) = there.glob("a.conf.before-*")
    assert kept.read_text() == "mine\n" and (there / "a.conf").read_text() == "first = 1\n"
    assert names_below(there) == sorted(
        ["a.conf", kept.name, "app.conf", "neighbour", "z.conf", "zz private", "zz private/key.pem"])
    assert (there / "zz private").stat().st_mode & 0o777 == 0o700
    restore(product, stored, tmp / "back", *only(f"{source}/a.conf"), "--force", "--drop-old")
    assert [path.name for path in there.glob("a.conf.before-*")] == [kept.name]


def test_nothing_is_written_through_a_link_that_stands_in_the_way(product, tmp, source):
    stored = back_up(product, source)
    (tmp / "elsewhere").mkdir()
    there = below(tmp / "back", source)
    there.parent.mkdir(parents=True)
    there.symlink_to(tmp / "elsewhere")
    restore(product, stored, tmp / "back", *only(f"{source}/a.conf"), "--force", expect=REFUSED)
    assert names_below(tmp / "elsewhere") == []


def test_a_hard_link_comes_with_its_content_and_without_its_other_name(product, tmp):
    folder = tmp / "etc"
    folder.mkdir()
    (folder / "a").write_text("shared\n")
    (folder / "b").hardlink_to(folder / "a")
    stored = back_up(product, folder)
    restore(product, stored, tmp / "back", *only(f"{folder}/b"))
    assert names_below(below(tmp / "back", folder)) == ["b"]
    assert (below(tmp / "back", folder) / "b").read_text() == "shared\n"


@pytest.mark.parametrize("action, code", [("kill", 137), ("stop", 143), ("eio", 1), ("enospc", 9)])
def test_a_restore_of_pieces_ended_at_any_step_leaves_each_file_old_or_new(product, tmp, source, action, code):
    stored = back_up(product, source)
    there = below(tmp / "back", source)
    words = ("restore", "-f", stored.name, "--files-dir", tmp / "back", "--force",
             *only(f"{source}/[az]*.conf", f"{source}/empty"))

    def begin_anew():
        there.mkdir(parents=True, exist_ok=True)
        for path in there.iterdir():
            path.unlink()
        (there / "a.conf").write_text("mine\n")

    begin_anew()
    steps = fail_points.steps_of(product, *words)
    assert steps.count("restore.publish") == 4  # a.conf, app.conf, empty, z.conf
    for number in range(1, len(steps) + 1):
        begin_anew()
        product.run(*words, env=fail_points.at_step(number, action), expect=(code, 0))
        assert (there / "a.conf").read_text() in ("mine\n", "first = 1\n")
        if action in ("eio", "enospc"):
            assert names_below(there) == ["a.conf"] and (there / "a.conf").read_text() == "mine\n"
        product.run(*words)  # needs no help, and leaves nothing of the dead run's
        assert (there / "a.conf").read_text() == "first = 1\n"
        assert [path.name for path in (tmp / "back").iterdir()] == ["config"]


def test_a_backup_without_the_lists_place_is_searched_from_its_end(product, tmp, source):
    """As early versions wrote it: without encryption the manifest can be written anew."""
    stored = back_up(product, source, ENCRYPTION_ENABLED="false")
    manifest = json.loads(stored.manifest.read_text())
    assert manifest.pop("inner_manifest_offset") > 72 << 20
    del manifest["manifest_sha256"]

    def canonical(document):
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    manifest["manifest_sha256"] = hashlib.sha256(canonical(manifest)).hexdigest()
    with stored.changed(stored.manifest, canonical(manifest) + b"\n"):
        assert len(product.run("list", "--contents", stored.name, "--json").json()["contents"]) == 7
        restore(product, stored, tmp / "back", *only(f"{source}/z.conf"))
    assert names_below(below(tmp / "back", source)) == ["z.conf"]
