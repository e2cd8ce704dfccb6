-- Orders and requisitions: the newest version of each, as the owner of orders knows them.
CREATE SCHEMA orders;

CREATE TABLE orders.purchase_order (
    company_code text NOT NULL,
    number text NOT NULL,
    version bigint NOT NULL,
    supplier_id text NOT NULL,
    status text NOT NULL CHECK (status IN ('draft', 'open', 'closed', 'cancelled')),
    currency text NOT NULL,
    source text NOT NULL,
    document bytea NOT NULL,
    correlation_id text NOT NULL,
    leaf_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (company_code, number)
);
CREATE INDEX purchase_order_supplier ON orders.purchase_order (company_code, supplier_id, recorded_at);

CREATE TABLE orders.requisition (
    company_code text NOT NULL,
    number text NOT NULL,
    version bigint NOT NULL,
    status text NOT NULL,
    order_number text NOT NULL DEFAULT '',
    source text NOT NULL,
    document bytea NOT NULL,
    correlation_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (company_code, number)
);

-- Order numbers that invoices named and nobody here knew: asked for in procurement, one pending each.
CREATE TABLE orders.sought (
    company_code text NOT NULL,
    number text NOT NULL,
    invoice_id text NOT NULL,
    asked_at timestamptz NOT NULL,
    answered_at timestamptz,
    found boolean NOT NULL DEFAULT false,
    PRIMARY KEY (company_code, number)
);
