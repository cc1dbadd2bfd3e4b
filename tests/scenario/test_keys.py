"""Why this exists: a wrong key must be told from damage, at once and before anything is read; a backup
without a key, or with the documentation's, must never come to be."""

import pytest
from lib.folder_state import names_below
from lib.postgres import free_port
from lib.product import KEY_NAME, Product
from lib.stored_backup import assert_restores_to, back_up_files, random_files

EXAMPLE = "your-encryption-key"
PASSPHRASE = "correct horse battery staple, but ours"  # not 32 random bytes: 600,000 iterations
SET_HINT = "hint: set BACKUP_ENCRYPTION_KEY"


@pytest.fixture(scope="module")
def backed_up(module_tmp):
    """A product, its one config backup, and the folder that is in it."""
    product = Product(module_tmp / "product")
    source = random_files(module_tmp / "source", 1)
    return product, back_up_files(product, source), source


def one_off(key, position):
    return key[:position] + ("0" if key[position] != "0" else "1") + key[position + 1:]


def wrong_keys(key):
    return {
        "another": "f" * 64 if key != "f" * 64 else "e" * 64,
        "first character": one_off(key, 0),
        "middle character": one_off(key, 31),
        "last character": one_off(key, 63),
        "one character less": key[:-1],
        "one character more": key + "0",
        "capitals": key.upper() if key.upper() != key else "A" * 64,
    }


def readers(stored, place):
    return {
        "verify": ("verify", stored.name),
        "restore --verify": ("restore", "--verify", stored.name),
        "restore": ("restore", "--backup-file", stored.name, "--components", "config", "--files-dir", place),
        "restore --dry-run": (
            "restore", "--dry-run", "--backup-file", stored.name, "--components", "config", "--files-dir", place,
        ),
    }


def test_every_wrong_key_is_told_as_one(backed_up, tmp):
    product, stored, _ = backed_up
    for case, key in wrong_keys(product.key).items():
        for verb, arguments in readers(stored, tmp / "out").items():
            done = product.run(*arguments, env={KEY_NAME: key}, expect=12)
            assert f"the key does not open {stored.name}\n" in done.err, (case, verb)
            hint = "hint: set BACKUP_ENCRYPTION_KEY (or BACKUP_ENCRYPTION_KEY_FILE) to the key that was in use at 20"
            assert hint in done.err
    assert names_below(tmp) == []


def test_check_warns_of_a_key_that_opens_no_backup_there_is(backed_up):
    product, stored, _ = backed_up
    warning = f"warn encryption key: it does not open {stored.name}, the newest backup in {product.repository}"
    assert warning not in product.run("check", expect=None).out
    assert warning in product.run("check", env={KEY_NAME: "f" * 64}, expect=None).out


@pytest.mark.parametrize("key, fact", [
    (None, "BACKUP_ENCRYPTION_KEY is not set"),
    ("", "BACKUP_ENCRYPTION_KEY is not set"),
    (EXAMPLE, "BACKUP_ENCRYPTION_KEY is the example of the documentation, which everybody knows"),
    ("too-short", "BACKUP_ENCRYPTION_KEY is too short: it has 9 characters, and needs 12"),
])
def test_without_a_usable_key_nothing_opens(backed_up, tmp, key, fact):
    product, stored, _ = backed_up
    for arguments in readers(stored, tmp / "out").values():
        done = product.run(*arguments, env={KEY_NAME: key}, expect=12)
        assert fact in done.err
        assert SET_HINT in done.err
    assert names_below(tmp) == []


def test_a_wrong_key_is_told_of_a_manifest_alone(backed_up, tmp):
    product, stored, _ = backed_up
    with stored.changed(stored.body, None), stored.changed(stored.index, None):
        for arguments in readers(stored, tmp / "out").values():
            assert "the key does not open" in product.run(*arguments, env={KEY_NAME: "f" * 64}, expect=12).err


@pytest.mark.parametrize("lost", ["body", "index"])
def test_the_key_is_judged_before_body_and_index_are_read(backed_up, tmp, lost):
    product, stored, source = backed_up
    wrong = {KEY_NAME: one_off(product.key, 5)}
    for content in (None, b"", b"neither the length nor the bytes"):
        with stored.changed(getattr(stored, lost), content):
            for arguments in readers(stored, tmp / "out").values():
                assert "the key does not open" in product.run(*arguments, env=wrong, expect=12).err
                product.run(*arguments, expect=4)
    assert_restores_to(product, stored, source, tmp / "out")


def test_a_list_needs_no_key(backed_up):
    product, stored, _ = backed_up
    for key in (None, EXAMPLE, one_off(product.key, 0)):
        (entry,) = product.run("list", "--json", env={KEY_NAME: key}).json()["backups"]
        assert (entry["name"], entry["state"], entry["encrypted"]) == (stored.name, "ok", True)


def test_a_stretched_passphrase_opens_and_a_wrong_one_does_not(product, tmp):
    product.key = PASSPHRASE
    product.keep_secret(PASSPHRASE)
    source = random_files(tmp / "source", 1)
    stored = back_up_files(product, source)
    assert '"iterations":600000' in stored.manifest.read_text()
    for wrong in (PASSPHRASE + " ", PASSPHRASE.upper(), PASSPHRASE[1:]):
        assert "the key does not open" in product.run("verify", "latest", env={KEY_NAME: wrong}, expect=12).err
    assert_restores_to(product, stored, source, tmp / "out")


@pytest.mark.parametrize("kind", ["full", "config"])
@pytest.mark.parametrize("key, fact", [
    (None, "BACKUP_ENCRYPTION_KEY is not set"),
    (EXAMPLE, "BACKUP_ENCRYPTION_KEY is the example of the documentation, which everybody knows"),
    ("your-strong-encryption-key", "BACKUP_ENCRYPTION_KEY is the example of the documentation"),
    ("short", "BACKUP_ENCRYPTION_KEY is too short: it has 5 characters, and needs 12"),
    ("k" * 1024, "BACKUP_ENCRYPTION_KEY is too long: openssl reads at most 1023 bytes"),
])
def test_a_backup_without_a_proper_key_reads_nothing(product, tmp, kind, key, fact):
    nowhere = f"postgresql://backup@127.0.0.1:{free_port()}/auth"
    settings = {KEY_NAME: key, "DATABASE_URL": nowhere, "CONFIG_PATHS": tmp / "not there"}
    for words in (("backup", kind), ("backup", kind, "--dry-run")):
        done = product.run(*words, env=settings, expect=2)
        assert fact in done.err
        assert SET_HINT in done.err
        assert "database" not in done.err
        assert "not there" not in done.err
    assert not product.repository.exists()


def test_a_key_of_two_lines_is_a_mistake_in_the_settings(product):
    done = product.run("backup", "config", env={KEY_NAME: "two lines\nof one key"}, expect=2)
    assert done.err == (
        "environment: the value of BACKUP_ENCRYPTION_KEY holds a line break\n"
        "hint: a value is one line; remove the line break\n"
    )
    assert not product.repository.exists()


def test_the_key_may_come_in_a_file(backed_up, tmp):
    product, stored, _ = backed_up
    for ending in ("", "\n", "\r\n", "\nsecond line\n"):
        (tmp / "key").write_text(product.key + ending)
        product.run("verify", stored.name, env={KEY_NAME: None, KEY_NAME + "_FILE": tmp / "key"})
    (tmp / "key").write_text(one_off(product.key, 9))
    product.run("verify", stored.name, env={KEY_NAME: None, KEY_NAME + "_FILE": tmp / "key"}, expect=12)
