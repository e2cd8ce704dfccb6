-- Receipts, returns, reversals and service entries: what came, as the owner of receipts knows it.
CREATE SCHEMA receipts;

CREATE TABLE receipts.receipt (
    company_code text NOT NULL,
    number text NOT NULL,
    version bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('receipt', 'return', 'reversal', 'withdrawal', 'service_entry')),
    posted_on date,
    source text NOT NULL,
    document bytea NOT NULL,
    correlation_id text NOT NULL,
    leaf_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (company_code, number)
);

CREATE TABLE receipts.of_order (
    company_code text NOT NULL,
    order_number text NOT NULL,
    number text NOT NULL,
    PRIMARY KEY (company_code, order_number, number)
);

-- Orders whose receipts were asked for afresh: at once, after an hour, then by the day; one pending query each.
CREATE TABLE receipts.requery (
    company_code text NOT NULL,
    order_number text NOT NULL,
    invoice_id text NOT NULL,
    correlation_id text NOT NULL,
    times int NOT NULL DEFAULT 0,
    asked_at timestamptz NOT NULL,
    due_at timestamptz, -- null: answered, nothing more is asked until somebody wants it
    answered_at timestamptz,
    PRIMARY KEY (company_code, order_number)
);
CREATE INDEX requery_due ON receipts.requery (due_at) WHERE due_at IS NOT NULL;
