-- Receipts, and what is asked about them, are seen by their companies.
CALL runtime.bind('receipts.receipt');
CALL runtime.bind('receipts.of_order');
CALL runtime.bind('receipts.requery');
