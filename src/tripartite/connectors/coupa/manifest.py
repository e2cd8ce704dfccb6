"""The data sheet of the Coupa connector. Where each figure comes from stands in docs/connectors/coupa.md."""

from __future__ import annotations

from tripartite.runtime.protocol import Idempotency, Manifest

MANIFEST = Manifest(
    kind="coupa",
    title="Coupa",
    roles=("procurement",),
    api_version="Core API (REST, JSON)",
    auth="oauth2_client_credentials",
    reads=("supplier", "requisition", "order", "receipt"),
    asks=(
        "order_by_number",
        "orders_of_supplier",
        "receipts_of_order",
        "supplier_by_number",
        "requisition_by_number",
        "approval_status",
        "budget_check",
    ),
    writes=("mark_exported", "record_receipt", "report_payment", "report_posting"),
    amount_unit="major",
    bulk_limit=1,  # there is no batch endpoint: one record per write
    rate_per_second=25.0,
    burst=20,
    max_commit_latency_seconds=60,
    read_lag_seconds=5,
    idempotency=Idempotency(
        "natural",
        note="no key header; a receipt is found by our mark on its order line, a payment by its number on the invoice,"
        " a posting by its number in the integration records, an export by the flag itself",
    ),
    links=(
        "https://compass.coupa.com/en-us/products/product-documentation/integration-technical-documentation/the-coupa-core-api",
        "https://compass.coupa.com/en-us/products/product-documentation/integration-technical-documentation/the-coupa-core-api/get-started-with-the-api",
    ),
)
