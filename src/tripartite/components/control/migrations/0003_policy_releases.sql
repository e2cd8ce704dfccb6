-- Policy releases: every pack that was proposed, approved or run, whole, under its hash. A decision cites the hash.
CREATE TABLE control.policy_release (
    hash text PRIMARY KEY,
    content bytea NOT NULL, -- the canonical form; its SHA-256 is the hash
    name text NOT NULL,
    release text NOT NULL,
    state text NOT NULL CHECK (state IN ('unapproved', 'proposed', 'approved')),
    number int UNIQUE, -- of an approved one: the highest is in force
    proposed_by text NOT NULL, -- a person
    proposed_at timestamptz NOT NULL,
    why text NOT NULL,
    follows text NOT NULL DEFAULT '', -- the release that was in force when it was proposed: the back-test's other side
    backtest_digest text NOT NULL DEFAULT '',
    approved_by text NOT NULL DEFAULT '', -- another person
    approved_at timestamptz,
    leaf_id text NOT NULL DEFAULT '',
    CHECK ((state = 'approved') = (number IS NOT NULL)),
    CHECK (state <> 'approved' OR approved_by <> ''),
    -- C02: whoever asks for a change does not approve it, and nobody approves what was not tried on history.
    CHECK (state <> 'approved' OR lower(btrim(approved_by)) <> lower(btrim(proposed_by))),
    CHECK (state <> 'approved' OR number = 1 OR backtest_digest <> '')
);

-- What each was tried with, whole. It names invoices of every company, so it is not served to callers.
CREATE TABLE control.policy_backtest (
    digest text PRIMARY KEY,
    hash text NOT NULL REFERENCES control.policy_release (hash),
    backtest bytea NOT NULL
);

CREATE FUNCTION control.keep_release() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.state = 'approved' OR NEW.hash <> OLD.hash OR NEW.content <> OLD.content THEN
        RAISE EXCEPTION 'a policy release is never changed: %', OLD.hash;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_release BEFORE UPDATE OR DELETE ON control.policy_release
    FOR EACH ROW EXECUTE FUNCTION control.keep_release();
