-- Leaves are seen by the companies that they are about; what is about the estate as a whole carries '*'.
CALL runtime.bind('audit.leaf');
