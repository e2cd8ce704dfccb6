"""Which document it is, and the readers: bytes in, `ReadResult` or `Unreadable` out. Nothing here raises.

    detect(content)        the name of the format, or why it is none we take
    READERS[format](raw)   reads a document that is said to be of that format, and refuses it if it is another
    read_any(raw)          finds the format and reads

The root element's exact name in its exact namespace is the format; a namespace that only looks like one is refused
(`intake.type_not_supported`). Documents of the procure-to-pay family that change nothing here (catalogues, requests
for quotation, answers to an order, announcements) are known by name, so that the refusal can say why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lxml.etree import _Element as Element

from tripartite.connectors.documents.cii.common import ROOT_NAMESPACE as CII
from tripartite.connectors.documents.cii.invoice import invoice_from as cii_invoice
from tripartite.connectors.documents.source import Source
from tripartite.connectors.documents.ubl.common import SCHEMA
from tripartite.connectors.documents.ubl.invoice import invoice_from as ubl_invoice
from tripartite.connectors.documents.ubl.order import order_from
from tripartite.connectors.documents.ubl.receipt import receipt_from
from tripartite.core.objects import Invoice, Order, Receipt
from tripartite.runtime.protocol import ObjectKind, Raw, Read, Reader, ReadResult, Unreadable
from tripartite.runtime.xml import XmlLimits, XmlRefused, pointer_of, read_xml
from tripartite.runtime.xmlsignature import SignatureRefused

_Build = Callable[[Element, Source], Invoice | Order | Receipt]


def _ubl(name: str) -> str:
    return f"{{{SCHEMA}{name}-2}}{name}"


# root element -> format, kind of object, what builds it
_ROOTS: dict[str, tuple[str, ObjectKind, _Build]] = {
    _ubl("Invoice"): ("ubl.invoice", "invoice", lambda root, source: ubl_invoice(root, "invoice", source)),
    _ubl("CreditNote"): ("ubl.creditnote", "invoice", lambda root, source: ubl_invoice(root, "credit_memo", source)),
    _ubl("SelfBilledInvoice"): (
        "ubl.selfbilledinvoice",
        "invoice",
        lambda root, source: ubl_invoice(root, "self_billed", source),
    ),
    _ubl("SelfBilledCreditNote"): (
        "ubl.selfbilledcreditnote",
        "invoice",
        lambda root, source: ubl_invoice(root, "credit_memo", source),
    ),
    _ubl("Order"): ("ubl.order", "order", order_from),
    _ubl("ReceiptAdvice"): ("ubl.receiptadvice", "receipt", receipt_from),
    f"{{{CII}}}CrossIndustryInvoice": ("cii.invoice", "invoice", cii_invoice),
}
FORMATS = tuple(name for name, _, _ in _ROOTS.values())

# Known and not taken, with the reason that the refusal gives.
_NOT_TAKEN: dict[str, str] = {
    "Catalogue": "a catalogue commits nobody",
    "RequestForQuotation": "a request for quotation commits nobody",
    "DespatchAdvice": "a despatch advice announces goods; only a receipt says that they came",
    "OrderResponse": "the supplier's answer changes no order by itself; the buyer's system sends the new version",
    "OrderResponseSimple": "the supplier's answer changes no order by itself; the buyer's system sends the new version",
    "OrderCancellation": "a cancelled order comes from the procurement system as a new version of the order",
    "OrderChange": "a changed order comes from the procurement system as a new version of the order",
    "FreightInvoice": "a freight invoice bills shipments, not order lines",
    "ExceptionNotification": "a notice of planning, not of procure-to-pay",
    "InstructionForReturns": "an instruction; the return itself comes from the warehouse",
    "Statement": "a statement repeats what invoices said",
    "Reminder": "a reminder claims nothing new",
    "RemittanceAdvice": "a remittance advice is ours to send",
}

# What other formats begin with. They are named, so that whoever sent one knows what we took it for.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"UNA", "edifact"),
    (b"UNB+", "edifact"),
    (b"ISA", "x12"),
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_XML_STARTS = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe", b"\xfe\xff", b"\x00<")


def detect(content: bytes, limits: XmlLimits | None = None) -> str | Unreadable:
    """The format of `content`, one of `FORMATS` or `canonical.json`; else `Unreadable` with the root's name as pointer.

    XML is read as strictly here as when it is read for good, so a refusal may also be for what is wrong inside it.
    """
    other = _not_xml(content)
    if other is not None:
        return other
    try:
        root = read_xml(content, limits) if limits is not None else read_xml(content)
        return _found(root)[0]
    except XmlRefused as refused:
        return _unreadable(refused)


def read_any(raw: Raw) -> Read:
    """Find the format and read. Errors: as values, `Unreadable`."""
    return _read(raw, "")


def _reader(wanted: str) -> Reader:
    def read(raw: Raw) -> Read:
        return _read(raw, wanted)

    return read


READERS: Mapping[str, Reader] = {"": read_any, **{name: _reader(name) for name in FORMATS}}


def _read(raw: Raw, wanted: str) -> Read:
    other = _not_xml(raw.content)
    if other is not None:
        if isinstance(other, str):
            return Unreadable("intake.type_not_supported", other, "canonical JSON is read by our own API", other)
        return other
    source = Source()
    name = ""
    try:
        root = read_xml(raw.content)
        name, kind, build = _found(root)
        if wanted and name != wanted:
            raise XmlRefused("intake.type_not_supported", pointer_of(root), f"is {name}, and was to be {wanted}")
        if raw.trust is not None:
            root = _trusted(root, raw)
        value = build(root, source)
    except XmlRefused as refused:
        return _unreadable(refused, name)
    return ReadResult(kind, value, tuple(sorted(source.dropped)), name)


def _trusted(root: Element, raw: Raw) -> Element:
    """The document as its signature covers it, by whom the estate names. Errors: `XmlRefused`."""
    trust = raw.trust
    assert trust is not None, "asked only where signers are named"
    # Few connections name signers, and a worker that meets none need not hold what verifies them.
    from tripartite.runtime.xmlverify import Signers, verified

    try:
        signers = Signers(trust.signers)
    except ValueError as error:
        detail = f"the certificates that the estate names for this connection cannot be read: {error}"
        raise XmlRefused("intake.signature_invalid", pointer_of(root), detail[:300]) from None
    try:
        signed = verified(root, raw.content, signers, trust.at, due=trust.due)
    except SignatureRefused as refused:
        raise XmlRefused(refused.reason_code, pointer_of(refused.element), refused.detail) from None
    return root if signed is None else read_xml(signed)


def _unreadable(refused: XmlRefused, name: str = "") -> Unreadable:
    return Unreadable(refused.reason_code, refused.pointer, refused.detail, name)


def _not_xml(content: bytes) -> str | Unreadable | None:
    """None where it may be XML; the name of the format where it is JSON; else why it is not taken."""
    start = content[:64].lstrip()
    if start.startswith(_XML_STARTS) or content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None
    if start[:1] in (b"{", b"["):
        return "canonical.json"
    for signature, name in _SIGNATURES:
        if start.startswith(signature):
            return Unreadable("intake.type_not_supported", name, f"{name} is not read here", name)
    if not content.strip():
        return Unreadable("intake.malformed", "", "nothing was sent")
    return Unreadable("intake.type_not_supported", "", "neither XML nor JSON")


def _found(root: Element) -> tuple[str, ObjectKind, _Build]:
    entry = _ROOTS.get(str(root.tag))
    if entry is not None:
        return entry
    namespace, _, local = str(root.tag).rpartition("}")
    namespace = namespace.lstrip("{")
    if namespace == f"{SCHEMA}{local}-2":
        reason = _NOT_TAKEN.get(local, "no document of procure-to-pay that we take")
    elif any(tag.rpartition("}")[2] == local for tag in _ROOTS):
        reason = f"a {local} of the namespace {namespace[:100]!r}, which is none that we know"
    else:
        reason = "no document that we take"
    raise XmlRefused("intake.type_not_supported", f"/{local[:100]}", reason)
