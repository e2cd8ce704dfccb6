-- Postings that carry a payment block into the ERP: it is lifted there once nothing stands against paying.
CREATE TABLE invoices.block_in_erp (
    invoice_id text PRIMARY KEY,
    company_code text NOT NULL,
    connection text NOT NULL,
    lifted boolean NOT NULL DEFAULT false
);

CALL runtime.bind('invoices.block_in_erp');
