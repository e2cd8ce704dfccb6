-- What back-tests read: of each invoice the match's result on the facts as they stand, and what the match asked of its
-- bounds. Derived: made from the documents by history.py, never written by a decision, and may be made anew at any time.
CREATE TABLE invoices.history (
    invoice_id text PRIMARY KEY,
    company_code text NOT NULL,
    supplier_id text NOT NULL,
    currency text NOT NULL,
    kind text NOT NULL,
    gross numeric(24, 6) NOT NULL, -- positive for a credit too
    has_order boolean NOT NULL,
    arrived_on date NOT NULL,
    decisions int NOT NULL, -- of the invoice when this was made: another number means that facts have come since
    group_id text NOT NULL, -- the first of the invoices that it is judged with
    under text NOT NULL,    -- the bounds that it was matched under
    verdict text NOT NULL,
    reasons text[] NOT NULL, -- 'line code'
    payable_now numeric(24, 6) NOT NULL,
    at_risk numeric(24, 6) NOT NULL,
    words text[] NOT NULL,  -- keys of the policy, other than bounds, that were asked for
    review numeric,         -- where review_amount turns its answers, at most
    ratio_low numeric,      -- likewise for tax/ratio_percent, rounded outwards
    ratio_high numeric
);
CREATE INDEX history_group ON invoices.history (group_id);
CREATE INDEX history_review ON invoices.history (review);
CREATE INDEX history_ratio ON invoices.history (ratio_high);
CREATE INDEX history_words ON invoices.history USING gin (words) WHERE words <> '{}';
CREATE INDEX history_reasons ON invoices.history (invoice_id) WHERE reasons <> '{}';

-- The other bounds, which few invoices ask for: where their answers turn, rounded outwards; null: on any change.
CREATE TABLE invoices.history_bound (
    invoice_id text NOT NULL,
    key text NOT NULL,
    low numeric,
    high numeric,
    PRIMARY KEY (invoice_id, key)
);
CREATE INDEX history_bound_key ON invoices.history_bound (key, high);

CREATE TABLE invoices.history_policy (digest text PRIMARY KEY, policy bytea NOT NULL);

CALL runtime.bind('invoices.history');
CALL runtime.bind_to('invoices.history_bound', 'invoices.history', 'invoice_id', 'invoice_id');
