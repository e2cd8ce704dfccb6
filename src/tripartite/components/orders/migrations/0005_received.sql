-- What came for each order, from what the receipts component tells: so that a question about an order needs no call.
CREATE TABLE orders.receipt (
    company_code text NOT NULL,
    number text NOT NULL,
    version bigint NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (company_code, number)
);

CREATE TABLE orders.receipt_of_order (
    company_code text NOT NULL,
    order_number text NOT NULL,
    number text NOT NULL,
    PRIMARY KEY (company_code, order_number, number)
);

CALL runtime.bind('orders.receipt');
CALL runtime.bind('orders.receipt_of_order');
