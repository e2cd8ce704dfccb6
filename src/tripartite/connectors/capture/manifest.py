"""The capture suite's data sheet: the generic webhook and REST contract that invoice-capture suites share.

It is one contract for many products; what differs between them is a setting (docs/connectors/capture.md). This file
declares and does nothing.
"""

from __future__ import annotations

from tripartite.runtime.protocol import Idempotency, Manifest

MANIFEST = Manifest(
    kind="capture",
    title="Capture suite (generic AP automation)",
    roles=("ap",),
    api_version="v1",
    auth="oauth2_client_credentials",
    reads=("invoice",),
    asks=("invoice_status",),
    writes=("acknowledge", "report_posting", "report_hold", "report_payment"),
    webhook=True,
    amount_unit="major",
    bulk_limit=100,
    rate_per_second=25.0,
    burst=50,
    max_commit_latency_seconds=60,
    read_lag_seconds=5,
    # A response is known by its externalCode, for ever: the probe asks for it, and a repeat changes nothing.
    idempotency=Idempotency("natural", note="externalCode of the response; our delivery key"),
    links=("docs/connectors/capture.md", "https://developer.basware.com/"),
)
