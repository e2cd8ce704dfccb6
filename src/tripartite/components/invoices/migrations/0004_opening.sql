-- Day zero: what had been received and billed of an order line, and which bills were booked, before we kept the books.
CREATE TABLE invoices.opening_line (
    company_code text NOT NULL,
    order_number text NOT NULL,
    order_line int NOT NULL,
    as_of date NOT NULL, -- the end of this day; a receipt posted on it or before is in `received`
    received numeric NOT NULL CHECK (received >= 0), -- in the order line's unit, net of returns
    accepted numeric CHECK (accepted BETWEEN 0 AND received), -- null: nobody said
    billed numeric NOT NULL CHECK (billed >= 0), -- net of credits
    billed_net numeric(24, 6), -- the same without tax, in the order's currency; null: not said
    load_digest text NOT NULL, -- the file it was loaded from
    load_row bigint NOT NULL,
    PRIMARY KEY (company_code, order_number, order_line)
);

CREATE TABLE invoices.billed_before (
    company_code text NOT NULL,
    supplier_id text NOT NULL,
    kind text NOT NULL,
    number text NOT NULL,
    issued_on date NOT NULL,
    number_folded text NOT NULL,
    currency text NOT NULL,
    gross numeric(24, 6) NOT NULL,
    net numeric(24, 6),
    document text NOT NULL DEFAULT '', -- the old system's number for it
    paid_on date,
    load_digest text NOT NULL,
    load_row bigint NOT NULL,
    PRIMARY KEY (supplier_id, number, issued_on, company_code, kind)
);
CREATE INDEX billed_before_folded ON invoices.billed_before (supplier_id, number_folded);
CREATE INDEX billed_before_gross ON invoices.billed_before (supplier_id, issued_on, gross);

CALL runtime.bind('invoices.opening_line');
CALL runtime.bind('invoices.billed_before');
