"""Why this exists: a setting that is misspelt, doubled or impossible must be an error that names it, before
anything is read; a configuration file is data and never a program."""

import json

import pytest
from lib.postgres import free_port
from lib.product import KEY_NAME
from lib.stored_backup import back_up_files, random_files


def configured(product, tmp, text, *words, expect=2, **settings):
    """Runs `words` (a config backup when there are none) with this backup.conf."""
    path = tmp / "backup.conf"
    path.write_text(text)
    return product.run(*(words or ("backup", "config")), "--config", path, env=settings, expect=expect)


def assert_refused(product, tmp, text, fact, hint, **settings):
    done = configured(product, tmp, text, **settings)
    assert done.err == f"{fact}\nhint: {hint}\n"
    assert not product.repository.exists()


@pytest.mark.parametrize("wrong, meant", [
    ("BACKUP_DIRR", "BACKUP_DIR"), ("BACKUP_ENCRYPTON_KEY", "BACKUP_ENCRYPTION_KEY"), ("backup_dir", "BACKUP_DIR"),
    ("DATABASE_UR", "DATABASE_URL"), ("COMPRESION_ENABLED", "COMPRESSION_ENABLED"), ("CONFIG_PATH", "CONFIG_PATHS"),
])
def test_an_unknown_name_is_told_with_the_nearest(product, tmp, wrong, meant):
    assert_refused(
        product, tmp, f'# a comment\n{wrong}="x"\n',
        f"{tmp}/backup.conf line 2: there is no setting {wrong}", f"did you mean {meant}?",
    )


def test_an_unknown_name_like_no_other_is_told_where_to_look(product, tmp):
    assert_refused(
        product, tmp, "ZZZZZZZZZZZZZZZZZZZZ=1\n",
        f"{tmp}/backup.conf line 1: there is no setting ZZZZZZZZZZZZZZZZZZZZ", "config show lists all settings",
    )


@pytest.mark.parametrize("line", [
    "BACKUP_DIR", "=value", "BACKUP_DIR=\"open", "BACKUP_DIR='open", 'BACKUP_DIR="a" b', "BACKUP DIR=x", "1BACKUP_DIR=x",
    "BACKUP_DIR=$(touch executed)", "BACKUP_DIR=`touch executed`", "BACKUP_DIR=a;touch executed", "touch executed",
    "BACKUP_DIR=a|b", "BACKUP_DIR=a&b", "BACKUP_DIR=a<b", "if true; then", "BACKUP_DIR=a b", "source other.conf", "\xff=1",
])
def test_a_line_that_is_no_setting_is_refused_by_number(product, tmp, line):
    assert_refused(
        product, tmp, f"LOG_MAX_AGE_DAYS=3\n\n{line}\n", f"{tmp}/backup.conf line 3 is not a setting",
        'write KEY="value", one a line; the file is not executed, so nothing is expanded in it',
    )
    assert not (product.folder / "executed").exists()


def test_what_a_shell_would_expand_stays_as_it_is(product, tmp):
    """Quoted, these are allowed: as text."""
    done = configured(
        product, tmp, "BACKUP_DIR='/a/$(touch executed)/`touch executed`'\nexport LOG_DIR=\"/b/$HOME/\\$x\" # comment\n",
        "config", "show", "--json", BACKUP_DIR=None, LOG_DIR=None, expect=0,
    )
    values = {name: row["value"] for name, row in done.json()["settings"].items()}
    assert values["BACKUP_DIR"] == "/a/$(touch executed)/`touch executed`"
    assert values["LOG_DIR"] == "/b/$HOME/$x"
    assert not (product.folder / "executed").exists()


def test_a_name_given_twice_is_refused(product, tmp):
    assert_refused(
        product, tmp, "BACKUP_JOBS=1\nLOG_DIR=/x\nBACKUP_JOBS=2\n",
        f"{tmp}/backup.conf line 3: BACKUP_JOBS was set before, on line 1", "keep one of the two lines",
    )


@pytest.mark.parametrize("name, value", [
    ("ENCRYPTION_ENABLED", "maybe"), ("COMPRESSION_ENABLED", "2"), ("BACKUP_JOBS", "many"), ("BACKUP_JOBS", "-1"),
    ("BACKUP_JOBS", "1.5"), ("LOG_MAX_AGE_DAYS", "99999999999999999999999"), ("DATABASE_TYPE", "oracle"),
])
def test_a_bad_value_is_told_with_its_place(product, tmp, name, value):
    done = configured(product, tmp, f'{name}="{value}"\n', **{name: None})
    assert done.err.startswith(f"{tmp}/backup.conf line 1: {name}")
    assert value in done.err
    done = product.run("backup", "config", env={name: value}, expect=2)
    assert done.err.startswith(f"environment: {name}")
    assert not product.repository.exists()


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(product, tmp):
    text = f'BACKUP_DIR="{tmp}/from-file"\nCONFIG_PATHS={random_files(tmp / "source", 1)}\n'
    for settings, words, folder in (
        ({"BACKUP_DIR": None}, (), "from-file"),
        ({"BACKUP_DIR": tmp / "from-environment"}, (), "from-environment"),
        ({"BACKUP_DIR": tmp / "from-environment"}, ("--backup-dir", tmp / "from-line"), "from-line"),
        ({"BACKUP_DIR": tmp / "from-environment"}, ("--set", f"BACKUP_DIR={tmp}/from-set"), "from-set"),
    ):
        configured(product, tmp, text, "backup", "config", *words, expect=0, **settings)
        assert len(list((tmp / folder).glob("*.manifest.json"))) == 1
    assert not product.repository.exists()


def test_a_file_that_is_not_there_or_cannot_be_read(product, tmp):
    missing = tmp / "missing.conf"
    fact = f"there is no configuration file {missing}\nhint: correct --config or BACKUP_CONFIG_FILE\n"
    assert product.run("backup", "config", "--config", missing, expect=2).err == fact
    assert product.run("backup", "config", env={"BACKUP_CONFIG_FILE": missing}, expect=2).err == fact
    assert str(tmp) in product.run("backup", "config", "--config", tmp, expect=2).err


def test_secrets_in_files(product, tmp):
    source = random_files(tmp / "source", 1)
    key = tmp / "key"
    key.write_text(product.key + "\n")
    with_file = {KEY_NAME: None, KEY_NAME + "_FILE": key}
    back_up_files(product, source, **with_file)
    product.run("verify", "latest")

    done = product.run("verify", "latest", env={KEY_NAME + "_FILE": key}, expect=2)
    assert done.err == f"both {KEY_NAME} and {KEY_NAME}_FILE are set\nhint: set only one of them\n"
    done = product.run("verify", "latest", env={KEY_NAME: None, KEY_NAME + "_FILE": tmp / "nowhere"}, expect=2)
    assert done.err.startswith(f"{KEY_NAME}_FILE: ") and f"{tmp}/nowhere" in done.err
    assert "hint: name a readable file whose first line is the value" in done.err
    key.write_text("\n" + product.key)
    done = product.run("verify", "latest", env=with_file, expect=2)
    assert f"{KEY_NAME}_FILE: {key} begins with an empty line" in done.err


def test_a_secret_on_the_command_line_is_refused(product):
    done = product.run("backup", "config", "--set", "BACKUP_ENCRYPTION_KEY=0123456789abcdef", expect=2)
    assert "BACKUP_ENCRYPTION_KEY is a secret, and the command line is public\nhint: set " in done.err


@pytest.mark.parametrize("settings, fact, hint", [
    ({"DATABASE_URL": "postgresql://a@127.0.0.1:1/x", "DATABASE_TYPE": "mongodb"},
     "DATABASE_TYPE=mongodb contradicts DATABASE_URL, which begins with postgresql://",
     "set DATABASE_TYPE=postgresql, or correct DATABASE_URL"),
    ({"DATABASE_URL": "mysql://127.0.0.1:1/x"},
     "this version cannot back up a database of type 'mysql'",
     "set DATABASE_URL to a database of one of these types: "),
    ({"DATABASE_URL": "postgresql://backup:Sekret@geheim@127.0.0.1:1/db"},
     "the user or the password in DATABASE_URL holds one of @ : / ? # as it is", "write it as %40"),
    ({"DATABASE_URL": "postgresql://backup:Sek/ret9@127.0.0.1:1/db"},
     "the user or the password in DATABASE_URL holds one of @ : / ? # as it is", "write it as %40"),
    ({"DATABASE_URL": "mongodb://backup:Sek#ret9@127.0.0.1:1/db"},
     "the user or the password in DATABASE_URL holds one of @ : / ? # as it is", "write it as %40"),
    ({"DATABASE_URL": "host=/tmp dbname=x"},
     "DATABASE_URL is not a URL: it does not begin with SCHEME://", "write it as in DATABASE_URL=mongodb://localhost/auth_service or DATABASE_URL=postgresql://"),
    ({"DATABASE_URL": "mysql://127.0.0.1:1/x"},
     "this version cannot back up a database of type 'mysql'", "set DATABASE_URL to a database of one of these types: "),
    ({"DATABASE_URL": ""}, "no database is named: DATABASE_URL is empty", "set DATABASE_URL, as in DATABASE_URL=mongodb://localhost/auth_service or "),
    ({"DATABASE_URL": None, "DATABASE_TYPE": "mongodb"}, "no database is named: DATABASE_URL is empty", "set DATABASE_URL"),
    ({"DATABASE_URL": "", "MONGODB_URL": "mongodb://127.0.0.1:1/x", "DATABASE_TYPE": "postgresql"},
     "DATABASE_TYPE=postgresql contradicts DATABASE_URL, which begins with mongodb://", "set DATABASE_TYPE=mongodb"),
])
def test_settings_that_contradict_each_other_or_ask_for_more_than_there_is(product, settings, fact, hint):
    for more in ((), ("--dry-run",)):
        assert f"{fact}\nhint: {hint}" in product.run("backup", *more, env=settings, expect=2).err
    assert not product.repository.exists()


def test_recorded_settings_are_never_stored_in_the_clear(product):
    settings = {"ENVIRONMENT_NAMES": "PATH", "ENCRYPTION_ENABLED": "false"}
    done = product.run("backup", "config", env=settings, expect=2)
    assert done.err == (
        "ENVIRONMENT_NAMES records settings that may be secret, and ENCRYPTION_ENABLED is false\n"
        "hint: set ENCRYPTION_ENABLED=true, or leave ENVIRONMENT_NAMES empty\n"
    )
    assert not product.repository.exists()


@pytest.mark.parametrize("name", ["POSTGRES_URL", "POSTGRESQL_URL"])
def test_the_stand_ins_of_database_url(product, name):
    port = free_port()
    done = product.run("backup", env={"DATABASE_URL": "", name: f"postgresql://a@127.0.0.1:{port}/x"}, expect=6)
    assert f"cannot reach the database at 127.0.0.1:{port}" in done.err
    other = free_port()
    urls = {"DATABASE_URL": f"postgresql://a@127.0.0.1:{other}/x", name: f"postgresql://a@127.0.0.1:{port}/x"}
    assert f"127.0.0.1:{other}" in product.run("backup", env=urls, expect=6).err


def test_what_is_not_there_yet_is_warned_of_once(product, tmp):
    source = random_files(tmp / "source", 1)
    done = product.run("backup", "config", env={"CONFIG_PATHS": source, "NOTIFICATION_ENABLED": "true", "DR_ENABLED": "true"})
    for name, what in {"NOTIFICATION_ENABLED": "notifications", "DR_ENABLED": "disaster recovery"}.items():
        warning = f"warning: {name} is set (environment), but this version does not have {what} yet"
        assert done.err.count(warning) == 1


@pytest.mark.parametrize("words, text", [
    ((), "subcommand"),
    (("backup", "weekly"), "there is no backup type 'weekly' in this version\nhint: use --type full, --type incremental or --type config"),
    (("backup", "full", "--type", "config"), "backup is told two types: full and config"),
    (("backup", "--no-such-option"), "--no-such-option"), (("no-such-verb",), "no-such-verb"),
    (("restore",), "restore needs exactly one of --backup-file FILE (or a --target-...), --resume, --list, --verify FILE and --from-mongodump PATH\nhint: "),
    (("restore", "--list", "--verify", "x"), "restore needs exactly one of"),
    (("restore", "-f", "x", "--drop-old"), "--drop-old goes with --force"),
    (("restore", "-f", "x", "--components", "databse"), "--components: there is no component 'databse'\nhint: choose from "),
    (("restore", "-f", "x", "--components", ","), "--components names nothing"),
    (("restore", "-f", "x", "--tablespace", "x"), "--tablespace 'x' is not OID=NEWPATH or OLDPATH=NEWPATH"),
    (("list", "--progress", "loud"), "--progress"), (("list", "--set", "X=1"), "--set 'X' is not NAME=VALUE of a setting"),
    (("list", "--jobs", "many"), "BACKUP_JOBS"), (("verify",), "file is required"), (("config",), "subcommand"),
])
def test_a_wrong_command_line_is_usage(product, words, text):
    done = product.run(*words, expect=2)
    assert text in done.err
    assert "hint: " in done.err or "--drop-old" in words or "two types" in text
    assert done.out == ""
    document = product.run(*words, "--json", expect=2)
    assert json.loads(document.out)["code"] == "usage"
