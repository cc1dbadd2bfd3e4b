"""Why this exists: figures need a database of an auth service's shape and of a known size: users, sessions, tokens, audit
rows and their indexes, values that compress like real ones (hashes and tokens hardly, text and JSON well)."""

ROWS_PER_GB = 1_220_000  # users; with the other tables this gave 1.0 GB of data directory on PostgreSQL 15

SCHEMA = """
CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, display_name text NOT NULL, password_hash text NOT NULL,
                    profile jsonb NOT NULL, created_at timestamptz NOT NULL);
CREATE TABLE sessions (id uuid PRIMARY KEY, user_id bigint NOT NULL, address inet NOT NULL, agent text NOT NULL,
                       started_at timestamptz NOT NULL);
CREATE TABLE refresh_tokens (id bigint PRIMARY KEY, user_id bigint NOT NULL, digest bytea NOT NULL, revoked boolean NOT NULL);
CREATE TABLE audit_log (id bigint PRIMARY KEY, happened_at timestamptz NOT NULL, user_id bigint, kind text NOT NULL,
                        details jsonb NOT NULL);
"""

ROWS = """
INSERT INTO users SELECT i, 'user' || i || '@example.' || (ARRAY['com','org','net'])[1 + i % 3], 'User Number ' || i,
    '$argon2id$v=19$m=65536,t=3,p=4$' || encode(sha256(i::text::bytea), 'base64'),
    jsonb_build_object('locale', (ARRAY['en','de','fr','ja'])[1 + i % 4], 'mfa', i % 5 = 0, 'groups', ARRAY[i % 17, i % 23]),
    '2020-01-01Z'::timestamptz + i * interval '37 seconds' FROM generate_series(1, {rows}) i;
INSERT INTO sessions SELECT md5('s' || i)::uuid, 1 + i * 7 % {rows}, ('10.' || i % 250 || '.' || i / 250 % 250 || '.7')::inet,
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.' || i % 90, '2024-01-01Z'::timestamptz + i * interval '3 seconds'
    FROM generate_series(1, {rows}) i;
INSERT INTO refresh_tokens SELECT i, 1 + i * 13 % {rows}, sha256(('t' || i)::bytea), i % 9 = 0 FROM generate_series(1, {rows}) i;
INSERT INTO audit_log SELECT i, '2024-01-01Z'::timestamptz + i * interval '2 seconds', 1 + i * 3 % {rows},
    (ARRAY['login','logout','refresh','password_change','mfa_challenge'])[1 + i % 5],
    jsonb_build_object('ip', '10.0.' || i % 250 || '.' || i / 250 % 250, 'ok', i % 11 <> 0, 'request', md5('r' || i))
    FROM generate_series(1, {rows}) i;
CREATE UNIQUE INDEX users_email ON users (lower(email));
CREATE INDEX sessions_user ON sessions (user_id);
CREATE UNIQUE INDEX refresh_tokens_digest ON refresh_tokens (digest);
CREATE INDEX audit_log_user ON audit_log (user_id, happened_at);
"""


def load(server, gigabytes):
    """Makes database `auth` of about that size (of its data directory), vacuumed and checkpointed."""
    server.sql("CREATE DATABASE auth")
    server.sql(SCHEMA, "auth")
    server.sql(ROWS.format(rows=int(gigabytes * ROWS_PER_GB)), "auth")
    server.sql("VACUUM (FREEZE, ANALYZE)", "auth")
    server.sql("CHECKPOINT")
