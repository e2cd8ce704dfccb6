-- Row security: the role that serves people and outside callers sees the rows of the caller's companies and no others
-- (I30), whatever a query forgets. The session says for whom it asks, in the round trip that begins its transaction
-- (runtime/db.py). A session that says nothing sees nothing. Workers use another role and are not bound.

-- The companies of this session; '*' among them stands for rows that belong to everybody.
CREATE FUNCTION runtime.companies() RETURNS text[] LANGUAGE sql STABLE AS
$$ SELECT string_to_array(coalesce(current_setting('tripartite.companies', true), ''), E'\n') $$;

CREATE FUNCTION runtime.sees_all() RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT coalesce(current_setting('tripartite.companies', true), '') = 'all' $$;

-- The company codes that a kept master record names: none means every company.
CREATE FUNCTION runtime.company_codes_of(document bytea) RETURNS text[] LANGUAGE sql IMMUTABLE AS
$$ SELECT array(SELECT json_array_elements_text(coalesce(convert_from(document, 'UTF8')::json -> 'company_codes', '[]'))) $$;

-- Bind a table by its company_code. `besides` widens it in words of its own (rows that belong to no company yet). Both
-- functions are asked once for each query, not for each row.
CREATE PROCEDURE runtime.bind(bound regclass, besides text DEFAULT 'false') LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', bound);
    EXECUTE format('CREATE POLICY companies ON %s FOR SELECT USING ((SELECT runtime.sees_all())
        OR company_code = ANY ((SELECT runtime.companies())::text[]) OR (%s))', bound, besides);
END $$;

-- Bind a table whose rows belong to a bound table's: they are seen where their parent is.
CREATE PROCEDURE runtime.bind_to(bound regclass, parent regclass, own text, theirs text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', bound);
    EXECUTE format('CREATE POLICY companies ON %s FOR SELECT USING ((SELECT runtime.sees_all())
        OR EXISTS (SELECT 1 FROM %s parent WHERE parent.%I = %s.%I))', bound, parent, theirs, bound, own);
END $$;

-- Bind a master record by the companies that it names in a column `companies`; one that names none is everybody's.
CREATE PROCEDURE runtime.bind_master(bound regclass) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', bound);
    EXECUTE format('CREATE POLICY companies ON %s FOR SELECT USING ((SELECT runtime.sees_all())
        OR companies = ''{}'' OR companies && (SELECT runtime.companies())::text[])', bound);
END $$;
