-- Since when a delivery is taken in and not done: what is never confirmed is bounded by time, and then set aside.
ALTER TABLE deliveries.delivery ADD COLUMN accepted_at timestamptz;
