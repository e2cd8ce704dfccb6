-- A message that was set aside belongs to the company of its partition: who is served may count and read their own.
ALTER TABLE bus.quarantine ADD COLUMN company_code text NOT NULL
    GENERATED ALWAYS AS (regexp_replace(partition, '/[0-9]+$', '')) STORED;
CALL runtime.bind('bus.quarantine', 'company_code LIKE ''@%''');
