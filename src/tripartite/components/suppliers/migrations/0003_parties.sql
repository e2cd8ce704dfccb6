-- One party from the records of several systems, its bank accounts with their confirmations, and whether it may be paid.

-- What each system says: the newest version of its record, the version it began with, and the party it belongs to.
CREATE TABLE suppliers.record (
    source text NOT NULL,
    number text NOT NULL,
    version bigint NOT NULL,
    document bytea NOT NULL,
    keys text[] NOT NULL DEFAULT '{}',
    leaf_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    supplier_id text NOT NULL DEFAULT '',
    first_version bigint,
    first_accounts bytea,
    PRIMARY KEY (source, number)
);
CREATE INDEX record_keys ON suppliers.record USING gin (keys);
CREATE INDEX record_supplier ON suppliers.record (supplier_id);

-- The party as it is asked for: `answer` is the validation's answer, made when it was decided.
ALTER TABLE suppliers.supplier
    ADD COLUMN company_codes text[] NOT NULL DEFAULT '{}',
    ADD COLUMN eligibility text NOT NULL DEFAULT 'eligible' CHECK (eligibility IN ('eligible', 'suspended')),
    ADD COLUMN answer bytea,
    ADD COLUMN standing bytea,
    ADD COLUMN replaced_by text NOT NULL DEFAULT '',
    ADD COLUMN tax_key text NOT NULL DEFAULT '',
    ADD COLUMN account_keys text[] NOT NULL DEFAULT '{}',
    ADD COLUMN place text NOT NULL DEFAULT '',
    ADD COLUMN plain_name text NOT NULL DEFAULT '';
CREATE INDEX supplier_tax_key ON suppliers.supplier (tax_key) WHERE tax_key <> '';
CREATE INDEX supplier_account_keys ON suppliers.supplier USING gin (account_keys);
CREATE INDEX supplier_place ON suppliers.supplier (place) WHERE place <> '';

-- Pairs that look like one: a proposal for a person.
CREATE TABLE suppliers.twin (
    supplier_id text NOT NULL,
    other_id text NOT NULL,
    found_by text[] NOT NULL,
    PRIMARY KEY (supplier_id, other_id)
);
CREATE INDEX twin_other ON suppliers.twin (other_id);

-- Bank accounts on two axes of time: since when a state holds in the world, and since when we know it. Append-only.
CREATE TABLE suppliers.bank_change (
    change_id text NOT NULL,
    version bigint NOT NULL,
    source text NOT NULL,
    number text NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'confirmed', 'refused', 'withdrawn')),
    in_force_from timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (change_id, version)
);
CREATE INDEX bank_change_record ON suppliers.bank_change (source, number);
CREATE FUNCTION suppliers.keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history of bank accounts is only added to: %', OLD.change_id;
END $$;
CREATE TRIGGER keep_history BEFORE UPDATE OR DELETE ON suppliers.bank_change
    FOR EACH ROW EXECUTE FUNCTION suppliers.keep_history();

CREATE TABLE suppliers.suspension (
    suspension_id text PRIMARY KEY,
    supplier_id text NOT NULL,
    document bytea NOT NULL
);
CREATE INDEX suspension_supplier ON suppliers.suspension (supplier_id);

CREATE TABLE suppliers.exception (
    exception_id text NOT NULL,
    version bigint NOT NULL,
    supplier_id text NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (exception_id, version)
);
CREATE INDEX exception_supplier ON suppliers.exception (supplier_id);

-- Answers under an idempotency key: the same key with the same body answers as before.
CREATE TABLE suppliers.idempotency (
    caller text NOT NULL,
    key text NOT NULL,
    request_digest text NOT NULL,
    response bytea NOT NULL,
    PRIMARY KEY (caller, key)
);

-- Everything about a supplier is seen where the supplier is; an idempotency key by its caller alone.
CALL runtime.bind_to('suppliers.record', 'suppliers.supplier', 'supplier_id', 'supplier_id');
CALL runtime.bind_to('suppliers.twin', 'suppliers.supplier', 'supplier_id', 'supplier_id');
CALL runtime.bind_to('suppliers.suspension', 'suppliers.supplier', 'supplier_id', 'supplier_id');
CALL runtime.bind_to('suppliers.exception', 'suppliers.supplier', 'supplier_id', 'supplier_id');
ALTER TABLE suppliers.bank_change ENABLE ROW LEVEL SECURITY;
CREATE POLICY companies ON suppliers.bank_change FOR SELECT USING ((SELECT runtime.sees_all()) OR EXISTS
    (SELECT 1 FROM suppliers.record r WHERE (r.source, r.number) = (bank_change.source, bank_change.number)));
ALTER TABLE suppliers.idempotency ENABLE ROW LEVEL SECURITY;
CREATE POLICY callers ON suppliers.idempotency FOR SELECT USING (caller = current_setting('tripartite.caller', true));
