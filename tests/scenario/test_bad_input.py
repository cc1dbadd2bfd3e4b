"""Why this exists: names are bytes that others chose. Odd ones must come back as they were; evil ones, in
an archive that nothing authenticates, must not lead a byte out of the folder restored to."""

import io
import os
import subprocess
import tarfile

import pytest
from lib.folder_state import folder_state, names_below
from lib.product import KEY_NAME
from lib.stored_backup import assert_restores_to, back_up_files, random_files

PLAIN = "plain-archive.tar.gz.enc"


def member(name, content=b"evil", **fields):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o644
    for field, value in fields.items():
        setattr(entry, field, value)
    return entry, content if entry.isreg() else b""


def link(name, target, kind=tarfile.SYMTYPE):
    return member(name, b"", type=kind, linkname=target)


def archive_of(*members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for entry, content in members:
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def encrypt(product, plain, path, *options):
    """As an operator's script did before there was this product."""
    subprocess.run(
        ["openssl", "enc", "-aes-256-cbc", "-pbkdf2", *options, "-pass", f"env:{KEY_NAME}", "-out", path],
        input=plain, env=product.environment(), check=True,
    )
    return path


def restore_plain(product, path, place, expect=0):
    return product.run(
        "restore", "--unauthenticated", "--backup-file", path, "--components", "config", "--files-dir", place,
        expect=expect,
    )


OUTSIDE = "/tmp/asb-evil-archive"

EVIL = {
    "dots inside": ([member("config/../../x")], "has a '.' or '..' component"),
    "dots first": ([member("../x")], "has a '.' or '..' component"),
    "dots last": ([member("config/x/..")], "has a '.' or '..' component"),
    "absolute": ([member(OUTSIDE)], "is absolute"),
    "absolute after good ones": ([member("config/good"), member(OUTSIDE)], "is absolute"),
    "through a link": ([link("config/a", OUTSIDE), member("config/a/b")], "lies below config/a, which is not a folder"),
    "through a link to here": ([link("config/a", "."), member("config/a/b")], "lies below config/a, which is not a folder"),
    "over a link": ([link("config/a", OUTSIDE), member("config/a")], "is there twice"),
    "twice": ([member("config/a"), member("config/a")], "is there twice"),
    "hard link outside": ([link("config/a", "/etc/passwd", tarfile.LNKTYPE)], "is absolute"),
    "hard link upwards": ([link("config/a", "../../etc/passwd", tarfile.LNKTYPE)], "has a '.' or '..' component"),
    "hard link to nothing": ([link("config/a", "config/b", tarfile.LNKTYPE)], "is no file restored before it"),
    "hard link through a link": (
        [link("config/a", "/etc"), link("config/b", "config/a/passwd", tarfile.LNKTYPE)], "is no file restored before it",
    ),
    "device": ([member("config/a", b"", type=tarfile.CHRTYPE)], "config/a"),
    "pipe": ([member("config/a", b"", type=tarfile.FIFOTYPE)], "config/a"),
    "component of 256 bytes": ([member("config/" + "x" * 256)], "has a component of more than 255 bytes"),
    "name of 5000 bytes": ([member("config/" + "x" * 99 + "/y" * 2450)], "is longer than 4095 bytes"),
}


@pytest.mark.parametrize("case", EVIL)
def test_an_evil_archive_gets_nothing_written(product, tmp, case):
    members, fact = EVIL[case]
    path = tmp / "plain.tar.gz"
    path.write_bytes(archive_of(member("config/first", b"fine"), *members))
    before = folder_state(tmp)
    done = restore_plain(product, path, tmp / "place" / "deep", expect=4)
    assert fact in done.err
    after = {name: state for name, state in folder_state(tmp).items() if not name.startswith(b"product")}
    assert after == {name: state for name, state in before.items() if not name.startswith(b"product")}
    assert not os.path.lexists(OUTSIDE)


@pytest.mark.parametrize("cut", [0, 1, 16, 17, 100, -1, -16, -40])
def test_a_plain_archive_that_is_cut_gives_nothing(product, tmp, cut):
    path = encrypt(product, archive_of(member("config/a", os.urandom(100_000))), tmp / PLAIN)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    done = restore_plain(product, path, tmp / "place", expect=(4, 12))
    assert done.code == 4 or cut in (0, 1, 16, 17), done
    assert not (tmp / "place").exists()


def old_archive(product, tmp, *options):
    """`tar cz | openssl enc` of a folder config/ with the files of an application."""
    (tmp / "old").mkdir()
    source = random_files(tmp / "old" / "config", 1)
    (source / "link").symlink_to("app.conf")
    tar = subprocess.run(["tar", "-czf", "-", "-C", tmp / "old", "config"], stdout=subprocess.PIPE, check=True).stdout
    return source, encrypt(product, tar, tmp / PLAIN, *options)


@pytest.mark.parametrize("options", [[], ["-iter", "10000", "-md", "sha256"], ["-iter", "100000"], ["-iter", "600000"]])
def test_an_archive_of_a_plain_script_comes_back(product, tmp, options):
    source, path = old_archive(product, tmp, *options)
    done = restore_plain(product, path, tmp / "place")
    assert "UNAUTHENTICATED: there is no inner manifest either; nothing was checked but the tar structure" in done.out
    assert f"warning: {path} is read without its manifest: nothing proves that it is what was written" in done.err
    assert folder_state(tmp / "place" / "config") == folder_state(source)


def test_a_plain_archive_without_encryption_comes_back(product, tmp):
    source = random_files(tmp / "config", 1)
    subprocess.run(["tar", "-czf", tmp / "plain.tar.gz", "-C", tmp, "config"], check=True)
    subprocess.run(["tar", "-cf", tmp / "plain.tar", "-C", tmp, "config"], check=True)
    for name in ("plain.tar.gz", "plain.tar"):
        restore_plain(product, tmp / name, tmp / name.replace(".", "-"))
        assert folder_state(tmp / name.replace(".", "-") / "config") == folder_state(source)


def test_an_unauthenticated_archive_needs_the_flag_and_the_key(product, tmp):
    _, path = old_archive(product, tmp)
    done = product.run("restore", "--backup-file", path, "--components", "config", "--files-dir", tmp / "x", expect=10)
    assert "there is no backup plain-archive in" in done.err
    assert "a body whose manifest is lost can be read with --unauthenticated" in done.err
    product.key = "0" * 64
    assert "the key does not open this archive\nhint: " in restore_plain(product, path, tmp / "x", expect=12).err
    product.key = ""
    assert "the archive is encrypted and no key is set" in restore_plain(product, path, tmp / "x", expect=12).err
    assert not (tmp / "x").exists()


@pytest.mark.parametrize("words", [
    ("--components", "database"), ("--components", "database", "--force"), ("--components", "database", "--all-databases"),
    ("--components", "database,config", "--target-dir", "there"), ("--components", "config"),
])
def test_an_unauthenticated_archive_never_goes_into_a_database(product, tmp, words):
    _, path = old_archive(product, tmp)
    product.database_url = "postgresql://backup@127.0.0.1:1/auth"
    done = product.run("restore", "--unauthenticated", "--backup-file", path, *words, expect=2)
    assert "an unauthenticated archive goes into a folder only, never into a database\nhint: " in done.err
    assert not (product.folder / "there").exists()


def test_our_own_body_comes_back_without_manifest_and_index(product, tmp):
    source = random_files(tmp / "source", 1)
    stored = back_up_files(product, source)
    stored.manifest.unlink()
    stored.index.unlink()
    done = restore_plain(product, stored.body, tmp / "place")
    assert "UNAUTHENTICATED: the entries match the inner manifest, but nothing proves who wrote them" in done.out
    assert folder_state(tmp / "place/config" / str(source).lstrip("/")) == folder_state(source)
    with stored.flipped(stored.body, stored.body.stat().st_size // 2):
        restore_plain(product, stored.body, tmp / "damaged", expect=4)
    assert not (tmp / "damaged").exists()


def odd_names():
    return [
        b"new\nline", b"tab\tand\rreturn", b"\xff\xfe not UTF-8 \x80", "ünï©ode ✓".encode(), b" leading and trailing ",
        b"-rf", b"*?[glob]", b'quote"\'`$(x)', b"back\\slash", b"a:b", b"\x01\x1b[31m", b"..almost", b"...", b"x" * 255,
    ]


def test_odd_names_come_back(product, tmp):
    source = tmp / "source"
    source.mkdir()
    for name in odd_names():
        path = os.path.join(os.fsencode(source), name)
        os.mkdir(path)
        with open(os.path.join(path, name), "wb") as file:
            file.write(name)
        os.symlink(name, os.path.join(path, b"link to it"))
    deep = os.path.join(os.fsencode(source), b"d" * 150, b"e" * 150, b"f" * 255)
    os.makedirs(deep)
    with open(os.path.join(deep, b"300 bytes and more above me"), "wb"):
        pass
    stored = back_up_files(product, source)
    product.run("verify", stored.name)
    assert_restores_to(product, stored, source, tmp / "place")


def test_links_that_leave_come_back_as_links_and_are_named(product, tmp):
    source = random_files(tmp / "source", 1)
    secret = tmp / "outside"
    secret.mkdir()
    (secret / "untold.conf").write_text("never in a backup")
    (source / "up").symlink_to("../outside")
    (source / "absolute").symlink_to(secret / "untold.conf")
    (source / "dangling").symlink_to("no such file")
    (source / "loop").symlink_to("loop")
    (source / "inside").symlink_to("app.conf")
    stored = back_up_files(product, source)
    done = product.run("restore", "--backup-file", stored.name, "--components", "config", "--files-dir", tmp / "place")
    restored = tmp / "place/config" / str(source).lstrip("/")
    assert folder_state(restored) == folder_state(source)
    for name, leaves in {"up": False, "absolute": True, "dangling": False, "loop": False, "inside": False}.items():
        assert (f"the symbolic link config{source}/{name} leads outside {tmp / 'place'}" in done.out) == leaves, name
    assert (secret / "untold.conf").read_text() == "never in a backup"
    assert [name for name in names_below(tmp / "place") if "untold" in name] == []


def test_a_link_is_never_followed_into_by_a_second_restore(product, tmp):
    source = random_files(tmp / "source", 1)
    stored = back_up_files(product, source)
    (tmp / "place").mkdir()
    (tmp / "outside").mkdir()
    (tmp / "place" / "config").symlink_to(tmp / "outside")
    words = ("restore", "--backup-file", stored.name, "--components", "config", "--files-dir", tmp / "place")
    assert f"{tmp / 'place/config'} is not empty" in product.run(*words, expect=5).err
    product.run(*words, "--force")
    assert names_below(tmp / "outside") == []
    assert folder_state(tmp / "place/config" / str(source).lstrip("/")) == folder_state(source)


def test_an_archive_with_nothing_to_restore_is_no_success(product, tmp):
    (tmp / "etc").mkdir()
    (tmp / "etc" / "app.conf").write_text("port=1\n")
    archive = tmp / "old.tar.gz"
    subprocess.run(["tar", "-czf", archive, "-C", tmp, "etc"], check=True)
    place = tmp / "place"
    done = product.run("restore", "--unauthenticated", "--backup-file", archive, "--components", "config",
                       "--files-dir", place, expect=10)
    assert f"{archive} holds nothing of config\nhint: an archive of another program" in done.err
    assert not place.exists() or list(place.iterdir()) == []
