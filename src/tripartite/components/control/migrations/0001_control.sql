-- Control: one queue of exceptions over all components, the lineage of every transaction, notices to teams.
CREATE SCHEMA control;

CREATE TABLE control.exception (
    exception_id text PRIMARY KEY,
    version bigint NOT NULL,
    company_code text NOT NULL,
    object_kind text NOT NULL,
    object_id text NOT NULL,
    reason_code text NOT NULL,
    severity text NOT NULL,
    owner_role text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'cleared', 'released', 'refused', 'superseded')),
    currency text NOT NULL,
    money_at_risk numeric(24, 6) NOT NULL,
    cause_key text NOT NULL,
    opened_at timestamptz NOT NULL,
    due_at timestamptz,
    correlation_id text NOT NULL,
    record bytea NOT NULL
);
CREATE INDEX exception_queue ON control.exception (state, money_at_risk DESC, exception_id) WHERE state = 'open';
CREATE INDEX exception_due ON control.exception (due_at) WHERE state = 'open';
CREATE INDEX exception_object ON control.exception (object_id);

-- What happened, in words, under one correlation id: the lineage from requisition to payment.
CREATE TABLE control.event (
    message_id text PRIMARY KEY,
    correlation_id text NOT NULL,
    at timestamptz NOT NULL,
    type text NOT NULL,
    company_code text NOT NULL,
    object_kind text NOT NULL,
    object_id text NOT NULL,
    object_number text NOT NULL,
    source text NOT NULL,
    state text NOT NULL,
    words text NOT NULL,
    trace_id text NOT NULL
);
CREATE INDEX event_lineage ON control.event (correlation_id, at);
CREATE INDEX event_object ON control.event (object_id, at);
CREATE INDEX event_time ON control.event (at);

-- A team was told of something: when, about what, why.
CREATE TABLE control.notice (
    notice_id text PRIMARY KEY,
    role text NOT NULL,
    exception_id text NOT NULL,
    company_code text NOT NULL,
    words text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX notice_role ON control.notice (role, at);
