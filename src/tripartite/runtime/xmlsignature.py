"""Signatures inside XML: what must not be believed, found by form. Keys are the business of xmlverify.py.

Who sent a document is known from its channel and never from the document. Where the estate names no signers for the
channel a signature adds nothing that is used; it must not take anything away either. A document whose signature speaks
of another element than the one that is read, or asks to run something, was made to deceive somebody, and is refused.
What passes is unverified here, and is said to be (connectors/documents/dropped.py).

    intake.signature_invalid   signs another element, nothing, or what cannot be told; keyed by a shared secret
    intake.active_content      an XSLT transform
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree
from lxml.etree import _Element as Element

DS = "http://www.w3.org/2000/09/xmldsig#"
SIGNATURE = f"{{{DS}}}Signature"
_XADES = "http://uri.etsi.org/01903"
_XSLT = "http://www.w3.org/TR/1999/REC-xslt"
_NAMES = {"ds": DS, "wsu": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"}
_BY_ID = etree.XPath("//*[@Id = $id or @ID = $id or @xml:id = $id or @wsu:Id = $id]", namespaces=_NAMES)
_BY_POINTER = re.compile(r"#xpointer\(id\((?:'([^'()]{1,200})'|\"([^\"()]{1,200})\")\)\)\Z")


class SignatureRefused(Exception):
    """A signature that the document must not carry. `element` is the place."""

    def __init__(self, reason_code: str, element: Element, detail: str) -> None:
        super().__init__(detail)
        self.reason_code, self.element, self.detail = reason_code, element, detail


def check_signatures(root: Element) -> int:
    """How many signatures the document carries, all of them harmless by form. Errors: `SignatureRefused`.

    Rule: bad inputs 66 to 68. A reference to another file is never fetched.
    """
    count = 0
    for signature in root.iter(SIGNATURE):
        count += 1
        _check(signature, root)
    return count


def _check(signature: Element, root: Element) -> None:
    if signature is root:
        return  # a signature around a document is no format of ours, and is refused by its name
    for transform in signature.iter(f"{{{DS}}}Transform"):
        if str(transform.get("Algorithm", "")).startswith(_XSLT):
            raise SignatureRefused("intake.active_content", transform, "an XSLT transform inside a signature")
    signed = _only(signature, "SignedInfo")
    _only(signature, "SignatureValue")
    method = str(_only(signed, "SignatureMethod").get("Algorithm", "")).lower()
    if not method or "hmac" in method:
        detail = f"keyed by a secret that both sides share: {method[:100]}" if method else "no algorithm is named"
        raise SignatureRefused("intake.signature_invalid", signature, detail)
    references = signed.findall(f"{{{DS}}}Reference")
    # Not one of them speaks of the document: a seal on nothing. (All are looked at, so no `any` over a generator.)
    if True not in [_speaks_of_document(reference, root) for reference in references]:
        raise SignatureRefused("intake.signature_invalid", signature, "it signs nothing of the document")


def _only(parent: Element, name: str) -> Element:
    found = parent.findall(f"{{{DS}}}{name}")
    if len(found) != 1:
        raise SignatureRefused("intake.signature_invalid", parent, f"{len(found)} elements {name}, and one is due")
    return found[0]


def _speaks_of_document(reference: Element, root: Element) -> bool:
    """Whether it refers to the document that is read, or to another file; False for the signature's own properties."""
    uri = reference.get("URI")
    if uri is None:
        raise SignatureRefused("intake.signature_invalid", reference, "it does not say what it refers to")
    if uri in ("", "#xpointer(/)"):
        return True
    if not uri.startswith("#"):
        return True  # another file: never fetched, so never verified
    pointed = _BY_POINTER.match(uri)
    name = (pointed[1] or pointed[2]) if pointed else uri[1:]
    targets: list[Element] = _BY_ID(root, id=name)  # type: ignore[assignment]
    if len(targets) != 1:
        detail = f"it refers to {name[:60]!r}, and {len(targets)} elements are called so"
        raise SignatureRefused("intake.signature_invalid", reference, detail)
    target = targets[0]
    if target is root:
        return True
    if not any(parent.tag == SIGNATURE for parent in (target, *target.iterancestors())) or _foreign(target):
        detail = f"it refers to {name[:60]!r}, which is not the document that is read"
        raise SignatureRefused("intake.signature_invalid", reference, detail)
    return False


def _foreign(target: Element) -> bool:
    """Whether a signature's own part holds anything but words about signatures: a document hidden in it, say."""
    return any(not name.startswith((f"{{{DS}}}", f"{{{_XADES}")) for name in _tags(target))


def _tags(target: Element) -> Iterator[str]:
    return (str(element.tag) for element in target.iter(etree.Element))


__all__ = ["SignatureRefused", "check_signatures"]
