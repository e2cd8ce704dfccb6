-- A receipt's number belongs to the system that gave it: another system's receipt never becomes its next version.
CREATE FUNCTION receipts.keep_source() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'receipt % is of %, not of %', OLD.number, OLD.source, NEW.source USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER keep_source BEFORE UPDATE ON receipts.receipt FOR EACH ROW
    WHEN (NEW.source <> OLD.source) EXECUTE FUNCTION receipts.keep_source();
