-- Everything about a payment is seen by its company; of a supplier and of what blocks, what bears on its items.
CALL runtime.bind('payments.item');
CALL runtime.bind('payments.hold');
CALL runtime.bind('payments.proposal');
CALL runtime.bind('payments.payment');
CALL runtime.bind('payments.payment_order');
CALL runtime.bind('payments.exception');
CALL runtime.bind_to('payments.release', 'payments.proposal', 'proposal', 'number');
CALL runtime.bind_to('payments.payment_item', 'payments.payment', 'number', 'number');
CALL runtime.bind_to('payments.supplier', 'payments.item', 'supplier_id', 'supplier_id');
ALTER TABLE payments.block ENABLE ROW LEVEL SECURITY;
CREATE POLICY companies ON payments.block FOR SELECT USING ((SELECT runtime.sees_all()) OR EXISTS
    (SELECT 1 FROM payments.item i WHERE block.object_id IN (i.invoice_id, i.supplier_id)));
ALTER TABLE payments.request ENABLE ROW LEVEL SECURITY;
CREATE POLICY callers ON payments.request FOR SELECT USING (caller = current_setting('tripartite.caller', true));
-- A view asks with the rights of whoever asks it, and so under the same policies.
ALTER VIEW payments.held SET (security_invoker = true);
ALTER VIEW payments.stopped SET (security_invoker = true);
