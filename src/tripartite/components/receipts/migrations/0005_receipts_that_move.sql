-- A newer version of a receipt may leave an order: its links are replaced by its number.
CREATE INDEX of_order_number ON receipts.of_order (company_code, number);
