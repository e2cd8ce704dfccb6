-- A delivery that nobody took within its time is set aside without another attempt: that too is told in its attempts.
ALTER TABLE deliveries.attempt DROP CONSTRAINT attempt_act_check;
ALTER TABLE deliveries.attempt ADD CONSTRAINT attempt_act_check
    CHECK (act IN ('send', 'probe', 'crash', 'replay', 'park')) NOT VALID;
