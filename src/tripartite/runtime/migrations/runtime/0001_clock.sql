-- The one clock of domain statements. A session may override it (rehearsal); production sessions do not.
CREATE FUNCTION runtime.tripartite_now() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT coalesce(nullif(current_setting('tripartite.now', true), '')::timestamptz, now()) $$;

-- Spans are kept here too, so that the console's trace works without a collector.
CREATE TABLE runtime.span (
    span_id text PRIMARY KEY,
    trace_id text NOT NULL,
    parent_id text NOT NULL DEFAULT '',
    name text NOT NULL,
    component text NOT NULL DEFAULT '',
    connection text NOT NULL DEFAULT '',
    started_at timestamptz NOT NULL,
    seconds double precision NOT NULL,
    status text NOT NULL DEFAULT 'ok',
    attributes jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX span_trace ON runtime.span (trace_id, started_at);
CREATE INDEX span_time ON runtime.span (started_at);
