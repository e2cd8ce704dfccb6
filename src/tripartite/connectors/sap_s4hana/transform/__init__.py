"""SAP's words into ours and ours into SAP's: pure, no clock, no network. `words` explains the hard words, `reading` the
orders and receipts that come, `suppliers` the master, `writing` the invoice that goes, `ordering` the order, and
`standing` how an order stands there.
"""

from __future__ import annotations

from collections.abc import Mapping

from tripartite.connectors.sap_s4hana.transform.clearing import write_release
from tripartite.connectors.sap_s4hana.transform.moving import write_receipt
from tripartite.connectors.sap_s4hana.transform.ordering import write_order
from tripartite.connectors.sap_s4hana.transform.reading import read_order, read_receipt
from tripartite.connectors.sap_s4hana.transform.suppliers import read_supplier
from tripartite.connectors.sap_s4hana.transform.words import padded, reference_number, unpadded
from tripartite.connectors.sap_s4hana.transform.writing import addressed, write_posting
from tripartite.runtime.protocol import Reader, Writer

READERS: Mapping[str, Reader] = {"order": read_order, "receipt": read_receipt, "supplier": read_supplier}
WRITERS: Mapping[str, Writer] = {
    "post_invoice": write_posting,
    "publish_order": write_order,
    "record_receipt": write_receipt,
    "release_payment_block": write_release,
}

__all__ = [
    "READERS",
    "WRITERS",
    "addressed",
    "padded",
    "read_order",
    "read_receipt",
    "read_supplier",
    "reference_number",
    "unpadded",
    "write_order",
    "write_posting",
    "write_receipt",
    "write_release",
]
