"""The warehouse system's data sheet: the generic webhook and REST contract that warehouse systems are brought to.

It is one contract for many products; what differs between them is a setting (docs/connectors/warehouse.md). X12 944/861
and EDIFACT RECADV are documents of their own and not this connector's. This file declares and does nothing.
"""

from __future__ import annotations

from tripartite.runtime.protocol import Manifest

MANIFEST = Manifest(
    kind="warehouse",
    title="Warehouse system (generic)",
    roles=("warehouse",),
    api_version="v1",
    auth="oauth2_client_credentials",
    reads=("receipt",),
    # "The list can be narrowed to one purchase order." Asked before an invoice is held for a receipt.
    asks=("receipts_of_order",),
    # Nothing is written to it, so there is nothing to probe.
    writes=(),
    webhook=True,
    rate_per_second=20.0,
    burst=40,
    links=("docs/connectors/warehouse.md",),
)
