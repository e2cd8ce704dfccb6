-- What is to be sent and what is to be asked for are two questions. What is only observed or proposed is in neither
-- index: it may pile up for years and must cost those nothing that are sent.
CREATE INDEX delivery_to_send ON deliveries.delivery (connection, due_at)
    WHERE state IN ('intended', 'waiting') AND mode = 'act';
CREATE INDEX delivery_to_ask ON deliveries.delivery (connection, due_at) WHERE state IN ('unknown', 'accepted');
DROP INDEX deliveries.delivery_due;
