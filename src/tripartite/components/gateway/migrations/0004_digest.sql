-- Bytes are asked for by their digest, and who may see them is asked of their intakes: neither may read the whole table.
CREATE INDEX intake_digest ON gateway.intake (digest);
