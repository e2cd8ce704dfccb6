-- Requisitions as documents of their own: every version in short, the orders they became, budgets and their checks.
CREATE TABLE orders.requisition_version (
    company_code text NOT NULL,
    number text NOT NULL,
    version bigint NOT NULL,
    status text NOT NULL,
    currency text NOT NULL,
    amount numeric,
    decided_on date,
    PRIMARY KEY (company_code, number, version)
);

-- Which orders a requisition became, as the orders say. It joins their correlation: this row is the recorded link.
CREATE TABLE orders.requisition_order (
    company_code text NOT NULL,
    requisition text NOT NULL,
    order_number text NOT NULL,
    correlation_id text NOT NULL, -- of the order
    was text NOT NULL DEFAULT '', -- the requisition's own, where it came first; empty until it is here
    joined_at timestamptz, -- null: the requisition has not come yet
    PRIMARY KEY (company_code, requisition, order_number)
);

-- Budget lines as procurement told them: true as of a time, never ours to change.
CREATE TABLE orders.budget_line (
    company_code text NOT NULL,
    source text NOT NULL,
    number text NOT NULL,
    cost_centre text NOT NULL,
    document bytea NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (company_code, source, number)
);
CREATE INDEX budget_line_centre ON orders.budget_line (company_code, cost_centre);

CREATE TABLE orders.budget_check (
    check_id text PRIMARY KEY,
    company_code text NOT NULL,
    requisition text NOT NULL, -- empty: somebody asked over the API
    version bigint NOT NULL,
    cost_centre text NOT NULL,
    currency text NOT NULL,
    amount numeric,
    needed_on date NOT NULL,
    counted boolean NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('pending', 'covered', 'insufficient', 'not_checked')),
    words text NOT NULL DEFAULT '',
    available numeric,
    missing numeric,
    as_of timestamptz,
    correlation_id text NOT NULL,
    asked_at timestamptz NOT NULL,
    CHECK (outcome = 'pending' OR words <> '')
);
CREATE INDEX budget_check_requisition ON orders.budget_check (company_code, requisition, version);
CREATE INDEX budget_check_pending ON orders.budget_check (company_code, cost_centre) WHERE outcome = 'pending';

-- Questions put to procurement and when they were answered, so that a recorded fact can say how fresh it is.
CREATE TABLE orders.asked (
    company_code text NOT NULL,
    question text NOT NULL,
    reference text NOT NULL,
    asked_at timestamptz NOT NULL,
    answered_at timestamptz,
    found int NOT NULL DEFAULT 0,
    failed text NOT NULL DEFAULT '',
    PRIMARY KEY (company_code, question, reference)
);

CREATE TABLE orders.idempotency (
    caller text NOT NULL,
    key text NOT NULL,
    request_digest text NOT NULL,
    response bytea NOT NULL,
    PRIMARY KEY (caller, key)
);

CREATE TABLE orders.requisition_exception (
    exception_id text PRIMARY KEY,
    company_code text NOT NULL,
    object_id text NOT NULL,
    line int NOT NULL,
    reason_code text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'cleared', 'released', 'refused', 'superseded')),
    version int NOT NULL,
    record bytea NOT NULL
);
CREATE UNIQUE INDEX requisition_exception_open ON orders.requisition_exception (object_id, line, reason_code) WHERE state = 'open';
CREATE INDEX requisition_exception_object ON orders.requisition_exception (object_id);

CALL runtime.bind('orders.requisition_version');
CALL runtime.bind('orders.requisition_order');
CALL runtime.bind('orders.budget_line');
CALL runtime.bind('orders.budget_check');
CALL runtime.bind('orders.asked');
CALL runtime.bind('orders.requisition_exception');
ALTER TABLE orders.idempotency ENABLE ROW LEVEL SECURITY;
CREATE POLICY callers ON orders.idempotency FOR SELECT USING (caller = current_setting('tripartite.caller', true));
