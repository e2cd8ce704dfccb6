-- What stands in the ERP of each order: the version it must know, the one it said it has, and why it does not go. Beside
-- it this component's projection of suppliers, as the ERP must know a supplier before it takes an order.
CREATE TABLE orders.publication (
    company_code text NOT NULL,
    number text NOT NULL,
    object_id text NOT NULL UNIQUE, -- what the deliveries call it
    connection text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'none'
        CHECK (state IN ('none', 'waiting', 'owed', 'acknowledged', 'refused', 'set_aside')),
    sequence int NOT NULL DEFAULT 0, -- of the writes owed; the deliveries' version of the object
    version bigint NOT NULL DEFAULT 0, -- of the order, last owed
    digest text NOT NULL DEFAULT '', -- of what was last owed, without its version
    acknowledged_version bigint NOT NULL DEFAULT 0,
    remote_ref text NOT NULL DEFAULT '', -- the ERP's number
    changed_at timestamptz,
    PRIMARY KEY (company_code, number)
);

-- Which version of the order each write carried, so that an answer that comes late is credited to the right one.
CREATE TABLE orders.published (
    object_id text NOT NULL,
    sequence int NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (object_id, sequence)
);

CREATE TABLE orders.supplier (
    supplier_id text PRIMARY KEY,
    version bigint NOT NULL,
    document bytea NOT NULL
);

CREATE TABLE orders.exception (
    exception_id text PRIMARY KEY,
    company_code text NOT NULL,
    number text NOT NULL,
    reason_code text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'cleared', 'released', 'refused', 'superseded')),
    version int NOT NULL,
    record bytea NOT NULL
);
CREATE UNIQUE INDEX exception_open ON orders.exception (company_code, number, reason_code) WHERE state = 'open';
CREATE INDEX exception_order ON orders.exception (company_code, number);

CALL runtime.bind('orders.publication');
CALL runtime.bind('orders.exception');
