-- The gateway keeps every byte sequence as it came, under its digest, and says what became of it.
CREATE SCHEMA gateway;

CREATE TABLE gateway.raw (
    digest text PRIMARY KEY,
    content bytea NOT NULL,
    length int NOT NULL,
    media_type text NOT NULL,
    first_received_at timestamptz NOT NULL DEFAULT runtime.tripartite_now()
);
ALTER TABLE gateway.raw ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE FUNCTION gateway.never_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was received is never edited';
END $$;
CREATE TRIGGER never_edited BEFORE UPDATE ON gateway.raw FOR EACH ROW EXECUTE FUNCTION gateway.never_edited();

CREATE TABLE gateway.intake (
    intake_id text PRIMARY KEY,
    connection text NOT NULL,
    digest text NOT NULL REFERENCES gateway.raw,
    name text NOT NULL DEFAULT '',
    media_type text NOT NULL,
    caller text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    disposition text NOT NULL CHECK (disposition IN
        ('applied', 'duplicate', 'stale', 'waiting', 'quarantined', 'rejected')),
    reason_code text NOT NULL DEFAULT '',
    pointer text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    format text NOT NULL DEFAULT '',
    object_kind text NOT NULL DEFAULT '',
    object_key text NOT NULL DEFAULT '',
    company_code text NOT NULL DEFAULT '',
    correlation_id text NOT NULL DEFAULT '',
    first_intake_id text NOT NULL DEFAULT '',
    dropped text[] NOT NULL DEFAULT '{}',
    CHECK (disposition IN ('applied', 'duplicate') OR reason_code <> '')
) WITH (fillfactor = 80);
-- A twin stops here: one live intake per connection and digest.
CREATE UNIQUE INDEX intake_once ON gateway.intake (connection, digest) WHERE disposition <> 'duplicate';
CREATE INDEX intake_time ON gateway.intake (received_at);
CREATE INDEX intake_trouble ON gateway.intake (disposition, received_at)
    WHERE disposition IN ('waiting', 'quarantined', 'rejected');

CREATE TABLE gateway.idempotency (
    caller text NOT NULL,
    key text NOT NULL,
    request_digest text NOT NULL,
    response bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    PRIMARY KEY (caller, key)
);

-- Webhooks are at least once and unordered: the event id is kept longer than the longest retry schedule.
CREATE TABLE gateway.webhook_event (
    connection text NOT NULL,
    event_id text NOT NULL,
    at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    PRIMARY KEY (connection, event_id)
);

-- Documents that a thin event told us of: the row that is due is the queue.
CREATE TABLE gateway.fetch (
    connection text NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    version text NOT NULL,
    due_at timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    detail text NOT NULL DEFAULT '',
    PRIMARY KEY (connection, kind, key, version)
);
CREATE INDEX fetch_due ON gateway.fetch (due_at);

-- How far each stream of each connection has surely been pulled.
CREATE TABLE gateway.pull (
    connection text NOT NULL,
    stream text NOT NULL,
    cursor text NOT NULL,
    pulled_at timestamptz NOT NULL,
    failures int NOT NULL DEFAULT 0,
    detail text NOT NULL DEFAULT '',
    PRIMARY KEY (connection, stream)
);

-- Projection of the supplier master, for mapping: whom a number, a tax id or an endpoint stands for. Several ids under
-- one foreign word are twins and are never chosen from.
CREATE TABLE gateway.xref (
    kind text NOT NULL,
    connection text NOT NULL,
    foreign_id text NOT NULL,
    our_id text NOT NULL,
    PRIMARY KEY (kind, connection, foreign_id, our_id)
);
CREATE INDEX xref_ours ON gateway.xref (our_id);

-- Questions owed to the outside: one pending per question and reference.
CREATE TABLE gateway.ask (
    company_code text NOT NULL,
    question text NOT NULL,
    reference text NOT NULL,
    payload bytea NOT NULL,
    correlation_id text NOT NULL,
    causation_id text NOT NULL,
    due_at timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    PRIMARY KEY (company_code, question, reference)
);
CREATE INDEX ask_due ON gateway.ask (due_at);
