-- The bus: an append-only log of topics and partitions. Positions are gapless and in commit order, because they are
-- taken from the partition's head row as the last statement of the publishing transaction.
CREATE SCHEMA bus;

CREATE TABLE bus.head (
    topic text NOT NULL,
    partition text NOT NULL,
    company_code text NOT NULL,
    head bigint NOT NULL CHECK (head >= 0),
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

CREATE TABLE bus.message (
    topic text NOT NULL,
    partition text NOT NULL,
    position bigint NOT NULL,
    message_id text NOT NULL,
    type text NOT NULL,
    company_code text NOT NULL,
    key text NOT NULL,
    correlation_id text NOT NULL,
    causation_id text NOT NULL DEFAULT '',
    source text NOT NULL DEFAULT '',
    trace_id text NOT NULL DEFAULT '',
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    payload bytea NOT NULL,
    PRIMARY KEY (topic, partition, position)
);
ALTER TABLE bus.message ALTER COLUMN payload SET STORAGE EXTERNAL; -- compressing costs more than the bytes

CREATE TABLE bus.cursor (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition text NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (consumer, topic, partition)
) WITH (fillfactor = 50);

CREATE FUNCTION bus.only_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.position < OLD.position THEN
        RAISE EXCEPTION 'a cursor never moves back: % % %', OLD.consumer, OLD.topic, OLD.partition;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_forward BEFORE UPDATE ON bus.cursor FOR EACH ROW EXECUTE FUNCTION bus.only_forward();

-- A message that a consumer could not take in: set aside with its reason, so that its neighbours go on.
CREATE TABLE bus.quarantine (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition text NOT NULL,
    position bigint NOT NULL,
    message_id text NOT NULL,
    reason_code text NOT NULL,
    detail text NOT NULL,
    at timestamptz NOT NULL DEFAULT runtime.tripartite_now(),
    replayed_at timestamptz,
    PRIMARY KEY (consumer, topic, partition, position)
);

CREATE FUNCTION bus.append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the bus is append-only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE ON bus.message FOR EACH ROW EXECUTE FUNCTION bus.append_only();
