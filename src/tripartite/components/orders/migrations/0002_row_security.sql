-- Orders, requisitions and what is sought are seen by their companies.
CALL runtime.bind('orders.purchase_order');
CALL runtime.bind('orders.requisition');
CALL runtime.bind('orders.sought');
