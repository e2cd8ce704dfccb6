"""SAP S/4HANA on the bench: the services this connector uses, over HTTP, with seeded faults and the truth of its books.

    build(settings, seed) -> Bench

Settings (all texts): auth (`basic`, `oauth`, `none`), username, password, client_id, client_secret, session_seconds
(1800), token_seconds (3600), page_size (1000: the server's own limit of a page), price_tolerance_percent (10),
quantity_message (`warning` blocks payment, `error` refuses with M8/081), order_numbers (`internal` draws them,
`external` demands one), now (the moment the clock starts at).

`arrange` takes `{"companies": [...], "suppliers": [...], "orders": [...], "receipts": [...], "tax_codes": {...}}`
(arrangement.py has the fields), at least:

    {"companies": ["1010"], "suppliers": [{"number": "10300080", "name": "Rowan Ltd"}],
     "orders": [{"number": "4500001234", "company": "1010", "supplier": "10300080",
                 "items": [{"item": 10, "quantity": "10", "price": "100.00"}]}],
     "receipts": [{"number": "5000000891", "items": [{"order": "4500001234", "order_item": 10, "quantity": "10"}]}]}

`truth` is `{"invoices": [...], "orders": [...], "receipts": [...], "clearings": [...]}`: what was arranged, and what
was created, changed and posted over HTTP since.

Operations for faults: post_invoice, publish_order, record_receipt (each document, also each changeset of a batch),
release_payment_block, batch, read, csrf, token. Beside the
bench's kinds there are: `lock` (06/001), `csrf` (the session is gone), `batch.reorder` and `batch.omit` (the parts of a
reply in another order, the last one missing), `batch.echo` (Content-IDs are repeated). After `commit_then_hang` in a
batch the rest of it is still worked off, as the server does not notice; after `commit_then_cut` it is not.
"""

from tripartite.connectors.sap_s4hana.simulator.service import build

__all__ = ["build"]
