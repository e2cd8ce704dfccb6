-- Who may come in: tokens of machines, accounts of people, their sessions. Nothing here can be used to come in:
-- tokens and sessions are kept as SHA-256 of 256 random bits, passwords as scrypt.
CREATE SCHEMA auth;

CREATE TABLE auth.token (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('machine', 'system')),
    permissions text[] NOT NULL,
    companies text[], -- null: every company
    created_at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    expires_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX token_name ON auth.token (name);

CREATE TABLE auth.account (
    name text PRIMARY KEY,
    person text NOT NULL, -- two accounts of one person are one person to every duty (I27)
    password text NOT NULL,
    one_time boolean NOT NULL, -- given by an administrator: good for one thing, choosing another
    password_until timestamptz, -- a one-time password does not live long
    permissions text[] NOT NULL,
    companies text[],
    created_at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    password_at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    disabled_at timestamptz,
    CHECK (one_time = (password_until IS NOT NULL))
);

CREATE TABLE auth.session (
    session_hash bytea PRIMARY KEY CHECK (octet_length(session_hash) = 32),
    account text NOT NULL REFERENCES auth.account,
    created_at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    seen_at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    expires_at timestamptz NOT NULL,
    stepped_up_at timestamptz,
    ended_at timestamptz
);
CREATE INDEX session_account ON auth.session (account) WHERE ended_at IS NULL;

-- An attempt is written before the password is looked at and taken back when it was right, so that many attempts at
-- once count as many. Names that do not exist are counted too.
CREATE TABLE auth.attempt (
    account text NOT NULL,
    source text NOT NULL,
    at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    attempt_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY
);
CREATE INDEX attempt_account ON auth.attempt (account, at);
CREATE INDEX attempt_source ON auth.attempt (source, at);
