-- Suppliers are looked up by people: by name, and by the beginning of a number or a name.
CREATE INDEX supplier_by_name ON suppliers.supplier (lower(name), supplier_id) WHERE replaced_by = '';
CREATE INDEX supplier_name_begins ON suppliers.supplier (lower(name) text_pattern_ops) WHERE replaced_by = '';
CREATE INDEX supplier_number_begins ON suppliers.supplier (number text_pattern_ops) WHERE replaced_by = '';
