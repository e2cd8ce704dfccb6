-- Invoices: what the supplier claimed, what was decided about it, and where it stands. Beside it this component's own
-- projection of orders, receipts and suppliers, fed by events, so that a match needs no call.
CREATE SCHEMA invoices;

CREATE TABLE invoices.purchase_order (
    company_code text NOT NULL,
    number text NOT NULL,
    version bigint NOT NULL,
    supplier_id text NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (company_code, number)
);
ALTER TABLE invoices.purchase_order ALTER COLUMN document SET STORAGE EXTERNAL;

CREATE TABLE invoices.receipt (
    company_code text NOT NULL,
    number text NOT NULL,
    version bigint NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (company_code, number)
);

CREATE TABLE invoices.receipt_of_order (
    company_code text NOT NULL,
    order_number text NOT NULL,
    number text NOT NULL,
    PRIMARY KEY (company_code, order_number, number)
);

-- Up to when the receipts of an order are known: the as-of mark of a hold.
CREATE TABLE invoices.receipts_known (
    company_code text NOT NULL,
    order_number text NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (company_code, order_number)
);

CREATE TABLE invoices.supplier (
    supplier_id text PRIMARY KEY,
    version bigint NOT NULL,
    tax_id text NOT NULL DEFAULT '',
    accounts text[] NOT NULL DEFAULT '{}',
    document bytea NOT NULL
);
CREATE INDEX supplier_tax_id ON invoices.supplier (tax_id) WHERE tax_id <> '';
CREATE INDEX supplier_accounts ON invoices.supplier USING gin (accounts);

CREATE SEQUENCE invoices.arrival; -- the order among invoices that compete for the same quantity

CREATE TABLE invoices.invoice (
    invoice_id text PRIMARY KEY,
    company_code text NOT NULL,
    sequence bigint NOT NULL,
    kind text NOT NULL,
    number text NOT NULL,
    number_folded text NOT NULL,
    supplier_id text NOT NULL,
    supplier_name text NOT NULL,
    currency text NOT NULL,
    issued_on date,
    arrived_on date NOT NULL,
    arrived_at timestamptz NOT NULL,
    net numeric(24, 6),
    tax numeric(24, 6),
    gross numeric(24, 6),
    small_difference numeric(24, 6) NOT NULL DEFAULT 0,
    state text NOT NULL CHECK (state IN
        ('held', 'parked', 'approval', 'to_post', 'posted', 'observed', 'refused', 'replaced')),
    verdict text NOT NULL CHECK (verdict IN ('post', 'park', 'hold', 'reject')),
    decision_id text NOT NULL,
    decisions int NOT NULL DEFAULT 1,
    inputs_digest text NOT NULL,
    payable_now numeric(24, 6) NOT NULL DEFAULT 0,
    money_at_risk numeric(24, 6) NOT NULL DEFAULT 0,
    payment_block boolean NOT NULL DEFAULT false,
    reason_codes text[] NOT NULL DEFAULT '{}',
    waits_for text[] NOT NULL DEFAULT '{}',
    next_check_at timestamptz, -- when the date itself may change the verdict
    document text NOT NULL DEFAULT '', -- the ERP's number, once it is posted
    posted_at timestamptz,
    correlation_id text NOT NULL,
    intake_id text NOT NULL DEFAULT '',
    digest text NOT NULL DEFAULT '',
    connection text NOT NULL DEFAULT '',
    source_document text NOT NULL DEFAULT '',
    was_post boolean NOT NULL DEFAULT false,
    content bytea NOT NULL,
    findings bytea NOT NULL DEFAULT '[]', -- what mapping found; matching adds its own at each decision
    version int NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL,
    -- I20: nothing waits silently.
    CHECK (state NOT IN ('held', 'parked') OR waits_for <> '{}' OR reason_codes <> '{}'),
    -- I8: what is to be posted balances, or the difference stands on it.
    CHECK (state NOT IN ('to_post', 'posted') OR net IS NULL OR gross IS NULL
        OR abs(gross - net - coalesce(tax, 0)) <= small_difference),
    CHECK (state <> 'posted' OR document <> ''),
    -- I3: nothing is to be posted but what passed, or what an authorised person released (not in this release).
    CHECK (state NOT IN ('to_post', 'posted') OR verdict = 'post' OR was_post)
) WITH (fillfactor = 85);
ALTER TABLE invoices.invoice ALTER COLUMN content SET STORAGE EXTERNAL;
-- I1: at most one live liability per fingerprint.
CREATE UNIQUE INDEX invoice_live ON invoices.invoice
    (company_code, supplier_id, number_folded, kind, currency, gross, issued_on) NULLS NOT DISTINCT
    WHERE state IN ('to_post', 'posted');
CREATE INDEX invoice_supplier_number ON invoices.invoice (supplier_id, number_folded);
CREATE INDEX invoice_supplier_gross ON invoices.invoice (supplier_id, gross, issued_on);
CREATE INDEX invoice_open ON invoices.invoice (state, money_at_risk DESC, invoice_id)
    WHERE state IN ('held', 'parked', 'approval');
CREATE INDEX invoice_check ON invoices.invoice (next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX invoice_changed ON invoices.invoice (changed_at, invoice_id);
CREATE INDEX invoice_number ON invoices.invoice (number);

-- I21: the life of an invoice, the same table as core/invoice_life.py; a test compares the two.
CREATE TABLE invoices.transition (from_state text NOT NULL, to_state text NOT NULL, PRIMARY KEY (from_state, to_state));
INSERT INTO invoices.transition VALUES
    ('held', 'parked'), ('held', 'approval'), ('held', 'to_post'), ('held', 'observed'), ('held', 'refused'),
    ('held', 'replaced'),
    ('parked', 'held'), ('parked', 'approval'), ('parked', 'to_post'), ('parked', 'observed'), ('parked', 'refused'),
    ('parked', 'replaced'),
    ('approval', 'held'), ('approval', 'parked'), ('approval', 'to_post'), ('approval', 'observed'),
    ('approval', 'refused'), ('approval', 'replaced'),
    ('to_post', 'posted'), ('to_post', 'held'),
    ('observed', 'held'), ('observed', 'parked'), ('observed', 'to_post'), ('observed', 'refused'),
    ('observed', 'replaced');

CREATE FUNCTION invoices.guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.content <> OLD.content OR NEW.sequence <> OLD.sequence OR NEW.invoice_id <> OLD.invoice_id THEN
        RAISE EXCEPTION 'what the supplier sent is never edited: %', OLD.invoice_id;
    END IF;
    IF NEW.state <> OLD.state AND NOT EXISTS
       (SELECT 1 FROM invoices.transition WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        RAISE EXCEPTION 'an invoice does not go from % to %: %', OLD.state, NEW.state, OLD.invoice_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE UPDATE ON invoices.invoice FOR EACH ROW EXECUTE FUNCTION invoices.guard();

CREATE TABLE invoices.line (
    invoice_id text NOT NULL,
    line int NOT NULL,
    order_number text NOT NULL,
    order_line int,
    quantity numeric,
    unit text NOT NULL,
    price numeric,
    price_per numeric,
    amount numeric(24, 6),
    tax_code text NOT NULL,
    description text NOT NULL,
    PRIMARY KEY (invoice_id, line)
);

CREATE TABLE invoices.of_order (
    company_code text NOT NULL,
    order_number text NOT NULL,
    invoice_id text NOT NULL,
    PRIMARY KEY (company_code, order_number, invoice_id)
);

-- Every decision, with what it saw. The leaf is in the same transaction (I15).
CREATE TABLE invoices.decision (
    decision_id text PRIMARY KEY,
    invoice_id text NOT NULL,
    number int NOT NULL,
    verdict text NOT NULL,
    state text NOT NULL,
    at timestamptz NOT NULL,
    cause text NOT NULL, -- the message that woke it
    cause_type text NOT NULL,
    inputs_digest text NOT NULL,
    policy_hash text NOT NULL,
    code_version text NOT NULL,
    result bytea NOT NULL,
    leaf_id text NOT NULL,
    trace_id text NOT NULL DEFAULT ''
);
ALTER TABLE invoices.decision ALTER COLUMN result SET STORAGE EXTERNAL;
CREATE INDEX decision_invoice ON invoices.decision (invoice_id, number);

-- What was released against what: written when an invoice is to be posted, never before.
CREATE TABLE invoices.allocation (
    invoice_id text NOT NULL,
    invoice_line int NOT NULL,
    company_code text NOT NULL,
    order_number text NOT NULL,
    order_line int NOT NULL,
    receipt_number text NOT NULL, -- empty: against the order alone
    receipt_line int NOT NULL,
    quantity numeric NOT NULL, -- in the order line's unit; negative where a credit gives back
    PRIMARY KEY (invoice_id, invoice_line, order_number, order_line, receipt_number, receipt_line)
);
CREATE INDEX allocation_order ON invoices.allocation (company_code, order_number, order_line);

-- What may be released of each order line and each receipt line, in the order line's unit; kept from the projection.
CREATE TABLE invoices.releasable (
    company_code text NOT NULL,
    order_number text NOT NULL,
    order_line int NOT NULL,
    receipt_number text NOT NULL, -- empty: the order line as a whole
    receipt_line int NOT NULL,
    quantity numeric, -- null: not bounded (limit and two-way lines)
    PRIMARY KEY (company_code, order_number, order_line, receipt_number, receipt_line)
);

-- I6, I7: the sum of what is released never exceeds what came, under any interleaving: the order's row is locked by
-- whoever releases, and this is checked when allocations are written.
CREATE FUNCTION invoices.never_above() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE broken record;
BEGIN
    SELECT a.company_code, a.order_number, a.order_line, sum(a.quantity) AS released, r.quantity INTO broken
    FROM (SELECT DISTINCT company_code, order_number, order_line FROM written) w
    JOIN invoices.allocation a USING (company_code, order_number, order_line)
    JOIN invoices.releasable r ON r.company_code = w.company_code AND r.order_number = w.order_number
        AND r.order_line = w.order_line AND r.receipt_number = '' AND r.quantity IS NOT NULL
    GROUP BY 1, 2, 3, r.quantity HAVING sum(a.quantity) > r.quantity LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'released % of % for order % line %', broken.released, broken.quantity, broken.order_number,
            broken.order_line USING ERRCODE = 'check_violation';
    END IF;
    SELECT a.receipt_number, a.receipt_line, sum(a.quantity) AS released, r.quantity INTO broken
    FROM (SELECT DISTINCT company_code, order_number, order_line FROM written) w
    JOIN invoices.allocation a USING (company_code, order_number, order_line)
    JOIN invoices.releasable r USING (company_code, order_number, order_line, receipt_number, receipt_line)
    WHERE a.receipt_number <> '' AND r.quantity IS NOT NULL
    GROUP BY a.company_code, 1, 2, r.quantity HAVING sum(a.quantity) > r.quantity LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'released % of % of receipt % line %', broken.released, broken.quantity,
            broken.receipt_number, broken.receipt_line USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER never_above AFTER INSERT ON invoices.allocation
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION invoices.never_above();

CREATE TABLE invoices.exception (
    exception_id text PRIMARY KEY,
    company_code text NOT NULL,
    invoice_id text NOT NULL,
    line int NOT NULL,
    reason_code text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'cleared', 'released', 'refused', 'superseded')),
    version int NOT NULL,
    opened_at timestamptz NOT NULL,
    due_at timestamptz,
    record bytea NOT NULL
);
-- One open exception per key.
CREATE UNIQUE INDEX exception_open ON invoices.exception (invoice_id, line, reason_code) WHERE state = 'open';
CREATE INDEX exception_invoice ON invoices.exception (invoice_id);
