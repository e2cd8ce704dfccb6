-- What is owed to the outside is seen by the company that owes it.
CALL runtime.bind('deliveries.delivery');
CALL runtime.bind_to('deliveries.attempt', 'deliveries.delivery', 'key', 'key');
