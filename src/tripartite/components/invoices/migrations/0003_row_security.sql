-- Everything about an invoice is seen by its company; suppliers by the companies that they are for.
CALL runtime.bind('invoices.purchase_order');
CALL runtime.bind('invoices.receipt');
CALL runtime.bind('invoices.receipt_of_order');
CALL runtime.bind('invoices.receipts_known');
CALL runtime.bind('invoices.invoice');
CALL runtime.bind('invoices.of_order');
CALL runtime.bind('invoices.allocation');
CALL runtime.bind('invoices.releasable');
CALL runtime.bind('invoices.exception');
CALL runtime.bind_to('invoices.line', 'invoices.invoice', 'invoice_id', 'invoice_id');
CALL runtime.bind_to('invoices.decision', 'invoices.invoice', 'invoice_id', 'invoice_id');
ALTER TABLE invoices.supplier ADD COLUMN companies text[] NOT NULL
    GENERATED ALWAYS AS (runtime.company_codes_of(document)) STORED;
CALL runtime.bind_master('invoices.supplier');
CALL runtime.bind('invoices.act');
CALL runtime.bind_to('invoices.consent', 'invoices.exception', 'exception_id', 'exception_id');
CALL runtime.bind_to('invoices.approval', 'invoices.invoice', 'invoice_id', 'invoice_id');
