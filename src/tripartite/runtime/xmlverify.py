"""Signatures inside XML, verified by the keys that the estate names for a connection.

Whoever reads a document afterwards reads what `verified` returns, which is made from the bytes the signature covers
and from nothing else: an element that was wrapped around, moved or added is not in it. Certificates are pinned: each
one is a signer by itself, valid on the day the document came; what the document brings along of certificates is not
believed. The form was checked before (xmlsignature.py); nothing is fetched, and no transform runs but canonicalisation
and the taking out of the signature itself.

    intake.signature_invalid   wrong, by nobody we know, expired, none where one is due, of another element
    intake.active_content      an XPath or XSLT transform
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from lxml import etree
from lxml.etree import _Element as Element
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from tripartite.runtime.xmlsignature import DS, SIGNATURE, SignatureRefused

MOST_REFERENCES = 8
MOST_TRANSFORMS = 4
MOST_SIGNERS = 20
_ENVELOPED = f"{DS}enveloped-signature"
_CANONICAL = ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2001/10/xml-exc-c14n#")
_CANONICAL_11 = "http://www.w3.org/2006/12/xml-c14n11"
_METHODS = frozenset(
    method for method in SignatureMethod if "SHA1" not in method.name and not method.name.startswith("HMAC")
)
_DIGESTS = frozenset(each for each in DigestAlgorithm if "SHA1" not in each.name)


class Signers:
    """Who may sign: pinned certificates. Errors: `ValueError` for text that holds none, or more than are tried."""

    def __init__(self, pem: str) -> None:
        self.certificates = x509.load_pem_x509_certificates(pem.encode("ascii"))
        if len(self.certificates) > MOST_SIGNERS:
            raise ValueError(f"{len(self.certificates)} certificates; at most {MOST_SIGNERS} are looked through")


def verified(root: Element, content: bytes, signers: Signers, at: datetime, *, due: bool) -> bytes | None:
    """The document as its signature covers it; None where it has none and none is due.

    `root` is what `read_xml` made of `content`: its white space is gone, so the signature is looked at in the bytes
    themselves. `at`: when it came; a certificate counts on that day. Errors: `SignatureRefused`.
    """
    signatures = list(root.iter(SIGNATURE))
    if not signatures:
        if due:
            raise SignatureRefused("intake.signature_invalid", root, "a signature is due and there is none")
        return None
    if len(signatures) > 1:
        raise SignatureRefused("intake.signature_invalid", signatures[1], "more than one signature; one is verified")
    _bounded(signatures[0])
    why = "the signer is not known"
    for certificate in signers.certificates:
        try:
            return _by(content, root, certificate, at)
        except (SignXMLException, ValueError, TypeError, KeyError, etree.LxmlError) as refused:
            why = str(refused)[:200] or why
    raise SignatureRefused("intake.signature_invalid", signatures[0], f"verified by no signer we know: {why}")


def _bounded(signature: Element) -> None:
    references = list(signature.iter(f"{{{DS}}}Reference"))
    if len(references) > MOST_REFERENCES:
        raise SignatureRefused("intake.signature_invalid", signature, f"{len(references)} references")
    for reference in references:
        transforms = list(reference.iter(f"{{{DS}}}Transform"))
        if len(transforms) > MOST_TRANSFORMS:
            raise SignatureRefused("intake.signature_invalid", reference, f"{len(transforms)} transforms")
        for transform in transforms:
            name = str(transform.get("Algorithm", ""))
            if name != _ENVELOPED and not name.startswith((*_CANONICAL, _CANONICAL_11)):
                raise SignatureRefused("intake.active_content", transform, f"the transform {name[:100]!r} is not run")


def _by(content: bytes, root: Element, certificate: x509.Certificate, at: datetime) -> bytes:
    results = XMLVerifier().verify(
        etree.fromstring(content, _as_they_are()),
        x509_cert=certificate,
        expect_config=SignatureConfiguration(
            location=".//",
            expect_references=True,
            signature_methods=_METHODS,
            digest_algorithms=_DIGESTS,
            verification_time=at,
        ),
    )
    for each in results if isinstance(results, list) else [results]:
        signed = each.signed_xml
        if signed is not None and signed.tag == root.tag:
            return bytes(each.signed_data)
    raise ValueError("what is signed is not the document that is read")


def _as_they_are() -> etree.XMLParser:
    """Reads what `read_xml` has let in, and leaves its white space: nothing is resolved, loaded or fetched."""
    return etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False)


__all__ = ["Signers", "verified"]
