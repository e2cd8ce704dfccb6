-- Receipts are looked up by people: the newest first, and by number in whatever company.
CREATE INDEX receipt_newest ON receipts.receipt (recorded_at, company_code, number);
CREATE INDEX receipt_number ON receipts.receipt (number text_pattern_ops);
