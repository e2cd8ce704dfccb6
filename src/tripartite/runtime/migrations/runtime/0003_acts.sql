-- What people do about the exceptions of a component: every act with its person, duty and reason, the first of two
-- consents to a release, and what was answered under which idempotency key. One shape, in the component's own schema.
CREATE PROCEDURE runtime.keep_acts(schema_name text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE %I.exception_act (
        act_id text PRIMARY KEY,
        exception_id text NOT NULL,
        object_kind text NOT NULL,
        object_id text NOT NULL,
        company_code text NOT NULL,
        correlation_id text NOT NULL,
        person text NOT NULL,
        duty text NOT NULL,
        what text NOT NULL,
        why text NOT NULL,
        at timestamptz NOT NULL,
        leaf_id text NOT NULL,
        place bigint GENERATED ALWAYS AS IDENTITY)', schema_name);
    EXECUTE format('CREATE INDEX exception_act_chain ON %I.exception_act (correlation_id, person)', schema_name);
    EXECUTE format('CREATE INDEX exception_act_of ON %I.exception_act (exception_id, place)', schema_name);
    EXECUTE format('CREATE TABLE %I.exception_consent (
        exception_id text NOT NULL,
        company_code text NOT NULL,
        content_hash text NOT NULL,
        person text NOT NULL,
        roles text[] NOT NULL,
        sum_limit numeric(24, 6),
        why text NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (exception_id, content_hash, person))', schema_name);
    EXECUTE format('CREATE TABLE %I.exception_answer (
        caller text NOT NULL,
        key text NOT NULL,
        request_digest text NOT NULL,
        response bytea NOT NULL,
        at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
        PRIMARY KEY (caller, key))', schema_name);
    EXECUTE format('CALL runtime.bind(%L)', schema_name || '.exception_act');
    EXECUTE format('CALL runtime.bind(%L)', schema_name || '.exception_consent');
    EXECUTE format('ALTER TABLE %I.exception_answer ENABLE ROW LEVEL SECURITY', schema_name);
    EXECUTE format('CREATE POLICY callers ON %I.exception_answer FOR SELECT
        USING (caller = current_setting(''tripartite.caller'', true))', schema_name);
END $$;
