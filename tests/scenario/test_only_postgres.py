"""Why this exists: one lost table, schema or database comes back alone, from a backup of either kind, into
the database that has gone on without it: what is there is refused, or put aside in one transaction."""

import re

import pytest
from lib import auth_data, cluster
from lib.fingerprint import differences
from lib.postgres import SUPERUSER_PASSWORD, PostgresServer
from lib.product import Product

AS_RESTORED = "-as-restored"  # behind the name of a template

MORE = """
CREATE SCHEMA keys;
CREATE TABLE keys.signing (id integer PRIMARY KEY, secret text);
INSERT INTO keys.signing SELECT n, md5(n::text) FROM generate_series(1, 30) n;
CREATE TABLE public.plain (id serial PRIMARY KEY, note text);
INSERT INTO public.plain (note) SELECT md5(n::text) FROM generate_series(1, 40) n;
CREATE TABLE public."Odd name.of a table" (id integer);
INSERT INTO public."Odd name.of a table" VALUES (1);
CREATE STATISTICS auth.users_statistics ON state, display_name FROM auth.users;
ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON auth.users USING (true);
COMMENT ON COLUMN auth.users.email IS 'as typed';
COMMENT ON INDEX auth.users_email IS 'one mailbox, one user';
"""


@pytest.fixture(scope="module")
def full(pg15):
    cluster.fill(pg15)
    pg15.sql(MORE, "auth")
    return pg15


@pytest.fixture(scope="module", params=["logical", "physical"])
def backed_up(request, full, module_tmp):
    """A product with one backup of the kind."""
    product = Product(module_tmp / request.param, database_url=full.url(db="auth"))
    product.keep_secret(SUPERUSER_PASSWORD, auth_data.APP_PASSWORD)
    product.run("backup", env={"POSTGRES_BACKUP_METHOD": request.param})
    return product


@pytest.fixture(scope="module")
def restored(full, module_tmp, backed_up):
    """A second server with the whole backup in it; its databases are the templates of each test's own."""
    with PostgresServer.create(15, module_tmp / f"{backed_up.folder.name}-target") as server:
        server.create_tablespace(cluster.TABLESPACE)
        restore(backed_up, server, "--all-databases")
        for name in cluster.DATABASES:
            server.sql(f'ALTER DATABASE "{name}" RENAME TO "{name}{AS_RESTORED}"')
            server.sql(f'ALTER DATABASE "{name}{AS_RESTORED}" IS_TEMPLATE true')
        yield server


@pytest.fixture
def target(restored):
    """The second server, on which everything is as in the backup."""
    for name in databases(restored):
        if name != "postgres":
            restored.sql(f'DROP DATABASE "{name}" WITH (FORCE)')
    for name in cluster.DATABASES:
        restored.sql(f'CREATE DATABASE "{name}" TEMPLATE "{name}{AS_RESTORED}"')
    return restored


def restore(product, server, *options, expect=0):
    done = product.run("restore", "--backup-file", "latest", *options, env={"DATABASE_URL": server.url()}, expect=expect)
    assert list(product.temporary.iterdir()) == []
    return done


def only(product, server, *words, more=(), expect=0):
    return restore(product, server, *(part for word in words for part in ("--only", word)), *more, expect=expect)


def databases(server):
    return [name for (name,) in server.sql("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1")]


def schemas(server, database="auth"):
    return {name for (name,) in server.sql("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'", database)}


def fingerprint(server, database="auth", without=""):
    """Without roles, and without the schemas that begin with `without`."""
    found = server.fingerprint(database)
    for part in ("roles", "role_settings", "memberships", "database"):
        found.pop(part)
    # Grants are a set: they are granted again one by one, in another order.
    found["relations"] = [(*row[:5], sorted((row[5] or "{}")[1:-1].split(",")), *row[6:]) for row in found["relations"]]
    if without:
        for part, value in found.items():
            kept = [row for row in (value.items() if isinstance(value, dict) else value) if without not in str(row)]
            found[part] = dict(kept) if isinstance(value, dict) else kept
    found["policies"] = server.sql("SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'auth' ORDER BY 1", database)
    found["comments"] = server.sql(
        "SELECT classoid::regclass::text, objsubid, description FROM pg_description WHERE objoid >= 16384 ORDER BY 1, 2, 3", database
    )
    return found



# -- databases -----------------------------------------------------------------------------------------


def test_one_database_comes_back_and_the_others_stay_as_they_are(full, target, backed_up):
    target.sql("DROP DATABASE billing")
    target.sql("DELETE FROM auth.documents", "auth")
    before = fingerprint(target)
    done = only(backed_up, target, "bill*")
    assert "database \"billing\" at " in done.out
    assert differences(fingerprint(full, "billing"), fingerprint(target, "billing")) == []
    assert differences(before, fingerprint(target)) == []
    refused = only(backed_up, target, "billing", expect=5)
    assert "--force" in refused.err
    only(backed_up, target, "billing", more=("--force", "--drop-old"))
    assert databases(target) == sorted([*cluster.DATABASES, "postgres"])


@pytest.mark.parametrize("word, code, text", [
    ("nothing", 10, "the backup holds no such database"),
    ("auth.nothing", 10, "no such schema"),
    ("auth.auth.nothing*", 10, "no such table"),
    ("a.b.c.d", 2, "not a database, schema or table"),
    ("auth..users", 2, "not a database, schema or table"),
    ("*.public", 2, "parts of several databases"),
    ("auth.auth.audit_log_2024_01", 5, "is a part"),
])
def test_words_that_name_nothing_or_too_much(full, backed_up, word, code, text):
    done = only(backed_up, full, word, expect=code)
    assert text in done.err and "hint: " in done.err


def test_databases_and_tables_do_not_mix(full, backed_up, tmp):
    assert "cannot be put in place in one step" in only(backed_up, full, "billing", "auth.auth.users", expect=2).err
    done = backed_up.run("restore", "--backup-file", "latest", "--only", "auth", "--target-dir", tmp / "data", expect=2)
    assert "--only does not go with --target-dir" in done.err or "a logical backup holds dumps" in done.err


# -- tables --------------------------------------------------------------------------------------------


def test_a_dropped_table_comes_back_with_all_that_is_its_own(full, target, backed_up):
    before = fingerprint(target)
    target.sql("DROP TABLE auth.sessions CASCADE; DROP TABLE auth.refresh_tokens", "auth")
    done = only(backed_up, target, "auth.auth.sessions", "auth.auth.refresh*")
    assert "all compared" in done.out
    assert differences(before, fingerprint(target)) == []


def test_a_partitioned_table_comes_back_with_its_partitions(full, target, backed_up):
    before = fingerprint(target)
    target.sql("DROP TABLE auth.audit_log", "auth")
    only(backed_up, target, "auth.auth.audit_log")
    assert differences(before, fingerprint(target)) == []
    assert target.value("SELECT count(*) FROM auth.audit_log", "auth") == 3000


def test_a_table_that_is_there_is_refused_then_put_aside_and_what_hangs_on_it_is_named(full, target, backed_up):
    target.sql("UPDATE auth.users SET email = 'spoiled' || id", "auth")
    spoiled = fingerprint(target)
    refused = only(backed_up, target, "auth.auth.users", expect=5)
    assert 'database "auth" has auth.users already' in refused.err and "--force" in refused.err
    refused = only(backed_up, target, "auth.auth.users", more=("--force", "--drop-old"), expect=5)
    assert "cannot be dropped: " in refused.err and "view auth.active_users" in refused.err
    planned = only(backed_up, target, "auth.auth.users", more=("--force", "--dry-run")).out
    assert "would replace auth.users in database" in planned and "in one transaction" in planned
    assert differences(spoiled, fingerprint(target)) == []

    done = only(backed_up, target, "auth.auth.users", more=("--force",), expect=3)
    named = [line for line in done.out.splitlines() if "NOT WHOLE" in line]
    assert len(named) == 3, named
    for text in ("view auth.active_users", "sessions_user_id_fkey", "documents_user_id_fkey"):
        assert any(text in line for line in named), text
    (aside,) = [name for name in schemas(target) if name.startswith("before_")]
    assert re.fullmatch("before_[0-9]{8}_[0-9]{6}_[0-9a-f]{4}", aside) and aside in done.out
    after = target.fingerprint("auth")
    assert after["tables"]["auth.users"] == full.fingerprint("auth")["tables"]["auth.users"]
    assert after["tables"][f"{aside}.users"] == spoiled["tables"]["auth.users"]
    # Everything else of the table is as it was: indexes, policies, statistics, grants, comments, the sequence.
    def of_users(found):
        return [row for part in ("relations", "columns", "indexes", "comments") for row in found[part]
                if "users" in str(row) and "before_" not in str(row)]
    assert of_users(fingerprint(full)) == of_users(fingerprint(target, without="before_"))
    target.sql("INSERT INTO auth.users (email, display_name, password_hash, profile, created_at) VALUES ('n', 'n', '', '{}', now())", "auth")


def test_drop_old_leaves_nothing_of_the_old(full, target, backed_up):
    target.sql("UPDATE public.plain SET note = 'spoiled'", "auth")
    only(backed_up, target, "auth.public.plain", "auth.public.Odd name?of*", more=("--force", "--drop-old"))
    assert differences(fingerprint(full), fingerprint(target)) == []


def test_a_failure_in_the_middle_changes_nothing(full, target, backed_up):
    target.sql("""CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no index today'; END $$;
        CREATE EVENT TRIGGER no ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION no()""", "auth")
    before = fingerprint(target)
    done = only(backed_up, target, "auth.auth.users", more=("--force",), expect=6)
    assert "nothing was changed" in done.err and "no index today" in done.err
    assert differences(before, fingerprint(target)) == []
    assert not [name for name in schemas(target) if name.startswith("before_")]


def test_a_connection_that_is_lost_at_the_commit_leaves_nothing_claimed(full, target, backed_up):
    target.sql("""CREATE TABLE public.noticed (id integer);
        CREATE FUNCTION notice() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.noticed VALUES (1); END $$;
        CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
        CREATE CONSTRAINT TRIGGER die AFTER INSERT ON public.noticed DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die();
        CREATE EVENT TRIGGER notice ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION notice()""", "auth")
    done = only(backed_up, target, "auth.auth.users", more=("--force",), expect=6)
    assert "whether it was made is not known" in done.err and "nothing was changed" not in done.err
    assert "hint: look at what should have come back" in done.err


@pytest.mark.parametrize("how, code", [("kill", 137), ("stop", 143), ("eio", 1)])
def test_a_restore_that_ends_before_its_transaction_changes_nothing(full, target, backed_up, how, code):
    before = fingerprint(target)
    backed_up.run("restore", "--backup-file", "latest", "--only", "auth.auth.users", "--force",
                  env={"DATABASE_URL": target.url(), "ASB_FAIL_POINT": f"only.transaction:1:{how}"}, expect=code)
    assert differences(before, fingerprint(target)) == []
    only(backed_up, target, "auth.auth.users", more=("--force",), expect=3)


# -- schemas -------------------------------------------------------------------------------------------


def test_a_dropped_schema_comes_back(full, target, backed_up):
    before = fingerprint(target)
    target.sql("DROP SCHEMA keys CASCADE", "auth")
    only(backed_up, target, "auth.keys")
    assert differences(before, fingerprint(target)) == []


def test_a_schema_that_is_there_is_renamed_aside(full, target, backed_up):
    target.sql("DELETE FROM keys.signing; CREATE TABLE keys.newer (id integer)", "auth")
    assert "has schema keys already" in only(backed_up, target, "auth.keys", expect=5).err
    done = only(backed_up, target, "auth.keys", more=("--force",))
    (aside,) = [name for name in schemas(target) if "before" in name]
    assert aside.startswith("keys__before_") and aside in done.out
    assert target.value(f"SELECT count(*) FROM {aside}.newer", "auth") == 0
    assert target.fingerprint("auth")["tables"]["keys.signing"] == full.fingerprint("auth")["tables"]["keys.signing"]
    target.sql(f"DROP SCHEMA {aside} CASCADE", "auth")
    assert differences(fingerprint(full), fingerprint(target)) == []


def test_the_schema_public_is_put_aside_too(full, target, backed_up):
    target.sql("TRUNCATE public.plain", "auth")
    only(backed_up, target, "auth.public", more=("--force", "--drop-old"))
    assert differences(fingerprint(full), fingerprint(target)) == []


def test_a_schema_alone_makes_a_database_that_is_missing(full, target, backed_up):
    target.sql("DROP DATABASE auth")
    only(backed_up, target, "auth.keys")
    assert schemas(target) == {"information_schema", "public", "keys"}
    assert target.fingerprint("auth")["tables"] == {
        name: value for name, value in full.fingerprint("auth")["tables"].items() if name.startswith("keys.")
    }
