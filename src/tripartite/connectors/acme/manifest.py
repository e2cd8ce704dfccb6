"""Acme's data sheet: what it can do, how it counts, how fast it may be asked.

Acme is fictional: an all-in-one small ERP with procurement, spoken to in JSON over HTTP. It is the template to copy for
a new vendor, so each figure below carries the sentence that a real vendor's documentation would give as its source.
This file declares and does nothing; the runtime reads it before it makes any call.
"""

from __future__ import annotations

from tripartite.runtime.protocol import Idempotency, Manifest

MANIFEST = Manifest(
    kind="acme",
    title="Acme One (fictional template)",
    roles=("procurement", "erp"),
    api_version="v1",
    # "Exchange client id and secret at /oauth/token; the token lives an hour."
    auth="oauth2_client_credentials",
    reads=("supplier", "order", "receipt", "invoice"),
    # "/v1/receipts?order=... lists the receipts of one order." Asked before an invoice is held for one.
    asks=("receipts_of_order",),
    writes=("post_invoice",),
    webhook=True,
    # "All amounts are integers in the smallest unit of their currency."
    amount_unit="minor",
    # "A batch holds up to 50 postings; each succeeds or fails alone."
    bulk_limit=50,
    # "20 requests a second, bursts of 40; beyond that 429 with Retry-After."
    rate_per_second=20.0,
    burst=40,
    # "A request that timed out on your side is committed within 30 seconds or not at all."
    max_commit_latency_seconds=30,
    # "Look-ups may lag writes by up to 2 seconds."
    read_lag_seconds=2,
    # "Idempotency-Key is remembered for 24 hours." Within the window a repeat is safe; after it only a probe is.
    idempotency=Idempotency(
        "key",
        window_seconds=24 * 3600,
        note="header Idempotency-Key, in a batch the item's `key`; kept as `reference` on the posting for the probe",
    ),
    links=("docs/connectors/acme.md", "https://www.standardwebhooks.com/"),
)
