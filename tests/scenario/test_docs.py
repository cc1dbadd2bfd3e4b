"""Why this exists: what the documents say is run. Every ```bash block of docs/*.md, in order and in one
shell a document, against a real server; blocks marked ```console are only read. A line
`<!-- test: COMMAND -->` is run too: the accident that the next block mends.

The shell of a document has on PATH the three scripts, the program and PostgreSQL's own programs; psql's
variables lead to the server as superuser; BACKUP_DIR, LOG_DIR, HOME and the key are the document's own.
"""

import os
import pathlib
import re
import shutil
import subprocess

import pytest
from lib.auth_data import APP_PASSWORD
from lib.postgres import (
    BACKUP_PASSWORD, BACKUP_ROLE, SUPERUSER, SUPERUSER_PASSWORD, PostgresServer, free_port, hand_over,
)
from lib.product import REPOSITORY, Product

DOCS = REPOSITORY / "docs"
RUNNABLE = sorted(path.name for path in DOCS.glob("*.md") if "```bash" in path.read_text())
NEW_ROLE_PASSWORD = "password-of-a-role-in-the-docs"

# Stands in for sudo, which a test machine need not have: -u USER COMMAND, as that user. What it is
# asked for (psql's \password) is answered with the new role's password, twice.
SUDO = f"""#!/bin/sh
[ "$1" = -u ] && shift 2
[ "$(id -u)" = 0 ] && set -- runuser -u postgres -- "$@"
printf '%s\\n%s\\n' '{NEW_ROLE_PASSWORD}' '{NEW_ROLE_PASSWORD}' | "$@"
"""


@pytest.fixture(scope="module")
def server(module_tmp):
    with PostgresServer.create(15, module_tmp / "pg") as server:
        server.create_minimal_role()
        server.load_auth_data(db="auth_service", rows=200)
        yield server


@pytest.fixture
def home(tmp, server):
    """The programs as they are installed, and a home folder that the server's user may write into."""
    product = Product(tmp / "product")
    scripts = shutil.copytree(REPOSITORY / "backup/scripts", tmp / "installed/backup/scripts")
    (tmp / "installed/bin").mkdir()
    (tmp / "installed/bin/auth-service-backup").symlink_to(product.binary.resolve())
    sudo = scripts / "sudo"
    sudo.write_text(SUDO)
    sudo.chmod(0o755)
    (tmp / "home").mkdir()
    (tmp / "home/key").write_text(product.key + "\n")
    (tmp / "new").mkdir()
    hand_over(tmp / "new")
    return product


def environment(product, tmp, server):
    found = product.environment({
        "PATH": f"{tmp}/installed/backup/scripts:{tmp}/installed/bin:{server.bin}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": tmp / "home",
        "DATABASE_URL": server.url(BACKUP_ROLE, BACKUP_PASSWORD, db="auth_service"),
        "RESTORE_URL": server.url(db="auth_service"),
        "BACKUP_PASSWORD": NEW_ROLE_PASSWORD,
        "PGHOST": "127.0.0.1", "PGPORT": server.port, "PGUSER": SUPERUSER, "PGPASSWORD": SUPERUSER_PASSWORD,
        "PGDATABASE": "auth_service",
        "NEW_DATA": tmp / "new/data", "NEW_PORT": free_port(),
    })
    product.keep_secret(NEW_ROLE_PASSWORD, SUPERUSER_PASSWORD, APP_PASSWORD)
    return found


def run(script, product, folder, variables, answers=""):
    path = product.folder / "document.sh"
    path.write_text(script)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", str(path)], input=answers, capture_output=True, text=True, timeout=180, cwd=folder,
        env=variables, start_new_session=True,
    )
    assert done.returncode == 0, f"{script}\n-- ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def blocks(text):
    """All that is to be run of a document, in order."""
    found = re.findall(r"^```bash\n(.*?)^```$|^<!-- test: (.*?) -->$", text, re.MULTILINE | re.DOTALL)
    return [block or command + "\n" for block, command in found]


def taken_before(product, variables):
    """A document begins with one backup in the repository, configuration included."""
    application = product.folder / "etc"
    application.mkdir()
    (application / "app.yaml").write_text("issuer: example\n")
    variables["CONFIG_PATHS"] = str(application)
    product.run("backup", env=variables)


@pytest.mark.parametrize("document", RUNNABLE)
def test_every_command_of_the_document_runs(document, home, tmp, server):
    variables = environment(home, tmp, server)
    taken_before(home, variables)
    users = server.value("SELECT count(*) FROM auth.users", "auth_service")
    try:
        said = run("".join(blocks((DOCS / document).read_text())), home, tmp / "home", variables)
    finally:
        if (tmp / "new/data/postmaster.pid").exists():
            server.program("pg_ctl", "-D", tmp / "new/data", "-m", "immediate", "stop")
    home.check_secrets(type("Said", (), {"out": said, "err": "", "command": [document]}))
    assert server.value("SELECT count(*) FROM auth.users", "auth_service") == users
    check = CHECKS.get(document)
    if check:
        check(said, tmp / "home")


def check_format(said, home):
    assert said.endswith("the manifest is as it was written\n")
    assert (home / "unpacked/postgresql/base/PG_VERSION").read_text() == "15\n"


def check_runbook(said, home):
    assert "good, to the last byte" in said
    assert re.search(r"^ +200$", said, re.MULTILINE)
    # At the instant, in the running server and beside it; a server that still recovers shows fewer.
    assert len(re.findall(r"^ +201$", said, re.MULTILINE)) == 2
    (found,) = (home / "restored-files").rglob("app.yaml")
    assert found.read_text() == "issuer: example\n"
    assert (home / "bare-data/global/pg_control").exists()
    assert (home / "copied-data/global/pg_control").exists()


CHECKS = {"FORMAT.md": check_format, "restore-runbook.md": check_runbook}


def test_a_changed_manifest_fails_the_worked_example(home, tmp, server):
    variables = environment(home, tmp, server)
    taken_before(home, variables)
    (manifest,) = home.repository.glob("*.manifest.json")
    manifest.write_text(manifest.read_text().replace('"type":"full"', '"type":"fuII"'))
    example = blocks((DOCS / "FORMAT.md").read_text())[0]
    assert "dgst" in example
    with pytest.raises(AssertionError, match="ended with 1"):
        run(example, home, tmp / "home", variables)


def test_the_first_backup_of_the_readme(home, tmp, server):
    text = (REPOSITORY / "README.md").read_text()
    section = text[text.index("## A first real backup"):text.index("And back again")]
    lines = [line[4:] for line in section.splitlines() if line.startswith("    ")]
    assert lines[0] == "./dev build"
    root = tmp / "installed"
    (root / "dev").write_text("#!/bin/sh\n")  # the program is built already
    (root / "dev").chmod(0o755)
    variables = environment(home, tmp, server)
    for name in ("DATABASE_URL", "BACKUP_DIR", "LOG_DIR", "BACKUP_ENCRYPTION_KEY", "BACKUP_PASSWORD"):
        del variables[name]
    server.sql(f"DROP ROLE {BACKUP_ROLE}")
    try:
        said = run("\n".join(lines), home, root, variables, answers=NEW_ROLE_PASSWORD + "\n")
        assert re.search(r"^auth-service-backup-[0-9]{8}_[0-9]{6} +full .* ok$", said, re.MULTILINE)
    finally:
        server.sql(f"DROP ROLE IF EXISTS {BACKUP_ROLE}")
        server.create_minimal_role()


def test_the_configuration_reference_is_what_the_program_prints(home):
    assert (DOCS / "configuration.md").read_text() == home.run("config", "reference").out


def test_the_exit_codes_are_those_of_the_program():
    source = (REPOSITORY / "src/base/result.cpp").read_text()
    codes = {(int(number), name) for name, number in re.findall(r'CodeRow\{Code::\w+, "(\w+)", (\d+)\}', source)}
    table = re.findall(r"^\| (\d+) \| (\w+) \| .+ \|$", (DOCS / "exit-codes.md").read_text(), re.MULTILINE)
    documented = {(int(number), name) for number, name in table}
    assert len(codes) == 13
    assert documented == codes | {(0, "ok"), (143, "interrupted")}


def program_texts():
    """All texts of the program in one, with adjacent literals joined as the compiler joins them."""
    sources = [path for path in (REPOSITORY / "src").rglob("*.cpp") if not path.name.endswith("_test.cpp")]
    text = "\n".join(path.read_text() for path in sources)
    return re.sub(r'"\s*\n\s*"', "", text).replace('\\"', '"')


# What stands for a name in a message of the page: a word in capitals, or a version.
PLACEHOLDER = re.compile(r"\b[A-Z][A-Z_]*\b|\b(?:14\.x|15|18)\b")


def test_every_message_of_the_troubleshooting_page_is_one_of_the_program():
    rows = re.findall(r"^\|(?: \d+ \|)? (`.+?) \|", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    messages = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    assert len(messages) > 40
    known = program_texts()
    for message in messages:
        own = message.split("...")[0]  # the rest is the server's own text
        parts = [part.strip(" '\":") for part in PLACEHOLDER.split(own)]
        missing = [part for part in parts if len(part) > 4 and part not in known]
        assert missing == [], message


def documents():
    return [*DOCS.glob("*.md"), *(REPOSITORY / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"))]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_every_link_leads_somewhere(path):
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, heading = target.partition("#")
        aim = (path.parent / name) if name else path
        assert aim.exists(), f"{path.name}: {target}"
        if heading:
            assert heading in anchors(aim), f"{path.name}: {target}"


def anchors(path):
    titles = re.findall(r"^#+ (.+)$", pathlib.Path(path).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
