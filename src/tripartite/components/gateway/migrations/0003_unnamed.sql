-- Documents whose supplier nobody knew when they were mapped: read again when one of these names arrives.
CREATE TABLE gateway.unnamed (
    kind text NOT NULL,
    connection text NOT NULL,
    foreign_id text NOT NULL,
    intake_id text NOT NULL,
    message bytea NOT NULL,
    PRIMARY KEY (kind, connection, foreign_id, intake_id)
);
CREATE INDEX unnamed_intake ON gateway.unnamed (intake_id);
