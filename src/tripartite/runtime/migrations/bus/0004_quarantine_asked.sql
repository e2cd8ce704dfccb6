-- A message that was set aside is taken again by its consumer once somebody asks for it; who, when, and how often in vain.
ALTER TABLE bus.quarantine
    ADD COLUMN asked_at timestamptz,
    ADD COLUMN asked_by text NOT NULL DEFAULT '',
    ADD COLUMN tries int NOT NULL DEFAULT 0;
CREATE INDEX quarantine_asked ON bus.quarantine (asked_at) WHERE asked_at IS NOT NULL AND replayed_at IS NULL;
