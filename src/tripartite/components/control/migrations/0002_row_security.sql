-- Exceptions, events and notices are seen by their companies.
CALL runtime.bind('control.exception');
CALL runtime.bind('control.event');
CALL runtime.bind('control.notice');
