-- A newer version of a receipt may leave an order: which orders it was on is asked by its number.
CREATE INDEX receipt_of_order_number ON invoices.receipt_of_order (company_code, number);
CREATE INDEX releasable_receipt ON invoices.releasable (company_code, receipt_number) WHERE receipt_number <> '';
