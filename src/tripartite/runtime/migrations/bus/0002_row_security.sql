-- Messages and the heights of their partitions are a company's. Partitions of received bytes ('@connection') belong to
-- nobody yet: how many wait there is no secret, what they say is.
CALL runtime.bind('bus.message');
CALL runtime.bind('bus.head', 'company_code LIKE ''@%''');
