"""Bad inputs 66 to 68: a signature that speaks of another element than the one that is read, and its relatives."""

from __future__ import annotations

import time

import msgspec
import pytest

from connectors.documents.builder import UBL, invoice
from connectors.documents.samples import sample_root
from tripartite.connectors.documents.reading import read_any
from tripartite.core.objects import Invoice
from tripartite.runtime.protocol import Raw, ReadResult, Unreadable

DS = "http://www.w3.org/2000/09/xmldsig#"
EXT = "urn:oasis:names:specification:ubl:schema:xsd:CommonExtensionComponents-2"
RSA = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ENVELOPED = f'<ds:Transform Algorithm="{DS}enveloped-signature"/>'


def reference(uri: str | None, transforms: str = ENVELOPED) -> str:
    where = "" if uri is None else f' URI="{uri}"'
    return (
        f"<ds:Reference{where}><ds:Transforms>{transforms}</ds:Transforms>"
        f'<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>AA==</ds:DigestValue>'
        f"</ds:Reference>"
    )


def signature(*references: str, method: str = RSA, objects: str = "", attributes: str = "") -> str:
    return (
        f'<ds:Signature xmlns:ds="{DS}" {attributes}><ds:SignedInfo>'
        f'<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>'
        f'<ds:SignatureMethod Algorithm="{method}"/>{"".join(references)}</ds:SignedInfo>'
        f"<ds:SignatureValue>AA==</ds:SignatureValue>{objects}</ds:Signature>"
    )


def extension(*contents: str) -> str:
    inside = "".join(
        f"<ext:UBLExtension><ext:ExtensionContent>{each}</ext:ExtensionContent></ext:UBLExtension>" for each in contents
    )
    return f'<ext:UBLExtensions xmlns:ext="{EXT}">{inside}</ext:UBLExtensions>'


def signed(*contents: str, root: str = "") -> bytes:
    """An invoice with these extensions; `root` are attributes of its root."""
    text = invoice().decode()
    name = text.index("<Invoice") + len("<Invoice")
    end = text.index(">", name)
    return f"{text[:name]} {root}{text[name:end]}>{extension(*contents)}{text[end + 1 :]}".encode()


ORIGINAL = f'<Invoice xmlns="{UBL}Invoice-2" Id="good"><ID xmlns="{UBL}CommonBasicComponents-2">TRUE-1</ID></Invoice>'
INNER = f'<Invoice xmlns="{UBL}Invoice-2" Id="good">{signature(reference("#good"))}</Invoice>'
PROPERTIES = (
    '<ds:Object><x:QualifyingProperties xmlns:x="http://uri.etsi.org/01903/v1.3.2#"><x:SignedProperties Id="props">'
    "<x:SigningTime>2026-01-01T00:00:00Z</x:SigningTime></x:SignedProperties></x:QualifyingProperties></ds:Object>"
)

WRAPPED = {
    "1 the original lies in an object of the signature": signed(
        signature(reference("#good"), objects=f"<ds:Object>{ORIGINAL}</ds:Object>")
    ),
    "2 the original lies in an extension after the signature": signed(signature(reference("#good")), ORIGINAL),
    "3 the original lies in an extension before the signature": signed(ORIGINAL, signature(reference("#good"))),
    "4 the original holds its own signature and the forgery holds the original": signed(INNER),
    "5 the forgery bears the same id as the original": signed(
        signature(reference("#good")), ORIGINAL, root='Id="good"'
    ),
    "6 the original is pointed to by an expression": signed(
        signature(reference("#xpointer(id('good'))")), ORIGINAL, root='Id="forged"'
    ),
    "7 an object of the signature is signed, and the original lies in it": signed(
        signature(reference("#obj"), objects=f'<ds:Object Id="obj">{ORIGINAL}</ds:Object>')
    ),
    "8 the name is carried by an attribute that is no id": signed(
        signature(reference("#good")), ORIGINAL.replace("Id=", "id="), root='id="good"'
    ),
}


def refused(content: bytes, code: str) -> Unreadable:
    started = time.process_time()
    found = read_any(Raw(content, "application/xml"))
    assert time.process_time() - started < 0.5
    assert isinstance(found, Unreadable), found
    assert found.reason_code == code, found
    return found


@pytest.mark.parametrize("variant", WRAPPED)
def test_xml_signature_wrapping_is_refused(variant: str) -> None:
    refused(WRAPPED[variant], "intake.signature_invalid")


@pytest.mark.parametrize(
    "seal",
    [
        signature(reference(""), method=f"{DS}hmac-sha1"),
        signature(reference(""), method="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
        signature(reference(""), method=""),
        signature(reference(None)),
        signature(),
        signature(reference("#props"), objects=PROPERTIES),
        signature(reference("#nowhere")),
        signature(reference("#xpointer(//*)")),
        signature(reference("")).replace("<ds:SignedInfo>", "<ds:SignedInfo/><ds:SignedInfo>"),
        signature(reference("")).replace("<ds:SignatureValue>AA==</ds:SignatureValue>", ""),
    ],
    ids=[
        *("shared secret, sha1", "shared secret, sha256", "no algorithm", "no reference target", "no reference"),
        *("only its own properties", "a name nobody has", "an expression", "two lists", "no value"),
    ],
)
def test_xml_bad_signers_are_refused(seal: str) -> None:
    """Those that can be told by form. Nobody's key is checked: see docs/security.md."""
    refused(signed(seal), "intake.signature_invalid")


def test_xml_xslt_in_signature_is_refused() -> None:
    transform = '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>'
    found = refused(signed(signature(reference("", transform))), "intake.active_content")
    assert "ds:Transform" in found.pointer


@pytest.mark.parametrize(
    ("seal", "root"),
    [
        (signature(reference("")), ""),
        (signature(reference("#doc")), 'Id="doc"'),
        (signature(reference("#xpointer(/)")), ""),
        (signature(reference(""), reference("#props"), objects=PROPERTIES), ""),
        (signature(reference("https://example.org/other.xml")), ""),
    ],
    ids=["the whole document", "its root by id", "its root by pointer", "with its properties", "another file"],
)
def test_a_signature_of_the_document_itself_is_carried_as_unverified(seal: str, root: str) -> None:
    found = read_any(Raw(signed(seal, root=root), "application/xml"))
    plain = read_any(Raw(invoice(), "application/xml"))
    assert isinstance(found, ReadResult), found
    assert isinstance(plain, ReadResult)
    assert "ds:Signature" in found.dropped, "it is said that it was not verified"
    assert isinstance(found.value, Invoice)
    extra = {path: said for path, said in found.value.extra.items() if not path.endswith("/@Id")}
    assert msgspec.structs.replace(found.value, extra=extra) == plain.value, "it changes nothing that is read"


@pytest.mark.samples
def test_real_signed_documents_are_read() -> None:
    content = (sample_root() / "ubl-documents/invoice/UBL-Invoice-2.0-Enveloped.xml").read_bytes()
    assert b"xmldsig#" in content
    found = read_any(Raw(content, "application/xml"))
    assert not isinstance(found, Unreadable) or "signature" not in found.reason_code, found
