"""The data sheet of a bank that exchanges ISO 20022 files over its corporate HTTP API.

Where each figure comes from stands in docs/connectors/iso20022_bank.md. This file declares and does nothing.
"""

from __future__ import annotations

from tripartite.runtime.protocol import Idempotency, Manifest

MANIFEST = Manifest(
    kind="iso20022_bank",
    title="Bank (ISO 20022 files over a corporate API)",
    roles=("bank",),
    api_version="pain.001.001.09; pain.002.001.03 and .12; camt.053 and camt.054 .001.02 and .08",
    auth="oauth2_client_credentials",
    reads=("payment_report", "bank_statement"),
    writes=("send_payment_order",),
    amount_unit="major",
    bulk_limit=1,  # one order is one file
    rate_per_second=5.0,
    burst=10,
    # A file that was handed over may still be carried inside the bank for minutes. Waiting costs little: an order has a
    # day, and a second file under one message id is refused by the bank anyway.
    max_commit_latency_seconds=300,
    read_lag_seconds=30,
    idempotency=Idempotency("natural", note="the message id (MsgId) of the file, kept by banks for 30 to 400 days"),
    links=("docs/connectors/iso20022_bank.md", "https://www.iso20022.org/iso-20022-message-definitions"),
)
