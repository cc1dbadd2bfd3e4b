-- Why this exists: data of the shape that an auth service keeps, 200,000 rows in seconds, the same
-- each time. Read by tools/demo.sh; example.org belongs to nobody.
SET client_min_messages = warning;

CREATE TABLE users (
    id bigserial PRIMARY KEY,
    email text NOT NULL UNIQUE,
    display_name text NOT NULL,
    locked boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL
);
CREATE TABLE credentials (
    id bigserial PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    password_hash text NOT NULL,
    totp_secret bytea
);
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    address inet NOT NULL,
    started_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > started_at)
);
CREATE TABLE refresh_tokens (
    id bigserial PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    token_digest bytea NOT NULL UNIQUE,
    revoked boolean NOT NULL DEFAULT false
);
CREATE TABLE audit_events (
    id bigserial PRIMARY KEY,
    user_id bigint NOT NULL,
    kind text NOT NULL,
    details jsonb NOT NULL,
    happened_at timestamptz NOT NULL
);

INSERT INTO users (email, display_name, locked, created_at)
SELECT 'user' || n || '@example.org', 'Üser № ' || n, n % 97 = 0, timestamptz '2024-01-15 02:00:00Z' + n * interval '1 minute'
FROM generate_series(1, 20000) n;

INSERT INTO credentials (user_id, password_hash, totp_secret)
SELECT n, '$argon2id$v=19$m=65536,t=3,p=4$' || encode(sha256(n::text::bytea), 'base64'),
       CASE WHEN n % 3 = 0 THEN sha256(('totp' || n)::bytea) END
FROM generate_series(1, 20000) n;

INSERT INTO sessions (id, user_id, address, started_at, expires_at)
SELECT md5('session' || n)::uuid, 1 + n % 20000, inet '10.0.0.0' + n,
       timestamptz '2024-02-01 00:00:00Z' + n * interval '7 seconds',
       timestamptz '2024-02-01 00:30:00Z' + n * interval '7 seconds'
FROM generate_series(1, 50000) n;

INSERT INTO refresh_tokens (session_id, token_digest, revoked)
SELECT md5('session' || n)::uuid, sha256(('token' || n)::bytea), n % 11 = 0
FROM generate_series(1, 50000) n;

INSERT INTO audit_events (user_id, kind, details, happened_at)
SELECT 1 + n % 20000, (ARRAY['login', 'logout', 'refresh', 'denied'])[1 + n % 4],
       jsonb_build_object('address', host(inet '10.0.0.0' + n), 'agent', 'browser ' || n % 50, 'ok', n % 4 <> 3),
       timestamptz '2024-02-01 00:00:00Z' + n * interval '3 seconds'
FROM generate_series(1, 60000) n;

CREATE INDEX ON sessions (user_id);
CREATE INDEX ON sessions (expires_at);
CREATE INDEX ON audit_events (user_id, happened_at);
CREATE INDEX ON audit_events USING gin (details);
ANALYZE;
