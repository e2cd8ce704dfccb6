-- Whether the ERP that an order must be published to has it: an invoice of an order that it does not have is not posted.
CREATE TABLE invoices.order_in_erp (
    company_code text NOT NULL,
    number text NOT NULL,
    connection text NOT NULL,
    acknowledged boolean NOT NULL DEFAULT false,
    document text NOT NULL DEFAULT '', -- the ERP's own number
    PRIMARY KEY (company_code, number)
);

CALL runtime.bind('invoices.order_in_erp');
