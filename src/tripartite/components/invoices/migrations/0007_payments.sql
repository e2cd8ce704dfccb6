-- What became of an invoice's payment, as the payments component tells it: beside the invoice, which stays as posted.
CREATE TABLE invoices.payment (
    invoice_id text NOT NULL,
    number text NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL,
    amount numeric(24, 6) NOT NULL, -- of this invoice, in its currency; negative: a credit memo set off
    discount numeric(24, 6) NOT NULL,
    executed_on date,
    PRIMARY KEY (invoice_id, number)
);

CALL runtime.bind_to('invoices.payment', 'invoices.invoice', 'invoice_id', 'invoice_id');
