"""Documents whose signature is verified by the certificates that the estate names for their connection (66 to 68)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml import DigestAlgorithm, SignatureMethod, XMLSigner, methods

from connectors.documents.builder import invoice
from connectors.documents.samples import sample_root
from tripartite.connectors.documents.reading import read_any
from tripartite.core import codec
from tripartite.runtime.protocol import Raw, Read, ReadResult, Trust, Unreadable

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
DS = "{http://www.w3.org/2000/09/xmldsig#}"


class Signer:
    """Somebody with a key and a certificate for it."""

    def __init__(self, key: Any = None, *, until: datetime = AT + timedelta(days=365)) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Nordwerk GmbH")])
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
            .not_valid_after(until)
            .sign(self.key, hashes.SHA256())
        )
        self.pem = built.public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, content: bytes, *, method: SignatureMethod | None = None) -> bytes:
        rsa_key = isinstance(self.key, rsa.RSAPrivateKey)
        chosen = method or (SignatureMethod.RSA_SHA256 if rsa_key else SignatureMethod.ECDSA_SHA256)
        maker = XMLSigner(methods.enveloped, signature_algorithm=chosen, digest_algorithm=DigestAlgorithm.SHA256)
        signed = maker.sign(etree.fromstring(content), key=self.key, cert=self.pem)
        return etree.tostring(signed)


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


def read(content: bytes, *signers: Signer, due: bool = False) -> Read:
    trust = Trust("".join(each.pem for each in signers), due, AT)
    return read_any(Raw(content, "application/xml", "docs", trust))


def refused(found: Read) -> tuple[str, str]:
    assert isinstance(found, Unreadable), found
    return found.reason_code, found.detail


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_document_signed_by_whom_the_estate_names_is_read_as_it_would_be_unsigned(kind: str) -> None:
    one = Signer(rsa.generate_private_key(65537, 2048) if kind == "rsa" else None)
    plain = read_any(Raw(invoice(), "application/xml"))
    found = read(one.sign(invoice()), Signer(), one, due=True)
    assert isinstance(plain, ReadResult)
    assert isinstance(found, ReadResult), found
    assert codec.encode(found.value) == codec.encode(plain.value)


@pytest.mark.samples
def test_a_cii_document_is_verified_too(signer: Signer) -> None:
    content = (sample_root() / "xrechnung/business-cases-standard/01.01a-INVOICE_uncefact.xml").read_bytes()
    found = read(signer.sign(content), signer, due=True)
    assert isinstance(found, ReadResult), found
    assert found.format == "cii.invoice"
    assert refused(read(signer.sign(content).replace(b"EUR", b"USD"), signer))[0] == "intake.signature_invalid"


def test_a_byte_that_was_changed_after_signing_is_refused(signer: Signer) -> None:
    content = signer.sign(invoice())
    changed = content.replace(b">EUR<", b">USD<")
    assert changed != content
    code, detail = refused(read(changed, signer))
    assert code == "intake.signature_invalid"
    assert "Digest" in detail


def test_an_unknown_and_an_expired_signer_are_refused(signer: Signer) -> None:
    assert refused(read(Signer().sign(invoice()), signer))[0] == "intake.signature_invalid"
    late = Signer(until=AT - timedelta(days=1))
    code, detail = refused(read(late.sign(invoice()), late))
    assert (code, "expired" in detail) == ("intake.signature_invalid", True)


def test_where_a_signature_is_due_there_must_be_one_and_else_there_need_not(signer: Signer) -> None:
    assert refused(read(invoice(), signer, due=True)) == (
        "intake.signature_invalid",
        "a signature is due and there is none",
    )
    assert isinstance(read(invoice(), signer), ReadResult)


def test_without_named_signers_nothing_is_believed_of_a_signature(signer: Signer) -> None:
    assert isinstance(read_any(Raw(signer.sign(invoice()), "application/xml")), ReadResult)


def test_certificates_that_are_none_refuse_and_never_raise() -> None:
    trust = Trust("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", True, AT)
    assert refused(read_any(Raw(invoice(), "application/xml", "docs", trust)))[0] == "intake.signature_invalid"


def test_a_signed_document_inside_another_one_lends_it_nothing(signer: Signer) -> None:
    """Wrapping: the true document, signed as a whole, sits in an extension of a false one."""
    true = etree.fromstring(signer.sign(invoice()))
    false = etree.fromstring(invoice().replace(b">EUR<", b">USD<"))
    holder = etree.SubElement(false, "{urn:example}Holder")
    holder.append(true)
    assert refused(read(etree.tostring(false), signer))[0] == "intake.signature_invalid"
    moved = etree.fromstring(invoice().replace(b">EUR<", b">USD<"))
    inner = true.find(f"{DS}Signature")
    assert inner is not None
    moved.append(inner)
    assert refused(read(etree.tostring(moved), signer))[0] == "intake.signature_invalid"


@pytest.mark.parametrize(
    ("transform", "code"),
    [
        ("http://www.w3.org/TR/1999/REC-xpath-19991116", "intake.active_content"),
        ("http://www.w3.org/TR/1999/REC-xslt-19991116", "intake.active_content"),
        ("http://www.w3.org/2002/06/xmldsig-filter2", "intake.active_content"),
    ],
)
def test_a_transform_that_would_run_something_is_refused(signer: Signer, transform: str, code: str) -> None:
    root = etree.fromstring(signer.sign(invoice()))
    named = root.find(f".//{DS}Transform")
    assert named is not None
    named.set("Algorithm", transform)
    assert refused(read(etree.tostring(root), signer))[0] == code


def test_many_references_and_a_second_signature_are_not_looked_through(signer: Signer) -> None:
    root = etree.fromstring(signer.sign(invoice()))
    info = root.find(f".//{DS}SignedInfo")
    reference = root.find(f".//{DS}Reference")
    assert info is not None
    assert reference is not None
    twice = etree.fromstring(etree.tostring(root))
    for _ in range(9):
        info.append(etree.fromstring(etree.tostring(reference)))
    assert refused(read(etree.tostring(root), signer))[1] == "10 references"
    second = twice.find(f"{DS}Signature")
    assert second is not None
    twice.append(etree.fromstring(etree.tostring(second)))
    assert "more than one signature" in refused(read(etree.tostring(twice), signer))[1]


def test_trust_travels_to_the_worker_as_json() -> None:
    trust = Trust("x", True, AT)
    assert msgspec.json.decode(msgspec.json.encode(trust), type=Trust) == trust
