"""Why this exists: data of an auth service's shape, the same for every test, with one of each thing that
a backup could lose: sequences, every kind of index, large objects, partitions, an unlogged table, roles,
memberships, grants, default privileges, a view, a function, a trigger."""

APP_ROLE = "auth_app"
APP_PASSWORD = "application-password-of-a-test"
READER_ROLE = "auth_reader"

# Roles belong to the whole server: made once, whichever database comes first.
ROLES = f"""
CREATE ROLE {READER_ROLE} NOLOGIN;
CREATE ROLE {APP_ROLE} LOGIN PASSWORD '{APP_PASSWORD}' CONNECTION LIMIT 30 VALID UNTIL '2035-01-01 00:00:00Z';
GRANT {READER_ROLE} TO {APP_ROLE};
COMMENT ON ROLE {APP_ROLE} IS 'the auth service itself';
ALTER ROLE {APP_ROLE} SET statement_timeout = '30s';
"""

SCHEMA = f"""
CREATE SCHEMA auth AUTHORIZATION {APP_ROLE};
SET search_path = auth;
CREATE TYPE user_state AS ENUM ('active', 'locked', 'deleted');
CREATE TABLE users (
    id bigserial PRIMARY KEY,
    email text NOT NULL,
    display_name text NOT NULL,
    state user_state NOT NULL DEFAULT 'active',
    password_hash bytea NOT NULL,
    profile jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    address inet NOT NULL,
    started_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > started_at)
);
CREATE TABLE refresh_tokens (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    token_digest bytea NOT NULL UNIQUE,
    revoked boolean NOT NULL DEFAULT false
);
CREATE TABLE audit_log (
    id bigserial,
    happened_at timestamptz NOT NULL,
    user_id bigint,
    kind text NOT NULL,
    details jsonb NOT NULL,
    PRIMARY KEY (happened_at, id)
) PARTITION BY RANGE (happened_at);
CREATE TABLE audit_log_2024_01 PARTITION OF audit_log FOR VALUES FROM ('2024-01-01Z') TO ('2024-02-01Z');
CREATE TABLE audit_log_2024_02 PARTITION OF audit_log FOR VALUES FROM ('2024-02-01Z') TO ('2024-03-01Z');
CREATE TABLE audit_log_rest PARTITION OF audit_log DEFAULT;
CREATE UNLOGGED TABLE rate_limits (address inet PRIMARY KEY, hits integer NOT NULL);
CREATE TABLE documents (user_id bigint PRIMARY KEY REFERENCES users, content oid NOT NULL);
CREATE SEQUENCE key_generation START 100 INCREMENT 10 CACHE 1;
CREATE UNIQUE INDEX users_email ON users (lower(email));
CREATE INDEX users_profile ON users USING gin (profile);
CREATE INDEX users_locked ON users (created_at) WHERE state = 'locked';
CREATE INDEX sessions_user ON sessions USING hash (user_id);
CREATE INDEX sessions_address ON sessions USING gist (address inet_ops);
CREATE INDEX audit_time ON audit_log USING brin (happened_at);
CREATE VIEW active_users AS SELECT id, email FROM users WHERE state = 'active';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.kind := lower(NEW.kind); RETURN NEW; END $$;
CREATE TRIGGER audit_touch BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION touch();
GRANT USAGE ON SCHEMA auth TO {READER_ROLE};
GRANT SELECT ON users, sessions, active_users TO {READER_ROLE};
GRANT SELECT (id, happened_at, kind) ON audit_log TO {READER_ROLE};
GRANT ALL ON ALL TABLES IN SCHEMA auth TO {APP_ROLE};
ALTER DEFAULT PRIVILEGES IN SCHEMA auth GRANT SELECT ON TABLES TO {READER_ROLE};
"""

ROWS = """
SET search_path = auth;
SET timezone = 'UTC';
INSERT INTO users (email, display_name, state, password_hash, profile, created_at)
SELECT 'User' || n || '@example.org', 'Üser № ' || n || E'\\n\\ttab', (ARRAY['active', 'locked', 'deleted'])[1 + n % 3]::user_state,
       sha256(n::text::bytea), jsonb_build_object('n', n, 'locale', CASE WHEN n % 2 = 0 THEN 'de' END),
       timestamptz '2024-01-15 02:00:00.123456Z' + n * interval '1 minute'
FROM generate_series(1, :rows) n;
INSERT INTO sessions (id, user_id, address, started_at, expires_at)
SELECT md5('session' || n)::uuid, 1 + n % :rows, inet '10.0.0.0' + n,
       timestamptz '2024-02-01Z' + n * interval '7 seconds', timestamptz '2024-02-02Z' + n * interval '7 seconds'
FROM generate_series(1, 2 * :rows) n;
INSERT INTO refresh_tokens (session_id, token_digest, revoked)
SELECT md5('session' || n)::uuid, sha256(('token' || n)::bytea), n % 11 = 0 FROM generate_series(1, 2 * :rows) n;
INSERT INTO audit_log (happened_at, user_id, kind, details)
SELECT timestamptz '2024-01-20Z' + n * (interval '60 days' / (3 * :rows)), NULLIF(n % :rows, 0),
       (ARRAY['LOGIN', 'logout', 'Refresh', 'denied'])[1 + n % 4], jsonb_build_object('n', n, 'agent', repeat('x', n % 50))
FROM generate_series(1, 3 * :rows) n;
INSERT INTO rate_limits SELECT inet '192.168.0.0' + n, n FROM generate_series(1, :rows) n;
INSERT INTO documents
SELECT n, lo_from_bytea(0, decode(repeat(md5(n::text), 100 * n), 'hex')) FROM generate_series(1, LEAST(:rows, 20)) n;
DELETE FROM sessions WHERE user_id % 17 = 0;
UPDATE users SET display_name = display_name || ' (renamed)' WHERE id % 13 = 0;
SELECT nextval('key_generation'), nextval('key_generation');
"""


def load(server, rows, db):
    """Makes the database `db` on the server and fills it; `rows` at least 20."""
    if not server.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", parameters=[APP_ROLE]):
        server.sql(ROLES)
    server.sql(f'CREATE DATABASE "{db}" OWNER {APP_ROLE}')
    server.sql(SCHEMA, db)
    server.sql(ROWS.replace(":rows", str(int(rows))), db)
    first = server.value("SELECT min(content) FROM auth.documents", db)
    server.sql(f"GRANT SELECT ON LARGE OBJECT {first} TO {READER_ROLE}", db)
    server.sql("ANALYZE", db)
