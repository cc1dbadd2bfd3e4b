"""Why this exists: the documents promise which role is enough, that a certificate proves the client, and that
what is missing is said by name."""

import contextlib
import re
import socket
import ssl
import threading

import pytest
from lib.mongodb import KINDS, MongoServer
from lib.mongodb_fingerprint import differences
from lib.mongodb_tls import Certificates
from lib.product import Product

DATABASE, INCOMPLETE = 6, 3
WEAK, WEAK_PASSWORD = "weak", "password-of-the-weak-user"


@pytest.fixture(scope="module", params=KINDS)
def server(request, module_tmp):
    with MongoServer.create(request.param, module_tmp / request.param) as made:
        made.database().users.insert_many([{"_id": n} for n in range(10)])
        made.database().sessions.insert_one({"_id": 1})
        yield made


def weak_user(server, roles, name=WEAK):
    admin = server.client().admin
    if server.client().admin.command("usersInfo", name)["users"]:
        admin.command("dropUser", name)
    admin.command("createUser", name, pwd=WEAK_PASSWORD, roles=roles)
    return server.url(name, WEAK_PASSWORD, db="auth")


def test_the_role_backup_is_enough_to_back_up(product, server):
    """These servers show users only to who may view them; a backup without says so and is whole but for them."""
    product.keep_secret(WEAK_PASSWORD)
    product.database_url = weak_user(server, ["backup"])
    before = server.fingerprint("auth")
    done = product.run("backup", "--json", expect=(0, INCOMPLETE)).json()
    assert [line for line in done["incomplete"] if not line.startswith("the users")] == []
    server.client().drop_database("auth")
    product.database_url = server.restore_url(db="auth")
    product.run("restore", "-f", "latest")
    assert differences(before, server.fingerprint("auth")) == []


@pytest.mark.parametrize("roles", [[], [{"role": "readWrite", "db": "auth"}]])
def test_a_role_that_is_too_weak_is_told_what_it_lacks(product, server, roles):
    product.keep_secret(WEAK_PASSWORD)
    product.database_url = weak_user(server, roles)
    done = product.run("backup", expect=DATABASE)
    assert re.search(rf"user '{WEAK}' may not (find|listCollections|listDatabases|explain)\b.* on (auth|admin|local)\b", done.err), done
    assert "grantRolesToUser" in done.err or 'role: "backup"' in done.err
    assert product.objects() in ([], ["RESTORE.txt"])
    assert "FAIL" in product.run("check", expect=DATABASE).out


def test_the_minimal_roles_take_a_database_there_and_back(product, server):
    product.database_url = server.url(db="auth")
    before = server.fingerprint("auth")
    product.run("backup")
    server.client().drop_database("auth")
    product.database_url = server.restore_url(db="auth")
    product.run("restore", "-f", "latest")
    assert differences(before, server.fingerprint("auth")) == []


def test_a_role_comes_back_with_its_database(product, server):
    database = server.database()
    database.command("createRole", "session_reader", roles=[], privileges=[
        {"resource": {"db": "auth", "collection": "sessions"}, "actions": ["find"]}])
    before = database.command("rolesInfo", "session_reader", showPrivileges=True)["roles"]
    product.database_url = server.url(db="auth")
    product.run("backup")
    database.command("dropRole", "session_reader")
    product.database_url = server.restore_url(db="auth")
    product.run("restore", "-f", "latest", "--force", "--drop-old")
    assert database.command("rolesInfo", "session_reader", showPrivileges=True)["roles"] == before


@pytest.fixture(scope="module", params=KINDS)
def tls_server(request, module_tmp):
    certificates = Certificates(module_tmp / f"certificates-{request.param}")
    with MongoServer.create(request.param, module_tmp / f"tls-{request.param}", tls=certificates) as made:
        made.database().users.insert_many([{"_id": n} for n in range(100)])
        yield made


def test_tls_with_a_client_certificate_there_and_back(tls_server, tmp):
    product = Product(tmp / "product", database_url=tls_server.url(db="auth"))
    before = tls_server.fingerprint("auth")
    product.run("backup")
    assert "TLS: in use" in product.run("check").out
    product.database_url = tls_server.restore_url(db="auth")
    product.run("restore", "-f", "latest", "--force", "--drop-old")
    assert differences(before, tls_server.fingerprint("auth")) == []


def without(url, *names):
    place, query = url.split("?")
    return place + "?" + "&".join(one for one in query.split("&") if one.split("=")[0] not in names)


def test_tls_without_a_client_certificate_is_refused(product, tls_server):
    product.database_url = without(tls_server.url(), "tlsCertificateKeyFile") + "&serverSelectionTimeoutMS=2000"
    product.run("backup", expect=DATABASE)


def test_tls_with_a_strangers_certificate_is_refused(product, tls_server):
    url = without(tls_server.url(), "tlsCertificateKeyFile")
    product.database_url = f"{url}&tlsCertificateKeyFile={tls_server.tls.path('stranger')}&serverSelectionTimeoutMS=2000"
    product.run("backup", expect=DATABASE)


def test_a_server_of_an_unknown_authority_is_refused(product, tls_server):
    url = without(tls_server.url(), "tlsCAFile")
    product.database_url = f"{url}&tlsCAFile={tls_server.tls.path('stranger')}&serverSelectionTimeoutMS=2000"
    done = product.run("backup", expect=DATABASE)
    assert "certificate" in done.err.lower() or "tls" in done.err.lower()


def test_a_client_without_tls_is_refused(product, tls_server):
    product.database_url = without(tls_server.url(), "tls", "tlsCAFile", "tlsCertificateKeyFile") + \
        "&serverSelectionTimeoutMS=2000"
    product.run("backup", expect=DATABASE)


class OldTlsServer:
    """Accepts TLS 1.0 and 1.1 and nothing else; `greeted` is set when a client went along with that."""

    def __init__(self, certificates):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version, self.context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        self.context.set_ciphers("ALL:@SECLEVEL=0")
        self.context.load_cert_chain(certificates.path("server"), certificates.path("server", "key"))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked, self.greeted = threading.Event(), threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.asked.set()
                with contextlib.suppress(OSError), self.context.wrap_socket(client, server_side=True):
                    self.greeted.set()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_older_than_1_2_is_refused(product, tmp):
    certificates = Certificates(tmp / "certificates")
    old = OldTlsServer(certificates)
    product.database_url = (
        f"mongodb://backup:{WEAK_PASSWORD}@127.0.0.1:{old.port}/auth?tls=true&serverSelectionTimeoutMS=2000"
        f"&tlsCAFile={certificates.path('authority')}"
    )
    done = product.run("backup", expect=DATABASE)
    assert "TLS" in done.err and "hint: " in done.err
    assert old.asked.is_set() and not old.greeted.is_set()
    lax = ssl.create_default_context(cafile=certificates.path("authority"))
    lax.minimum_version = ssl.TLSVersion.TLSv1
    lax.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", old.port)) as line, lax.wrap_socket(line, server_hostname="127.0.0.1"):
        assert old.greeted.wait(10)  # whoever accepts it gets it
    old.listener.close()
