"""Why this exists: people read text, programs read exit codes and --json; both must say the same, on the
right stream, and a result that nobody received is no success. The log is a help, never a condition."""

import json
import os
import re
import subprocess

import pytest
from lib.as_user import run_as_server_user
from lib.postgres import free_port, server_user
from lib.product import KEY_NAME, REPOSITORY
from lib.stored_backup import back_up_files, only_backup, random_files


@pytest.fixture
def source(tmp):
    return random_files(tmp / "source", 1)


@pytest.fixture
def backed_up(product, source):
    return back_up_files(product, source)


def documented_codes():
    """The table of docs/exit-codes.md: number -> name."""
    table = (REPOSITORY / "docs" / "exit-codes.md").read_text()
    return {int(code): name for code, name in re.findall(r"^\| (\d+) \| (\w+) \|", table, re.MULTILINE)}


def assert_one_document(done):
    """stdout is one line of JSON whose `code` and `exit` are the process's and the documentation's."""
    document = json.loads(done.out)
    assert done.out.count("\n") == 1 and done.out.endswith("\n")
    assert document["exit"] == done.code
    assert document["code"] == documented_codes()[done.code]
    assert ("error" in document) == (done.code not in (0, 3))
    return document


def test_json_of_every_verb_is_one_document(product, backed_up, tmp):
    into = ("restore", "-f", "latest", "--components", "config", "--files-dir", tmp / "out")
    for words in (
        ("backup", "config", "--dry-run"), ("list",), ("restore", "--list"), ("verify", "latest"),
        ("restore", "--verify", "latest"), ("config", "show"), ("config", "reference"), (*into, "--dry-run"), into,
    ):
        done = product.run(*words, "--json", env={"CONFIG_PATHS": tmp / "source"})
        assert assert_one_document(done)["code"] == "ok", words
        assert done.err == "", words


def test_json_of_every_kind_of_failure_agrees_with_the_process(product, backed_up, tmp):
    nowhere = f"postgresql://a@127.0.0.1:{free_port()}/x"
    (tmp / "taken" / "config").mkdir(parents=True)
    (tmp / "taken" / "config" / "file").touch()
    into = ("restore", "-f", backed_up.name, "--components", "config", "--files-dir")
    failures = {
        2: (("backup", "config"), {KEY_NAME: None}),
        5: ((*into, tmp / "taken"), {}),
        6: (("backup",), {"DATABASE_URL": nowhere}),
        7: (("list",), {"BACKUP_DIR": "/dev/null"}),
        10: (("verify", "auth-service-backup-20200101_000000"), {}),
        12: (("verify", backed_up.name), {KEY_NAME: "0" * 64}),
    }
    for code, (words, settings) in failures.items():
        done = product.run(*words, "--json", env=settings, expect=code)
        error = assert_one_document(done)["error"]
        assert error["fact"] in done.err and error["hint"] in done.err
        assert error["hint"] != ""
    with backed_up.flipped(backed_up.body, 1000):
        assert_one_document(product.run("verify", backed_up.name, "--json", expect=4))


def test_what_is_not_whole_is_code_3_and_named(product, source, tmp):
    done = product.run("backup", "config", "--json", env={"CONFIG_PATHS": f"{source}:{tmp}/missing"}, expect=(0, 3))
    document = assert_one_document(done)
    assert any(f"{tmp}/missing" in line for line in document["incomplete"] + document["warnings"])
    done = product.run("backup", "config", "--json", expect=3)
    assert assert_one_document(done)["incomplete"] == [
        "nothing was found to back up; name files with CONFIG_PATHS, CERTIFICATE_PATHS and LOG_PATHS"
    ]


def test_the_documented_codes_are_all(product):
    assert documented_codes() == {
        0: "ok", 1: "failed", 2: "usage", 3: "incomplete", 4: "damaged", 5: "refused", 6: "database", 7: "store",
        8: "unreachable_target", 9: "space", 10: "not_found", 11: "busy", 12: "wrong_key", 130: "interrupted",
        143: "interrupted",
    }


def test_quiet_says_nothing_but_the_exit_code(product, source, backed_up, tmp):
    into = ("restore", "-f", backed_up.name, "--components", "config", "--files-dir", tmp / "out")
    for words in (("backup", "config"), ("verify", "latest"), into):
        done = product.run(*words, "--quiet", env={"CONFIG_PATHS": source})
        assert (done.out, done.err) == ("", ""), words
    assert "is not empty" in product.run(*into, "--quiet", expect=5).err
    assert backed_up.name in product.run("list", "--quiet").out  # it was asked for nothing else


def test_progress_goes_to_stderr_in_the_form_asked_for(product, tmp):
    source = random_files(tmp / "source", 48)
    stored = back_up_files(product, source)
    done = product.run("verify", stored.name, "--progress", "plain")
    assert re.search(r"^verify: .* of about 48\.0 MiB \(\d+ %\)", done.err, re.MULTILINE), done.err
    assert "\r" not in done.err and "\x1b" not in done.err
    done = product.run("verify", stored.name, "--progress", "json", "--json")
    for line in done.err.splitlines():
        assert {"stage", "bytes", "expected_bytes", "bytes_per_second"} <= json.loads(line).keys()
    assert done.err != ""
    assert_one_document(done)
    for progress in ("none", "auto"):  # not a terminal
        assert product.run("verify", stored.name, "--progress", progress).err == ""


def run_with_stdout(product, stdout, *words):
    """The exit code and stderr of a run that writes its result to the file `stdout`."""
    with open(stdout, "wb") as out:
        done = subprocess.run(
            [product.binary, *words], env=product.environment(), stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.PIPE, text=True, timeout=60,
        )
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", [
    ("list",), ("list", "--json"), ("verify", "latest"), ("config", "show"), ("--help",), ("--version",),
])
def test_a_full_stdout_is_a_failure(product, backed_up, words):
    code, err = run_with_stdout(product, "/dev/full", *words)
    assert code == 1
    assert words[0].startswith("--") or "cannot write the result to stdout" in err


def test_a_stdout_that_nobody_reads_is_a_failure(product, backed_up):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as gone:
        done = subprocess.run([product.binary, "list"], env=product.environment(), stdout=gone, timeout=60)
    assert done.returncode == 1
    closed = ["bash", "-c", '"$0" list >&-', product.binary]
    assert subprocess.run(closed, env=product.environment(), timeout=60).returncode == 1


def test_a_terminal_that_nobody_reads_on_stderr_changes_nothing(product, source):
    done = subprocess.run(
        ["bash", "-c", '"$0" backup config --progress json --verbose 2>/dev/full', product.binary],
        env=product.environment({"CONFIG_PATHS": source}), capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0
    product.run("verify", "latest")


# -- the log ---------------------------------------------------------------------------------------------


def test_a_log_line_is_time_level_run_and_event(product, backed_up):
    product.run("verify", backed_up.name, env={KEY_NAME: "0" * 64}, expect=12)
    lines = (product.logs / "backup.log").read_text().splitlines() + (product.logs / "restore.log").read_text().splitlines()
    for line in lines:
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO |WARN |ERROR) [0-9a-f]{8} \S", line), line
    assert any("ERROR" in line and "the key does not open" in line for line in lines)
    assert lines[-1].endswith("exit 12")
    assert (product.logs / "backup.log").stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("place", ["a file in between", "no right to write", "a folder of that name", "a full disk"])
def test_an_unwritable_log_is_warned_of_and_gone_on_without(product, source, tmp, place):
    folder = tmp / "logs"
    settings = {"CONFIG_PATHS": source, "LOG_DIR": folder}
    run = product.run
    if place == "a file in between":
        folder.write_text("not a folder")
    if place == "no right to write":
        folder.mkdir(mode=0o555)
        run = lambda *words, **how: run_as_server_user(product, *words, **how)  # noqa: E731
        source.chmod(0o755)
    if place == "a folder of that name":
        (folder / "backup.log").mkdir(parents=True)
        (folder / "restore.log").mkdir(parents=True)
    if place == "a full disk":
        folder.mkdir()
        for name in ("backup.log", "restore.log"):
            (folder / name).symlink_to("/dev/full")
    done = run("backup", "config", env=settings)
    if place != "a full disk":
        assert re.search(rf"^warning: cannot .*{folder}.*; going on without a log file$", done.err, re.MULTILINE), done.err
    assert "config backup" in done.out
    run("verify", "latest", env=settings)
    run("restore", "-f", "latest", "--components", "config", "--files-dir", product.folder / "out", env=settings)


def test_an_ordinary_user_does_it_all(product, source, tmp):
    """Its own repository and log folder; owners cannot be restored, which is said."""
    run_as_server_user(product, "backup", "config", env={"CONFIG_PATHS": source})
    run_as_server_user(product, "verify", "latest")
    done = run_as_server_user(
        product, "restore", "-f", "latest", "--components", "config", "--files-dir", product.folder / "out"
    )
    assert "owners are not restored, since only root may give files away" in done.out
    restored = product.folder / "out" / "config" / str(source).lstrip("/")
    assert (restored / "random.bin").read_bytes() == (source / "random.bin").read_bytes()
    log = (product.logs / "backup.log").read_text()
    assert f"backup {only_backup(product).name} is published" in log


def test_a_file_that_may_not_be_read_is_an_error_that_names_it(product, source):
    (source / "app.conf").chmod(0o000)
    done = run_as_server_user(product, "backup", "config", env={"CONFIG_PATHS": source}, expect=1)
    assert f"cannot read {source}/app.conf: Permission denied\nhint: " in done.err
    assert f"setfacl -m u:{server_user().pw_name}:r {source}/app.conf" in done.err
    assert product.run("list").out == f"no backups in {product.repository}\n"


def test_a_repository_that_may_not_be_written_is_a_store_error(product, source, tmp):
    (tmp / "others").mkdir(mode=0o755)
    done = run_as_server_user(
        product, "backup", "config", env={"CONFIG_PATHS": source, "BACKUP_DIR": tmp / "others"}, expect=7
    )
    assert f"{tmp}/others" in done.err and "Permission denied" in done.err
    assert f"hint: sudo chown -R {server_user().pw_name} {tmp}/others" in done.err


def test_what_a_killed_run_left_in_shared_memory_disturbs_no_later_one(product):
    """libmongoc keeps a file named after its process there, when it is let."""
    left = 'touch "/dev/shm/mongoc-$$" && exec "$0" --version'
    done = subprocess.run(["sh", "-c", left, str(product.binary)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("auth-service-backup ") and done.stderr == ""
