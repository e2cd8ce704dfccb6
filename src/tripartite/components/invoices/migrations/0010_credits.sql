-- What credits are about: the orders they name, and the invoice they correct (its folded number), which may come later.
CREATE TABLE invoices.credit_about (
    company_code text NOT NULL,
    order_number text NOT NULL, -- empty where `original` says it
    original text NOT NULL,
    invoice_id text NOT NULL,
    PRIMARY KEY (company_code, order_number, original, invoice_id)
);
CREATE INDEX credit_about_original ON invoices.credit_about (company_code, original) WHERE original <> '';

CALL runtime.bind('invoices.credit_about');

INSERT INTO invoices.credit_about (company_code, order_number, original, invoice_id)
SELECT o.company_code, o.order_number, '', o.invoice_id FROM invoices.of_order o JOIN invoices.invoice i USING (invoice_id)
WHERE i.kind IN ('credit_memo', 'subsequent_credit', 'subsequent_debit');

-- A credit gives back by negative rows: that never exceeds anything, even where a later return left more released than
-- came. So only the places that rise are looked at.
CREATE OR REPLACE FUNCTION invoices.never_above() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE broken record;
BEGIN
    SELECT a.company_code, a.order_number, a.order_line, sum(a.quantity) AS released, r.quantity INTO broken
    FROM (SELECT company_code, order_number, order_line FROM written GROUP BY 1, 2, 3 HAVING sum(quantity) > 0) w
    JOIN invoices.allocation a USING (company_code, order_number, order_line)
    JOIN invoices.releasable r ON r.company_code = w.company_code AND r.order_number = w.order_number
        AND r.order_line = w.order_line AND r.receipt_number = '' AND r.quantity IS NOT NULL
    GROUP BY 1, 2, 3, r.quantity HAVING sum(a.quantity) > r.quantity LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'released % of % for order % line %', broken.released, broken.quantity, broken.order_number,
            broken.order_line USING ERRCODE = 'check_violation';
    END IF;
    SELECT a.receipt_number, a.receipt_line, sum(a.quantity) AS released, r.quantity INTO broken
    FROM (SELECT company_code, order_number, order_line, receipt_number, receipt_line FROM written
        WHERE receipt_number <> '' GROUP BY 1, 2, 3, 4, 5 HAVING sum(quantity) > 0) w
    JOIN invoices.allocation a USING (company_code, order_number, order_line, receipt_number, receipt_line)
    JOIN invoices.releasable r USING (company_code, order_number, order_line, receipt_number, receipt_line)
    WHERE r.quantity IS NOT NULL
    GROUP BY a.company_code, 1, 2, r.quantity HAVING sum(a.quantity) > r.quantity LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'released % of % of receipt % line %', broken.released, broken.quantity,
            broken.receipt_number, broken.receipt_line USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
