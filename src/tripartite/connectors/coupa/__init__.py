"""Coupa: the procurement suite, source of suppliers, requisitions, orders and receipts. Five files, see STYLE.md."""
