-- Acts of people on what was set aside, under an idempotency key: the same key with the same body answers as before.
CREATE TABLE control.idempotency (
    caller text NOT NULL,
    key text NOT NULL,
    request_digest text NOT NULL,
    response bytea NOT NULL,
    PRIMARY KEY (caller, key)
);
ALTER TABLE control.idempotency ENABLE ROW LEVEL SECURITY;
CREATE POLICY callers ON control.idempotency FOR SELECT USING (caller = current_setting('tripartite.caller', true));
