-- What the bank said and what was owed to others is seen where the order and the payment are that it is about.
CALL runtime.bind_to('payments.report', 'payments.payment_order', 'order_number', 'number');
CALL runtime.bind_to('payments.entry', 'payments.payment_order', 'order_number', 'number');
CALL runtime.bind_to('payments.notice', 'payments.payment', 'number', 'number');
CREATE INDEX proposal_created ON payments.proposal (created_at, number);
