"""AvaTax's data sheet. Figures marked in docs/connectors/avalara.md as unverified are settings of the simulator."""

from __future__ import annotations

from tripartite.runtime.protocol import Idempotency, Manifest

MANIFEST = Manifest(
    kind="avalara",
    title="Avalara AvaTax",
    roles=("tax",),
    api_version="v2",
    auth="basic",
    asks=("tax_quote",),
    amount_unit="major",
    # Avalara publishes no figure; beyond the account's own it answers RequestLimitExceeded, which is honoured.
    rate_per_second=10.0,
    burst=20,
    # A quote is a PurchaseOrder: it is reckoned and not kept, so asking twice is asking once.
    idempotency=Idempotency("natural", note="company code, document code and type; the code is the question's number"),
    links=("docs/connectors/avalara.md", "https://developer.avalara.com/api-reference/avatax/rest/v2/"),
)
