-- Acts of people on the exceptions of this component.
CALL runtime.keep_acts('orders');
