-- What was received is seen by the company it turned out to be for, and until then by whoever brought it. Bytes are seen
-- where an intake of them is; an idempotency key by its caller alone.
CALL runtime.bind('gateway.intake', $$company_code = '' AND caller = current_setting('tripartite.caller', true)$$);
CALL runtime.bind_to('gateway.raw', 'gateway.intake', 'digest', 'digest');
CALL runtime.bind('gateway.ask');
ALTER TABLE gateway.idempotency ENABLE ROW LEVEL SECURITY;
CREATE POLICY callers ON gateway.idempotency FOR SELECT USING (caller = current_setting('tripartite.caller', true));
