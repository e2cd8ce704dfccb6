-- Payments: what is owed and may be paid, what was drawn up and by whom released, what the bank made of it. That nothing
-- is paid twice, past a hold or by one person alone is refused here, whatever the code above believes.
CREATE SCHEMA payments;

-- What the others said: posted liabilities, the supplier master, exceptions that block a payment ------------------------

CREATE TABLE payments.item (
    invoice_id text PRIMARY KEY,
    version bigint NOT NULL,
    company_code text NOT NULL,
    supplier_id text NOT NULL,
    supplier_name text NOT NULL,
    currency text NOT NULL,
    credit boolean NOT NULL,
    number text NOT NULL,
    amount numeric(24, 6) NOT NULL CHECK (amount >= 0), -- in `currency`; `credit` gives the direction
    document text NOT NULL, -- its booking in the ERP
    year text NOT NULL,
    issued_on date,
    due_on date NOT NULL,
    discount_on date,
    discount numeric(24, 6) CHECK (discount >= 0 AND discount < amount),
    remit_to text NOT NULL DEFAULT '', -- where the document itself wants the money
    blocked boolean NOT NULL, -- the payment block it carries in the ERP
    connection text NOT NULL,
    source_document text NOT NULL,
    correlation_id text NOT NULL,
    erp text NOT NULL DEFAULT '' -- the connection that booked it
);
CREATE INDEX item_open ON payments.item (company_code, currency, due_on);
CREATE INDEX item_supplier ON payments.item (supplier_id);

CREATE TABLE payments.supplier (
    supplier_id text PRIMARY KEY,
    version bigint NOT NULL,
    status text NOT NULL,
    suspended text NOT NULL, -- a reason code; empty: may be paid
    confirmed jsonb NOT NULL, -- the accounts that money may go to
    document bytea NOT NULL
);

CREATE TABLE payments.block (
    exception_id text PRIMARY KEY,
    version bigint NOT NULL,
    object_id text NOT NULL, -- an invoice or a supplier
    reason_code text NOT NULL,
    blocking boolean NOT NULL -- open, and it stops posting or payment
);
CREATE INDEX block_object ON payments.block (object_id) WHERE blocking;

-- Who did what on a chain, as far as it bears on paying (segregation of duties, judged over persons).
CREATE TABLE payments.act (
    object_id text NOT NULL,
    person text NOT NULL, -- folded to lower case
    duty text NOT NULL CHECK (duty IN ('exception release', 'payment proposal')),
    PRIMARY KEY (object_id, person, duty)
);

CREATE TABLE payments.hold (
    hold_id text PRIMARY KEY,
    company_code text NOT NULL,
    object_kind text NOT NULL CHECK (object_kind IN ('invoice', 'supplier')),
    object_id text NOT NULL,
    why text NOT NULL CHECK (why <> ''),
    placed_by text NOT NULL,
    placed_at timestamptz NOT NULL,
    lifted_by text NOT NULL DEFAULT '',
    lifted_why text NOT NULL DEFAULT '',
    lifted_at timestamptz,
    CHECK ((lifted_at IS NULL) = (lifted_by = '') AND (lifted_at IS NULL) = (lifted_why = ''))
);
CREATE INDEX hold_object ON payments.hold (object_id) WHERE lifted_at IS NULL;

-- What we drew up ------------------------------------------------------------------------------------------------------

CREATE TABLE payments.proposal (
    number text PRIMARY KEY,
    company_code text NOT NULL,
    connection text NOT NULL,
    run bytea NOT NULL, -- account, currency, until when, on which day
    account text NOT NULL,
    currency text NOT NULL,
    pay_until date NOT NULL,
    execute_on date NOT NULL,
    kind text NOT NULL CHECK (kind IN ('schedule', 'manual')),
    proposed_by text NOT NULL,
    proposed_person text NOT NULL, -- folded; empty where the schedule did it
    state text NOT NULL CHECK (state IN ('open', 'released', 'cancelled')),
    content_hash text NOT NULL,
    persons int NOT NULL CHECK (persons >= 2),
    policy_row text NOT NULL,
    policy_hash text NOT NULL,
    amount numeric(24, 6) NOT NULL CHECK (amount >= 0),
    order_number text NOT NULL DEFAULT '',
    version int NOT NULL DEFAULT 1,
    correlation_id text NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    leaf_id text NOT NULL,
    CHECK ((kind = 'manual') = (proposed_person <> '')),
    CHECK (state <> 'released' OR order_number <> '')
);
CREATE INDEX proposal_run ON payments.proposal (company_code, account, execute_on);
CREATE INDEX proposal_open ON payments.proposal (execute_on) WHERE state = 'open';

-- A release is of one content: when the content changes, it releases nothing.
CREATE TABLE payments.release (
    proposal text NOT NULL REFERENCES payments.proposal,
    content_hash text NOT NULL,
    person text NOT NULL CHECK (person <> ''), -- folded
    account text NOT NULL, -- the account of this person that acted
    at timestamptz NOT NULL,
    leaf_id text NOT NULL,
    PRIMARY KEY (proposal, content_hash, person)
);

CREATE TABLE payments.payment (
    number text PRIMARY KEY,
    proposal text NOT NULL REFERENCES payments.proposal,
    company_code text NOT NULL,
    supplier_id text NOT NULL,
    currency text NOT NULL,
    amount numeric(24, 6) NOT NULL CHECK (amount > 0),
    account text NOT NULL CHECK (account <> ''),
    state text NOT NULL CHECK
        (state IN ('proposed', 'released', 'sent', 'executed', 'rejected', 'returned', 'cancelled')),
    version int NOT NULL DEFAULT 1,
    reason text NOT NULL DEFAULT '', -- the bank's own reason code
    detail text NOT NULL DEFAULT '',
    executed_on date,
    bank_reference text NOT NULL DEFAULT '',
    order_number text NOT NULL DEFAULT '',
    reopened_by text NOT NULL DEFAULT '', -- who looked at a refusal or a return and let its items be paid again
    reopened_why text NOT NULL DEFAULT '',
    reopened_at timestamptz,
    content bytea NOT NULL,
    correlation_id text NOT NULL,
    changed_at timestamptz NOT NULL,
    CHECK (state <> 'executed' OR executed_on IS NOT NULL),
    CHECK (state NOT IN ('released', 'sent', 'executed', 'rejected', 'returned') OR order_number <> '')
);
CREATE INDEX payment_proposal ON payments.payment (proposal);
CREATE INDEX payment_of_order ON payments.payment (order_number) WHERE order_number <> '';
CREATE INDEX payment_changed ON payments.payment (changed_at, number);
CREATE INDEX payment_supplier ON payments.payment (supplier_id) WHERE state IN ('proposed', 'released', 'sent');

CREATE TABLE payments.payment_item (
    number text NOT NULL REFERENCES payments.payment,
    invoice_id text NOT NULL REFERENCES payments.item,
    amount numeric(24, 6) NOT NULL CHECK (amount <> 0), -- negative: a credit memo set off
    discount numeric(24, 6) NOT NULL DEFAULT 0 CHECK (discount >= 0),
    living boolean NOT NULL DEFAULT true, -- kept by a trigger: the payment is proposed, released, sent or executed
    PRIMARY KEY (number, invoice_id)
);
-- I4, C08: an item is in at most one living payment.
CREATE UNIQUE INDEX one_living_payment ON payments.payment_item (invoice_id) WHERE living;
CREATE INDEX payment_item_invoice ON payments.payment_item (invoice_id);

CREATE TABLE payments.payment_order (
    number text PRIMARY KEY,
    proposal text NOT NULL REFERENCES payments.proposal,
    company_code text NOT NULL,
    connection text NOT NULL,
    currency text NOT NULL,
    account text NOT NULL,
    amount numeric(24, 6) NOT NULL CHECK (amount > 0),
    delivery_key text NOT NULL,
    content bytea NOT NULL,
    digest text NOT NULL, -- SHA-256 of `content`: what was released is what is sent
    created_at timestamptz NOT NULL,
    withdrawn_at timestamptz
);
-- One order that stands for a proposal.
CREATE UNIQUE INDEX one_standing_order ON payments.payment_order (proposal) WHERE withdrawn_at IS NULL;

-- What the bank said ---------------------------------------------------------------------------------------------------

CREATE TABLE payments.report (
    order_number text NOT NULL,
    digest text NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (order_number, digest)
);

CREATE TABLE payments.entry (
    account text NOT NULL,
    key text NOT NULL,
    booked boolean NOT NULL,
    currency text NOT NULL,
    order_number text NOT NULL, -- of the order it belongs to; empty: to none of ours
    content bytea NOT NULL,
    statement text NOT NULL,
    PRIMARY KEY (account, key)
);
CREATE INDEX entry_order ON payments.entry (order_number) WHERE order_number <> '';

-- In which states a delivery was told of: an order's by its number, a notice's by its key.
CREATE TABLE payments.outcome (
    order_number text NOT NULL,
    state text NOT NULL,
    detail text NOT NULL,
    PRIMARY KEY (order_number, state)
);

-- What was owed to others about a payment.
CREATE TABLE payments.notice (
    key text PRIMARY KEY,
    number text NOT NULL REFERENCES payments.payment,
    connection text NOT NULL,
    operation text NOT NULL
);
CREATE INDEX notice_payment ON payments.notice (number);

CREATE TABLE payments.exception (
    exception_id text PRIMARY KEY,
    company_code text NOT NULL,
    object_kind text NOT NULL CHECK (object_kind IN ('payment', 'payment_order', 'bank_entry')),
    object_id text NOT NULL,
    line int NOT NULL,
    reason_code text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'cleared', 'released', 'refused', 'superseded')),
    version int NOT NULL,
    record bytea NOT NULL
);
CREATE UNIQUE INDEX exception_open ON payments.exception (object_id, line, reason_code) WHERE state = 'open';
CREATE INDEX exception_object ON payments.exception (object_id);

-- Writes that carried an Idempotency-Key, and what was answered.
CREATE TABLE payments.request (
    caller text NOT NULL,
    key text NOT NULL,
    digest text NOT NULL,
    status int NOT NULL,
    response bytea NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (caller, key)
);

-- Holds: one place for every reason why an item may not be paid (C41) ---------------------------------------------------

CREATE VIEW payments.held AS
    SELECT i.invoice_id, 'erp_block' AS kind, '' AS code, 'The ERP carries a payment block.' AS words
        FROM payments.item i WHERE i.blocked
    UNION ALL
    SELECT i.invoice_id, 'exception', b.reason_code, 'An exception that blocks the payment is open.'
        FROM payments.block b JOIN payments.item i ON b.object_id IN (i.invoice_id, i.supplier_id) WHERE b.blocking
    UNION ALL
    SELECT i.invoice_id, 'supplier', CASE WHEN s.supplier_id IS NULL THEN 'supplier.unknown'
            WHEN s.suspended <> '' THEN s.suspended WHEN s.status = 'blocked' THEN 'supplier.blocked'
            ELSE 'supplier.inactive' END, 'The supplier may not be paid now.'
        FROM payments.item i LEFT JOIN payments.supplier s USING (supplier_id)
        WHERE s.supplier_id IS NULL OR s.status <> 'active' OR s.suspended <> ''
    UNION ALL
    SELECT i.invoice_id, 'account', CASE WHEN s.confirmed = '[]' THEN 'supplier.bank_change_unapproved'
            ELSE 'supplier.bank_mismatch' END, 'No confirmed account of the supplier is the one to pay to.'
        FROM payments.item i JOIN payments.supplier s USING (supplier_id)
        WHERE s.confirmed = '[]' OR (i.remit_to <> '' AND NOT i.credit AND NOT s.confirmed ? i.remit_to)
    UNION ALL
    SELECT i.invoice_id, 'person', '', h.why FROM payments.hold h
        JOIN payments.item i ON h.company_code = i.company_code AND h.object_id IN (i.invoice_id, i.supplier_id)
        WHERE h.lifted_at IS NULL
    UNION ALL
    SELECT pi.invoice_id, 'bank', e.reason_code, 'An earlier payment of it has to be settled first: ' || e.object_id
        FROM payments.exception e JOIN payments.payment_item pi ON pi.number = e.object_id
        WHERE e.state = 'open' AND e.reason_code IN ('payment.rejected', 'payment.returned', 'duplicate.payment');

-- The same of payments that are not done: also where the account is not confirmed any more, or an item changed.
CREATE VIEW payments.stopped AS
    SELECT p.number, h.kind, h.code, h.words FROM payments.payment p
        JOIN payments.payment_item pi USING (number) JOIN payments.held h USING (invoice_id)
        WHERE p.state IN ('proposed', 'released', 'sent')
    UNION ALL
    SELECT p.number, 'account', 'supplier.bank_change_unapproved', 'The account it goes to is not confirmed any more.'
        FROM payments.payment p JOIN payments.supplier s USING (supplier_id)
        WHERE p.state IN ('proposed', 'released', 'sent') AND NOT s.confirmed ? p.account
    UNION ALL
    SELECT p.number, 'changed', 'approval.changed_after', 'What is payable of ' || i.number || ' changed.'
        FROM payments.payment p JOIN payments.payment_item pi USING (number) JOIN payments.item i USING (invoice_id)
        WHERE p.state IN ('proposed', 'released', 'sent')
        AND (i.amount <> abs(pi.amount) + pi.discount OR i.currency <> p.currency OR i.supplier_id <> p.supplier_id);

-- What refuses a violation ---------------------------------------------------------------------------------------------

-- The same table as core/paying/life.py; a test compares the two.
CREATE TABLE payments.transition (from_state text NOT NULL, to_state text NOT NULL, PRIMARY KEY (from_state, to_state));
INSERT INTO payments.transition VALUES
    ('proposed', 'released'), ('proposed', 'cancelled'),
    ('released', 'proposed'), ('released', 'sent'), ('released', 'executed'), ('released', 'rejected'),
    ('released', 'returned'), ('released', 'cancelled'),
    ('sent', 'executed'), ('sent', 'rejected'), ('sent', 'returned'), ('sent', 'cancelled'),
    ('rejected', 'cancelled'), ('rejected', 'executed'), ('rejected', 'returned'),
    ('cancelled', 'executed'), ('cancelled', 'returned'),
    ('executed', 'returned');

-- An item is claimed for no more than is payable of it, with the sign of its kind.
CREATE FUNCTION payments.guard_claim() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE item payments.item;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.number, NEW.invoice_id, NEW.amount, NEW.discount)
           IS DISTINCT FROM (OLD.number, OLD.invoice_id, OLD.amount, OLD.discount) THEN
            RAISE EXCEPTION 'what a payment pays never changes: %', OLD.number;
        END IF;
        IF NOT NEW.living AND (SELECT state FROM payments.payment WHERE number = NEW.number)
            IN ('proposed', 'released', 'sent', 'executed') THEN
            RAISE EXCEPTION 'the claim of a living payment stays: %', OLD.number;
        END IF;
        RETURN NEW;
    END IF;
    SELECT * INTO STRICT item FROM payments.item WHERE invoice_id = NEW.invoice_id FOR UPDATE;
    IF abs(NEW.amount) + NEW.discount > item.amount OR (NEW.amount < 0) <> item.credit THEN
        RAISE EXCEPTION 'payable of % is %, claimed is % with discount %', NEW.invoice_id, item.amount, NEW.amount,
            NEW.discount USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_claim BEFORE INSERT OR UPDATE ON payments.payment_item
    FOR EACH ROW EXECUTE FUNCTION payments.guard_claim();

CREATE FUNCTION payments.never_taken_away() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% keeps every row', TG_TABLE_NAME;
END $$;
CREATE TRIGGER never_taken_away BEFORE DELETE ON payments.payment_item
    FOR EACH ROW EXECUTE FUNCTION payments.never_taken_away();
CREATE TRIGGER never_taken_away BEFORE DELETE ON payments.payment
    FOR EACH ROW EXECUTE FUNCTION payments.never_taken_away();
CREATE TRIGGER never_taken_away BEFORE DELETE OR UPDATE ON payments.release
    FOR EACH ROW EXECUTE FUNCTION payments.never_taken_away();

CREATE FUNCTION payments.guard_payment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE stop record;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'proposed' THEN
            RAISE EXCEPTION 'a payment begins as a proposal: %', NEW.number;
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.content <> OLD.content OR NEW.amount <> OLD.amount OR NEW.account <> OLD.account
       OR NEW.currency <> OLD.currency OR NEW.proposal <> OLD.proposal OR NEW.supplier_id <> OLD.supplier_id THEN
        RAISE EXCEPTION 'what was proposed never changes: %', OLD.number;
    END IF;
    IF NEW.state <> OLD.state AND NOT EXISTS
       (SELECT 1 FROM payments.transition WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        RAISE EXCEPTION 'a payment does not go from % to %: %', OLD.state, NEW.state, OLD.number;
    END IF;
    IF NEW.state = 'released' AND OLD.state = 'proposed' THEN
        IF NOT EXISTS (SELECT 1 FROM payments.proposal q WHERE q.number = NEW.proposal AND q.state = 'released') THEN
            RAISE EXCEPTION 'a payment is released with its proposal: %', OLD.number;
        END IF;
        SELECT * INTO stop FROM payments.stopped WHERE number = NEW.number LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION '% is held: % %', NEW.number, stop.kind, stop.code USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_payment BEFORE INSERT OR UPDATE ON payments.payment
    FOR EACH ROW EXECUTE FUNCTION payments.guard_payment();

-- A claim lives as long as its payment. One that comes to life again late takes only what nobody else has claimed since.
CREATE FUNCTION payments.keep_claims() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state IN ('proposed', 'released', 'sent', 'executed') THEN
        UPDATE payments.payment_item c SET living = true WHERE c.number = NEW.number AND NOT c.living
            AND NOT EXISTS (SELECT 1 FROM payments.payment_item o WHERE o.invoice_id = c.invoice_id AND o.living);
    ELSE
        UPDATE payments.payment_item c SET living = false WHERE c.number = NEW.number AND c.living;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_claims AFTER UPDATE OF state ON payments.payment
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION payments.keep_claims();

-- A payment is the sum of its items.
CREATE FUNCTION payments.adds_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.amount IS DISTINCT FROM (SELECT sum(amount) FROM payments.payment_item WHERE number = NEW.number) THEN
        RAISE EXCEPTION '% is not the sum of its items', NEW.number USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER adds_up AFTER INSERT ON payments.payment
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payments.adds_up();

-- I4, C38: released by enough different people of this very content, none of them the proposer, none in conflict.
CREATE FUNCTION payments.guard_proposal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE given int;
BEGIN
    IF (OLD.state, NEW.state) NOT IN (('open', 'released'), ('open', 'cancelled'), ('released', 'open'),
        ('open', 'open'), ('released', 'released'), ('released', 'cancelled'), ('cancelled', 'cancelled')) THEN
        RAISE EXCEPTION 'a proposal does not go from % to %: %', OLD.state, NEW.state, OLD.number;
    END IF;
    IF NEW.run <> OLD.run OR NEW.proposed_person <> OLD.proposed_person OR NEW.connection <> OLD.connection THEN
        RAISE EXCEPTION 'whose run it is never changes: %', OLD.number;
    END IF;
    IF NEW.state = 'released' AND OLD.state = 'open' THEN
        IF NEW.content_hash <> OLD.content_hash THEN
            RAISE EXCEPTION 'another content was released: %', OLD.number;
        END IF;
        SELECT count(DISTINCT r.person) INTO given FROM payments.release r
            WHERE r.proposal = NEW.number AND r.content_hash = NEW.content_hash AND r.person <> NEW.proposed_person
            AND NOT EXISTS (SELECT 1 FROM payments.payment p JOIN payments.payment_item pi USING (number)
                JOIN payments.act a ON a.object_id = pi.invoice_id
                WHERE p.proposal = NEW.number AND p.state = 'proposed' AND a.person IN (r.person, lower(r.account)));
        IF given < NEW.persons THEN
            RAISE EXCEPTION '% of % people released %', given, NEW.persons, NEW.number
                USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_proposal BEFORE UPDATE ON payments.proposal
    FOR EACH ROW EXECUTE FUNCTION payments.guard_proposal();

CREATE FUNCTION payments.guard_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.content <> OLD.content OR NEW.digest <> OLD.digest OR NEW.number <> OLD.number
       OR NEW.delivery_key <> OLD.delivery_key OR (OLD.withdrawn_at IS NOT NULL AND NEW.withdrawn_at IS NULL) THEN
        RAISE EXCEPTION 'an order never changes: %', OLD.number;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_order BEFORE UPDATE ON payments.payment_order
    FOR EACH ROW EXECUTE FUNCTION payments.guard_order();
