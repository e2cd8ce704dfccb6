-- The supplier master as we keep it: one row per supplier, and every name it has elsewhere.
CREATE SCHEMA suppliers;

CREATE TABLE suppliers.supplier (
    supplier_id text PRIMARY KEY,
    version bigint NOT NULL,
    name text NOT NULL,
    number text NOT NULL,
    status text NOT NULL CHECK (status IN ('draft', 'active', 'inactive', 'blocked')),
    tax_id text NOT NULL DEFAULT '',
    source text NOT NULL,
    document bytea NOT NULL,
    leaf_id text NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX supplier_tax_id ON suppliers.supplier (tax_id) WHERE tax_id <> '';
CREATE INDEX supplier_number ON suppliers.supplier (number);
