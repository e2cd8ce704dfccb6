-- Receipts that came elsewhere are told to procurement and the ERP; what they call them there, so that none counts twice.
CREATE TABLE receipts.publication (
    company_code text NOT NULL,
    number text NOT NULL,
    version bigint NOT NULL,
    connection text NOT NULL,
    ordinal int NOT NULL, -- of this receipt for this connection: the delivery's version, however large ours is
    mode text NOT NULL CHECK (mode IN ('observe', 'propose', 'act')),
    state text NOT NULL CHECK (state IN ('waiting', 'owed', 'unknown', 'settled', 'rejected', 'dead_letter', 'dropped')),
    delivery_key text NOT NULL,
    correlation_id text NOT NULL,
    causation_id text NOT NULL,
    remote_ref text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (company_code, number, version, connection)
);
CREATE INDEX publication_key ON receipts.publication (delivery_key);
CREATE INDEX publication_open ON receipts.publication (company_code, connection, number)
    WHERE state IN ('waiting', 'owed', 'unknown', 'dead_letter');

-- What a connection calls a receipt of ours. line 0: the whole; -1: a record it made beside it (the void of a correction).
CREATE TABLE receipts.name (
    company_code text NOT NULL,
    connection text NOT NULL,
    foreign_number text NOT NULL,
    number text NOT NULL,
    line int NOT NULL,
    PRIMARY KEY (company_code, connection, foreign_number)
);
CREATE INDEX name_number ON receipts.name (company_code, number);

-- Receipts from a connection that may be our own, told back before its answer came: they wait for the answer.
CREATE TABLE receipts.doubtful (
    company_code text NOT NULL,
    source text NOT NULL,
    number text NOT NULL,
    version bigint NOT NULL,
    order_numbers text[] NOT NULL,
    message bytea NOT NULL,
    PRIMARY KEY (company_code, source, number, version)
);

CREATE TABLE receipts.exception (
    exception_id text PRIMARY KEY,
    company_code text NOT NULL,
    object_id text NOT NULL,
    line int NOT NULL,
    reason_code text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'cleared', 'released', 'refused', 'superseded')),
    version int NOT NULL,
    record bytea NOT NULL
);
CREATE UNIQUE INDEX exception_open ON receipts.exception (object_id, line, reason_code) WHERE state = 'open';
CREATE INDEX exception_object ON receipts.exception (object_id);

CALL runtime.bind('receipts.publication');
CALL runtime.bind('receipts.name');
CALL runtime.bind('receipts.doubtful');
CALL runtime.bind('receipts.exception');
