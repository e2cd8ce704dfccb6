"""What SAP S/4HANA can do over its OData V2 services, as a data sheet. Where each fact comes from stands in
docs/connectors/sap_s4hana.md. Not for figures of one installation: those are settings of the connection.
"""

from __future__ import annotations

from tripartite.runtime.protocol import Idempotency, Manifest

MANIFEST = Manifest(
    kind="sap_s4hana",
    title="SAP S/4HANA",
    roles=("erp",),
    api_version="OData V2: API_SUPPLIERINVOICE_PROCESS_SRV, API_PURCHASEORDER_PROCESS_SRV, "
    "API_MATERIAL_DOCUMENT_SRV, API_BUSINESS_PARTNER, API_OPLACCTGDOCITEMCUBE_SRV, API_COSTCENTER_SRV",
    auth="basic",  # or OAuth 2 client credentials: the connection's setting `auth` says which
    reads=("order", "receipt", "supplier"),
    asks=("order_by_number", "receipts_of_order", "posting_of_invoice", "payment_status_of_invoice", "cost_centre"),
    writes=("post_invoice", "publish_order", "record_receipt", "release_payment_block"),
    amount_unit="major",
    # SAP publishes no limit for $batch. One deep create a changeset keeps the failures of one invoice from the others;
    # a hundred of ten lines are about 400 KB, well under the usual limit of the web dispatcher.
    bulk_limit=100,
    # None is published either. These are ours, to be raised with the customer's basis team.
    rate_per_second=25.0,
    burst=50,
    # A dialogue work process is stopped after rdisp/max_wprun_time, 600 s as delivered: later nothing can commit.
    max_commit_latency_seconds=600,
    # Reads and writes meet the same database; the few seconds are for the update task, which commits on its own.
    read_lag_seconds=5,
    idempotency=Idempotency(
        "natural",
        note="invoices by company code, invoicing party and the supplier's own number (SAP's own duplicate check is a "
        "flag of the supplier's company-code row and mostly off); orders by procurement's number; receipts by the "
        "warehouse's number and the day",
    ),
    links=(
        "https://api.sap.com/api/API_SUPPLIERINVOICE_PROCESS_SRV/overview",
        "https://api.sap.com/api/API_PURCHASEORDER_PROCESS_SRV/overview",
        "https://api.sap.com/api/API_MATERIAL_DOCUMENT_SRV/overview",
        "https://api.sap.com/api/API_BUSINESS_PARTNER/overview",
        "https://www.odata.org/documentation/odata-version-2-0/batch-processing/",
    ),
)
