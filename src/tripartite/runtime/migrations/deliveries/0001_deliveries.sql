-- Every outbound write: one row, one key, stored before the first byte is sent; the row that is due is the queue.
CREATE SCHEMA deliveries;

CREATE TABLE deliveries.delivery (
    key text PRIMARY KEY,
    company_code text NOT NULL,
    connection text NOT NULL,
    operation text NOT NULL,
    object_kind text NOT NULL,
    object_id text NOT NULL,
    object_version int NOT NULL,
    correlation_id text NOT NULL,
    causation_id text NOT NULL DEFAULT '',
    request_digest text NOT NULL,
    payload bytea NOT NULL,
    mode text NOT NULL CHECK (mode IN ('observe', 'propose', 'act')),
    state text NOT NULL CHECK (state IN
        ('intended', 'sending', 'settled', 'accepted', 'rejected', 'waiting', 'unknown', 'dead_letter')),
    attempts int NOT NULL DEFAULT 0,
    probes int NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    pay_by date, -- urgent lane: what costs a discount or is late goes first
    first_sent_at timestamptz,
    sent_at timestamptz,
    claimed_by bigint,
    remote_ref text NOT NULL DEFAULT '',
    reason_code text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    updated_at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    CHECK (state <> 'settled' OR remote_ref <> ''),
    CHECK (state NOT IN ('rejected', 'dead_letter') OR reason_code <> '')
);
ALTER TABLE deliveries.delivery ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX delivery_due ON deliveries.delivery (connection, due_at)
    WHERE state IN ('intended', 'waiting', 'unknown', 'accepted');
CREATE INDEX delivery_sending ON deliveries.delivery (claimed_by) WHERE claimed_by IS NOT NULL;
CREATE INDEX delivery_object ON deliveries.delivery (object_id);
CREATE INDEX delivery_trouble ON deliveries.delivery (connection, state)
    WHERE state IN ('rejected', 'unknown', 'dead_letter');

-- The state machine of DESIGN section 7, the same table as core/delivery.py; a test compares the two.
CREATE TABLE deliveries.transition (from_state text NOT NULL, to_state text NOT NULL, PRIMARY KEY (from_state, to_state));
INSERT INTO deliveries.transition VALUES
    ('intended', 'sending'), ('waiting', 'sending'),
    ('sending', 'settled'), ('sending', 'accepted'), ('sending', 'rejected'), ('sending', 'waiting'),
    ('sending', 'unknown'),
    ('accepted', 'settled'), ('accepted', 'rejected'),
    ('unknown', 'settled'), ('unknown', 'accepted'), ('unknown', 'rejected'), ('unknown', 'waiting'),
    ('intended', 'dead_letter'), ('sending', 'dead_letter'), ('waiting', 'dead_letter'),
    ('unknown', 'dead_letter'), ('accepted', 'dead_letter'), ('rejected', 'dead_letter'),
    ('dead_letter', 'waiting');

CREATE FUNCTION deliveries.guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.key <> OLD.key OR NEW.request_digest <> OLD.request_digest OR NEW.payload <> OLD.payload
       OR NEW.connection <> OLD.connection OR NEW.operation <> OLD.operation THEN
        RAISE EXCEPTION 'the key and the request of a delivery never change: %', OLD.key;
    END IF;
    IF NEW.state <> OLD.state AND NOT EXISTS
       (SELECT 1 FROM deliveries.transition WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        RAISE EXCEPTION 'a delivery does not go from % to %: %', OLD.state, NEW.state, OLD.key;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE UPDATE ON deliveries.delivery FOR EACH ROW EXECUTE FUNCTION deliveries.guard();

CREATE TABLE deliveries.attempt (
    key text NOT NULL REFERENCES deliveries.delivery,
    at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    act text NOT NULL CHECK (act IN ('send', 'probe', 'crash', 'replay')),
    answer text NOT NULL,
    detail text NOT NULL DEFAULT '',
    trace_id text NOT NULL DEFAULT ''
);
CREATE INDEX attempt_key ON deliveries.attempt (key, at);

-- What a connection is known to be: its circuit, its last good answer. One incident, not ten thousand exceptions.
CREATE TABLE deliveries.connection (
    connection text PRIMARY KEY,
    circuit text NOT NULL DEFAULT 'closed' CHECK (circuit IN ('closed', 'open', 'halted')),
    failures int NOT NULL DEFAULT 0,
    retry_at timestamptz,
    reason text NOT NULL DEFAULT '',
    since timestamptz,
    last_ok_at timestamptz,
    calls bigint NOT NULL DEFAULT 0,
    failed_calls bigint NOT NULL DEFAULT 0
);
