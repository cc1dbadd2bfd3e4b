"""Why this exists: every engine keeps the same promises (tests/scenario/test_engine_contract.py). One adapter each
says how its source is made, changed, backed up, lost, put back, and what is there now."""

import shutil

from lib import crash
from lib.auth_data import APP_ROLE, READER_ROLE
from lib.folder_state import folder_state
from lib.mongodb_data import insert
from lib.postgres import BACKUP_PASSWORD, BACKUP_ROLE, SUPERUSER_PASSWORD, free_port
from lib.mongodb import BACKUP_PASSWORD as MONGO_PASSWORD, RESTORE_PASSWORD
from lib.processes import wait_until
from lib.stored_backup import random_files
from lib.tcp_proxy import TcpProxy

DATABASE, INCOMPLETE, REFUSED = 6, 3, 5


class Engine:
    """What the contract needs of an engine. `source` is what a backup holds, `restored` the same of what came back,
    `target` everything where a restore writes, whatever its name: equal before and after what changes nothing."""

    way = ""  # its name
    engines = set()  # the names in a manifest
    entries = ()  # how the names of entries in the archive begin
    middle_step = ""  # a durable step of a restore, after its beginning and before its swap
    backup_words = ("backup",)
    restore_words = ()
    beside = ("config", "CONFIG_PATHS")  # a component that this engine does not fill, and its setting
    passwords = ()

    def back_up(self, product, *words, expect=0, env=None):
        return product.run(*self.backup_words, *words, env={**self.backup_settings(), **(env or {})}, expect=expect)

    def restore(self, product, *words, name="latest", expect=0, env=None):
        settings = {**self.restore_settings(), **(env or {})}
        return product.run("restore", "-f", name, *self.restore_words, *words, env=settings, expect=expect)

    def restore_settings(self):
        return {}

    def newest_change(self):
        """Moves with every write; None where the engine's own readers move it, too."""
        return None

    def check_nothing_stays(self):
        """Nothing of a run that has ended is left where the data comes from."""


class Files(Engine):
    """A folder; the target is another one."""

    way, engines, entries = "files", {"fileset"}, ("config/",)
    backup_words, beside = ("backup", "config"), ("certificates", "CERTIFICATE_PATHS")
    middle_step = "restore.file.sync"
    passwords = ("a-password-that-nobody-needs",)

    def __init__(self, folder):
        folder.mkdir()
        self.folder, self.place = random_files(folder / "source", 1), folder / "place"
        (self.folder / "deep").mkdir(mode=0o750)
        (self.folder / "deep" / "link").symlink_to("../app.conf")
        self.restore_words = ("--components", "config", "--files-dir", self.place)

    def backup_settings(self):
        # A backup of files does not connect, nor may it tell.
        return {"CONFIG_PATHS": self.folder, "DATABASE_URL": f"postgresql://u:{self.passwords[0]}@127.0.0.1:1/auth"}

    def source(self):
        return folder_state(self.folder)

    def restored(self):
        return folder_state(self.place / "config" / str(self.folder).lstrip("/"))

    def target(self):
        return folder_state(self.place)

    def contents(self):
        names = ("app.conf", "empty", "random.bin")
        return {*(("file", f"config{self.folder}/{name}") for name in names), ("link", f"config{self.folder}/deep/link")}

    def change(self):
        (self.folder / "app.conf").write_text("written after the backup\n")
        there = self.place / "config" / str(self.folder).lstrip("/")
        there.mkdir(parents=True, exist_ok=True)
        (there / "precious").write_text("ours\n")

    def lose(self):
        shutil.rmtree(self.place, ignore_errors=True)

    def kept(self):
        return [path.name for path in self.place.glob("config.before-*")]

    def forget_kept(self):
        for name in self.kept():
            shutil.rmtree(self.place / name)

    def stopped_backup(self, product):
        stop = {"ASB_FAIL_POINT": "store.local.write:1:stop"}
        return self.back_up(product, "--json", env=stop, expect=None)

    def without_source(self):
        return {"CONFIG_PATHS": self.folder / "missing"}, INCOMPLETE, f"{self.folder / 'missing'} does not exist"

    def without_target(self):
        file = self.folder / "app.conf"  # where a folder should be
        return {}, ("--components", "config", "--files-dir", file), REFUSED, str(file)


class Server(Engine):
    """What both databases have in common: the stop is sent while the server is held in the middle of its answer."""

    held_after = 0  # bytes from the server

    def stopped_backup(self, product):
        with TcpProxy(self.server.port, hold_after=self.held_after) as proxy:
            through = {**self.backup_settings(), "DATABASE_URL": proxy.url(self.backup_url(), self.server)}
            running = product.popen(*self.backup_words, "--json", env=through)
            proxy.wait_until_holding()
            running.signal()
            return running.wait(expect=None)

    def without_source(self):
        port = free_port()
        url = self.backup_url().replace(f":{self.server.port}/", f":{port}/")
        return {"DATABASE_URL": url}, DATABASE, f"127.0.0.1:{port}"

    def without_target(self):
        env, code, text = self.without_source()
        return env, (), code, text


class Postgres(Server):
    """Database `auth` of a server with auth data, in place; `method` physical or logical."""

    engines = {"postgresql", "fileset"}
    middle_step = "swap.restore"
    passwords = (BACKUP_PASSWORD, SUPERUSER_PASSWORD)

    def __init__(self, server, method):
        self.server, self.method, self.way = server, method, method
        self.entries = {"physical": ("postgresql/base/", "postgresql/wal/"), "logical": ("postgresql/logical/",)}[method]
        self.held_after = {"physical": 10_000_000, "logical": 300_000}[method]

    def backup_url(self):
        if self.method == "physical":
            return self.server.url(BACKUP_ROLE, BACKUP_PASSWORD, db="auth")
        return self.server.url(db="auth")

    def backup_settings(self):
        return {"DATABASE_URL": self.backup_url(), "POSTGRES_BACKUP_METHOD": self.method}

    def restore_settings(self):
        return {"DATABASE_URL": self.server.url(db="auth")}

    def source(self):
        """Grants on the database are a set: they are granted again one by one, in another order."""
        found = self.server.fingerprint("auth")
        found["database"] = [(*row[:-1], sorted((row[-1] or "{}")[1:-1].split(","))) for row in found["database"]]
        return found

    restored = source

    def target(self):
        databases = self.server.sql("SELECT datname, oid FROM pg_database ORDER BY 1")
        return {
            "databases": databases,
            "roles": self.server.sql("SELECT rolname, oid FROM pg_roles ORDER BY 1"),
            "auth": self.source() if "auth" in dict(databases) else None,
        }

    def contents(self):
        if self.method == "physical":
            return {("cluster", "*")}
        return {("database", "auth"), ("database", "postgres")}

    def change(self):
        self.server.sql("UPDATE auth.users SET display_name = display_name || ', later' WHERE id < 10", "auth")
        self.server.sql("DELETE FROM auth.refresh_tokens", "auth")
        self.server.sql("CREATE TABLE IF NOT EXISTS auth.newer AS SELECT 1 AS n", "auth")

    def lose(self):
        self.forget_kept()
        self.server.sql("DROP DATABASE auth WITH (FORCE)")
        self.server.sql(f"DROP ROLE {APP_ROLE}, {READER_ROLE}")

    def kept(self):
        return [name for (name,) in self.server.sql(r"SELECT datname FROM pg_database WHERE datname LIKE 'auth\_\_%'")]

    def forget_kept(self):
        for name in self.kept():
            self.server.sql(f'DROP DATABASE "{name}"')

    def check_nothing_stays(self):
        crash.check_no_slot(self.server)
        ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'auth-service-backup%'"
        wait_until(lambda: self.server.value(ours) == 0, "no session is left", crash.GONE_SECONDS_MAX)


class MongoDb(Server):
    """Database `auth` of a server of its own, in place."""

    engines, entries = {"mongodb", "fileset"}, ("mongodb/",)
    middle_step = "mongo.insert"
    passwords = (MONGO_PASSWORD, RESTORE_PASSWORD)
    held_after = 300_000

    def __init__(self, server):
        self.server, self.way = server, server.kind
        database = server.database()
        insert(database.users, ({"_id": n, "email": f"u{n}@example.org", "x": "x" * 1000} for n in range(1000)))
        database.users.create_index("email", unique=True)
        insert(database.sessions, ({"_id": f"session {n}", "user": n} for n in range(100)))
        database.create_collection("strict", validator={"$jsonSchema": {"required": ["name"]}})
        database.create_collection("first_users", viewOn="users", pipeline=[{"$match": {"_id": {"$lt": 10}}}])
        database.command("createRole", "session_reader", roles=[], privileges=[
            {"resource": {"db": "auth", "collection": "sessions"}, "actions": ["find"]}])

    def backup_url(self):
        return self.server.url(db="auth", directConnection="true")

    def backup_settings(self):
        return {"DATABASE_URL": self.server.url(db="auth")}

    def restore_settings(self):
        return {"DATABASE_URL": self.server.restore_url(db="auth")}

    def source(self):
        collections = self.server.fingerprint("auth")["auth"]
        return {name: what for name, what in collections.items() if "__before_" not in name}

    restored = source

    def target(self):
        users = self.server.client().admin.command("usersInfo", 1)["users"]
        roles = self.server.database().command("rolesInfo", 1, showPrivileges=True)["roles"]
        return {"databases": self.server.fingerprint(), "users": sorted(user["_id"] for user in users), "roles": roles}

    def contents(self):
        names = ("users", "sessions", "strict", "first_users")
        return {("database", "auth"), *(("collection", f"auth.{name}") for name in names)}

    def change(self):
        database = self.server.database()
        database.users.update_many({"_id": {"$lt": 10}}, {"$set": {"x": "changed"}})
        database.sessions.drop()
        database.newer.replace_one({"_id": 1}, {}, upsert=True)

    def lose(self):
        self.server.drop_all()

    def kept(self):
        return [name for name in self.server.database().list_collection_names() if "__before_" in name]

    def forget_kept(self):
        for name in self.kept():
            self.server.database().drop_collection(name)

    def newest_change(self):
        return self.server.newest_change()
