-- Tax quotes: what was asked about the tax of a document, who waits for it, and what an engine answered. A quote is a
-- fact: it is stored under the number that its question has by its content, whether or not anybody asked for it yet.
CREATE TABLE invoices.tax_question (
    number text PRIMARY KEY,
    company_code text NOT NULL,
    engine text NOT NULL CHECK (engine IN ('built_in', 'connection')), -- by policy, when it was first asked
    question bytea NOT NULL,
    correlation_id text NOT NULL,
    causation_id text NOT NULL,
    asked_at timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 1,
    due_at timestamptz, -- when it is asked again; null: answered
    failed text NOT NULL DEFAULT '', -- why there is no answer, in a sentence
    failed_at timestamptz
);
CREATE INDEX tax_question_due ON invoices.tax_question (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE invoices.tax_question_of (
    number text NOT NULL,
    invoice_id text NOT NULL,
    PRIMARY KEY (number, invoice_id)
);
CREATE INDEX tax_question_invoice ON invoices.tax_question_of (invoice_id);

CREATE TABLE invoices.tax_quote (
    number text PRIMARY KEY,
    company_code text NOT NULL,
    engine text NOT NULL,
    as_of timestamptz NOT NULL,
    digest text NOT NULL,
    quote bytea NOT NULL,
    intake_id text NOT NULL DEFAULT '', -- the bytes it was read from; empty: reckoned here
    stored_at timestamptz NOT NULL
);
CREATE INDEX tax_quote_stored ON invoices.tax_quote (company_code, stored_at);

CREATE TABLE invoices.idempotency (
    caller text NOT NULL,
    key text NOT NULL,
    request_digest text NOT NULL,
    response bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    PRIMARY KEY (caller, key)
);

CALL runtime.bind('invoices.tax_question');
CALL runtime.bind_to('invoices.tax_question_of', 'invoices.invoice', 'invoice_id', 'invoice_id');
CALL runtime.bind('invoices.tax_quote');
ALTER TABLE invoices.idempotency ENABLE ROW LEVEL SECURITY;
CREATE POLICY callers ON invoices.idempotency FOR SELECT USING (caller = current_setting('tripartite.caller', true));
