-- Paying the proven part: an invoice that is held for some of its lines is parted into two documents of our own, which
-- stand in its place. What the supplier sent stays as it is, `replaced` by them.
ALTER TABLE invoices.invoice ADD COLUMN part_of text NOT NULL DEFAULT ''; -- the invoice that it is a part of
CREATE INDEX invoice_part_of ON invoices.invoice (part_of) WHERE part_of <> '';

-- I1 again: two parts of one document may have one amount. What they come to is bounded below.
DROP INDEX invoices.invoice_live;
CREATE UNIQUE INDEX invoice_live ON invoices.invoice
    (company_code, supplier_id, number_folded, kind, currency, gross, issued_on) NULLS NOT DISTINCT
    WHERE state IN ('to_post', 'posted') AND part_of = '';

-- I1, I5: the parts of an invoice come to exactly what it was, and it is nobody's liability any more.
CREATE FUNCTION invoices.parts_add_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE whole invoices.invoice; net numeric; tax numeric; gross numeric;
BEGIN
    SELECT * INTO STRICT whole FROM invoices.invoice WHERE invoice_id = NEW.part_of;
    SELECT sum(p.net), sum(p.tax), sum(p.gross) INTO net, tax, gross
        FROM invoices.invoice p WHERE p.part_of = NEW.part_of;
    IF whole.state <> 'replaced' OR (net, tax, gross) IS DISTINCT FROM (whole.net, whole.tax, whole.gross) THEN
        RAISE EXCEPTION 'the parts of % come to %, it was %', whole.invoice_id, gross, whole.gross
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER parts_add_up AFTER INSERT ON invoices.invoice DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.part_of <> '') EXECUTE FUNCTION invoices.parts_add_up();

ALTER TABLE invoices.act DROP CONSTRAINT act_what_check;
ALTER TABLE invoices.act ADD CONSTRAINT act_what_check CHECK (what IN
    ('entered', 'consented', 'released', 'approved', 'refused', 'taken', 'paused', 'resumed', 'assigned', 'asked',
     'parted'));
