-- What people did about invoices: every act with its person, duty and reason. Releases and refusals stand in the
-- exception's own record; approvals and first consents stand here until they count.
CREATE TABLE invoices.act (
    act_id text PRIMARY KEY,
    invoice_id text NOT NULL,
    company_code text NOT NULL,
    correlation_id text NOT NULL,
    exception_id text NOT NULL DEFAULT '',
    person text NOT NULL, -- a human being, not an account
    duty text NOT NULL,   -- as the segregation of duties names it
    what text NOT NULL CHECK (what IN
        ('entered', 'consented', 'released', 'approved', 'refused', 'taken', 'paused', 'resumed')),
    why text NOT NULL DEFAULT '',
    at timestamptz NOT NULL,
    leaf_id text NOT NULL DEFAULT '',
    place bigint GENERATED ALWAYS AS IDENTITY -- the order in which they were taken
);
CREATE INDEX act_chain ON invoices.act (correlation_id, person);
CREATE INDEX act_invoice ON invoices.act (invoice_id, place);

-- The first of two people who must release the same exception, for the content that was seen.
CREATE TABLE invoices.consent (
    exception_id text NOT NULL,
    content_hash text NOT NULL,
    person text NOT NULL,
    roles text[] NOT NULL,
    sum_limit numeric(24, 6), -- what this person may release, in the exception's currency, on that day
    why text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (exception_id, content_hash, person)
);

-- An approval binds to the content it was given for: another content needs another approval.
CREATE TABLE invoices.approval (
    invoice_id text NOT NULL,
    content_hash text NOT NULL,
    role text NOT NULL,
    person text NOT NULL,
    why text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (invoice_id, content_hash, role, person)
);
