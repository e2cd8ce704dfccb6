"""OASIS UBL 2.0 and 2.1: invoices, credit notes, self-billing, orders and receipt advices."""
