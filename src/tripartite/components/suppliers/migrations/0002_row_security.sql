-- A supplier is seen by the companies that it is for; one that names none is everybody's. The column follows the record.
ALTER TABLE suppliers.supplier ADD COLUMN companies text[] NOT NULL
    GENERATED ALWAYS AS (runtime.company_codes_of(document)) STORED;
CALL runtime.bind_master('suppliers.supplier');
