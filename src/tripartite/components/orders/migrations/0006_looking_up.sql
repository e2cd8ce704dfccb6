-- Orders and requisitions are looked up by people: the newest first, by number in whatever company, by supplier.
CREATE INDEX purchase_order_newest ON orders.purchase_order (recorded_at, company_code, number);
CREATE INDEX purchase_order_number ON orders.purchase_order (number text_pattern_ops);
CREATE INDEX purchase_order_of_supplier ON orders.purchase_order (supplier_id, recorded_at);
CREATE INDEX requisition_newest ON orders.requisition (recorded_at, company_code, number);
CREATE INDEX requisition_number ON orders.requisition (number text_pattern_ops);
