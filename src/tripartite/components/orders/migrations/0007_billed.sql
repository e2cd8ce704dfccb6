-- What is billed of each order line, from what the invoices component tells: so that a question about an order needs no
-- call. Where an invoice stands and what it bills have versions of their own: an outcome is told without lines.
CREATE TABLE orders.billing (
    invoice_id text PRIMARY KEY,
    company_code text NOT NULL,
    version bigint NOT NULL,
    counts boolean NOT NULL, -- it is booked, or to be
    currency text NOT NULL,
    lines_version bigint NOT NULL DEFAULT 0
);

-- One row for an order and an invoice, not one for each line: an invoice of a hundred lines costs one.
CREATE TABLE orders.billed_of (
    company_code text NOT NULL,
    order_number text NOT NULL,
    invoice_id text NOT NULL,
    lines bytea NOT NULL, -- JSON: what the invoice bills of each line of the order
    PRIMARY KEY (company_code, order_number, invoice_id)
);
CREATE INDEX billed_of_invoice ON orders.billed_of (invoice_id);

CALL runtime.bind('orders.billing');
CALL runtime.bind('orders.billed_of');
