"""Every field of every real document is carried into the canonical object, kept in `extra`, or dropped by name.

The check is by value: each leaf's text must be found again in the canonical object, save the words whose meaning is
in the structure (a charge indicator is the sign of an amount). It knows nothing of how the readers work.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from lxml import etree

from connectors.documents.samples import documents
from tripartite.connectors.documents import read_any
from tripartite.connectors.documents.dropped import ATTRIBUTES, ELEMENTS, VALUES
from tripartite.core.codec import encode
from tripartite.runtime.protocol import Raw, ReadResult
from tripartite.runtime.xml import named, pointer_of, qualified, read_xml

pytestmark = pytest.mark.samples

# Words whose meaning is in the structure of the canonical object: (end of the path, pattern of the word), why.
IN_THE_STRUCTURE: dict[tuple[str, str], str] = {
    ("ChargeIndicator", "true|false"): "the sign of the amount",
    ("udt:Indicator", "true|false"): "the sign of the amount",
    ("@currencyID", "[A-Z]{3}"): "every amount was checked to be in the document's currency",
    ("TaxScheme/cbc:ID", "VAT"): "every tax here is VAT; another word is kept",
    ("TaxScheme/cbc:TaxTypeCode", "VAT"): "as above",
    ("ram:TypeCode", "VAT"): "as above",
    ("ram:SpecifiedTaxRegistration/ram:ID/@schemeID", "VA|FC"): "the field it went to",
    ("ram:SpecifiedTaxRegistration[N]/ram:ID/@schemeID", "VA|FC"): "the field it went to",
    ("cbc:DocumentTypeCode", "130|916"): "the field it went to",
    ("ram:TypeCode", "50|130|916"): "the field it went to",
    ("@format", "102"): "it is a date",
    ("BaseQuantity", r"1(\.0+)?"): "a price per one is a price",
    ("ram:BasisQuantity", r"1(\.0+)?"): "as above",
    ("BaseQuantity/@unitCode", ".*"): "the line's unit, or carried as the price's",
    ("ram:BasisQuantity/@unitCode", ".*"): "as above",
    ("ram:SpecifiedProcuringProject/ram:Name", "Project reference"): "a word the syntax demands",
    ("ram:DueDateTypeCode", "5|29|72"): "carried in the codes that UBL uses",
    ("PartyIdentification/cbc:ID/@schemeID", "SEPA"): "the field it went to, BT-90",
    ("@encodingCode", ".*"): "how a file was packed",
}
_ONE_OF_MANY = re.compile(r"\[[0-9]+\]")


def leaves(root: Any) -> Iterator[tuple[str, str, str]]:
    """(pointer, name as dropped lists it, text) of every leaf and every attribute."""
    for element in root.iter():
        if not named(element):
            continue
        pointer = pointer_of(element)
        for name, value in element.items():
            yield f"{pointer}/@{qualified(str(name))}", "@" + qualified(str(name)), str(value)
        text = "".join(str(piece) for piece in element.xpath("text()")).strip()
        if text:
            yield pointer, qualified(element.tag), text


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    else:
        yield str(value)


def as_number(text: str) -> str:
    """A number by its value and without its sign, so that 1.00 and -1 are found as 1; any other text as it is."""
    try:
        return str(abs(Decimal(text.rstrip("."))).normalize()) if text[:1] in "-0123456789" else text
    except ArithmeticError:
        return text


def forms(text: str) -> set[str]:
    """How a leaf's text may stand in the canonical object."""
    found = {text, as_number(text)}
    if re.fullmatch("[0-9]{8}", text):
        found.add(f"{text[:4]}-{text[4:6]}-{text[6:]}")
    if re.match("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        found.add(text[:10])
    if len(text) > 20:
        with contextlib.suppress(ValueError):
            found.add(hashlib.sha256(base64.b64decode("".join(text.split()), validate=True)).hexdigest())
    return found


def structural(pointer: str, text: str) -> bool:
    plain = _ONE_OF_MANY.sub("", pointer)
    return any(plain.endswith(end) and re.fullmatch(word, text) for end, word in IN_THE_STRUCTURE)


def under_dropped(pointer: str, dropped: set[str]) -> bool:
    return any(f"/{name}" in _ONE_OF_MANY.sub("", pointer) for name in dropped)


def test_every_leaf_is_carried_or_kept_or_dropped_by_name() -> None:
    read = 0
    missing: dict[str, list[tuple[str, str]]] = {}
    for path, content in documents():
        answer = read_any(Raw(content, ""))
        if not isinstance(answer, ReadResult):
            continue
        read += 1
        canonical = msgspec.json.decode(encode(answer.value))
        extra: dict[str, str] = canonical.pop("extra", {})
        carried: set[str] = set()
        for value in strings(canonical):
            carried |= {value, as_number(value)}
        joined = "\n".join(sorted(carried))
        dropped = set(answer.dropped)
        lost = [
            (pointer, text[:60])
            for pointer, name, text in leaves(read_xml(content))
            if pointer not in extra
            and name not in dropped
            and not under_dropped(pointer, dropped)
            and not forms(text) & carried
            and not structural(pointer, text)
            and not (len(text) > 1 and text in joined)  # one of several texts that were joined
        ]
        if lost:
            missing[path] = lost
    assert missing == {}
    assert read > 90


def test_nothing_is_dropped_without_a_reason_in_the_reviewed_table() -> None:
    reasons = {qualified(name): why for name, why in ELEMENTS.items()} | VALUES
    reasons |= {"@" + qualified(name): why for name, why in ATTRIBUTES.items()}
    assert all(len(why) > 10 for why in reasons.values())
    for path, content in documents():
        answer = read_any(Raw(content, ""))
        if isinstance(answer, ReadResult):
            assert set(answer.dropped) <= reasons.keys(), path


def test_documents_of_today_keep_next_to_nothing_aside() -> None:
    aside = {
        path: len(answer.value.extra)
        for path, content in documents("xrechnung", "en16931-cen")
        if isinstance(answer := read_any(Raw(content, "")), ReadResult) and answer.value.extra
    }
    assert aside == {
        "en16931-cen/cii-examples/CII_example5.xml": 1,  # gross price per 1.1, net price per 1
        "en16931-cen/cii-examples/XRechnung-O.xml": 3,  # line references without the type that would say what they are
    }


def test_an_element_nobody_knows_is_kept_under_its_path() -> None:
    from connectors.documents.builder import invoice

    head = "<cbc:IssueTime>09:00:00</cbc:IssueTime><x:Odd xmlns:x='urn:x' why='so'><x:In>deep</x:In></x:Odd>"
    answer = read_any(Raw(invoice(head=head), ""))
    assert isinstance(answer, ReadResult)
    assert answer.value.extra == {
        "/Invoice/cbc:IssueTime": "09:00:00",
        "/Invoice/Odd/@why": "so",
        "/Invoice/Odd/In": "deep",
    }
    assert etree.LIBXML_VERSION >= (2, 11)


# Words that are kept when every other value of a document is made unique: they decide how the rest is read.
KEPT = re.compile(
    "(CurrencyCode|ChargeIndicator|Indicator|TaxScheme/cbc:ID|TaxTypeCode|DocumentTypeCode|LineStatusReasonCode"
    "|UBLVersionID|NetworkID|ram:TypeCode|ProcuringProject/ram:Name|@currencyID|@format|@encodingCode"
    "|RegistrationS?/ram:ID/@schemeID|TaxRegistration/ram:ID/@schemeID|@xsi:schemaLocation)$"
)
NUMBERS = re.compile("(Amount|Quantity|Percent|Numeric)$")
DATES = re.compile("(Date|DateString|DateTimeString)$")


def made_unique(root: Any) -> dict[str, str]:
    """Give every value of a document its own word, number or date, so that each can be found again by itself.

    Returns what each pointer says now.
    """
    said: dict[str, str] = {}
    for element in root.iter():
        if not named(element):
            continue
        pointer = pointer_of(element)
        plain = _ONE_OF_MANY.sub("", pointer)
        for name, stated in element.items():
            place = f"{pointer}/@{qualified(str(name))}"
            if not KEPT.search(_ONE_OF_MANY.sub("", place)) and stated != "SEPA":
                said[place] = f"w{len(said)}z"
                element.set(name, said[place])
        if len(element) or not (element.text or "").strip() or KEPT.search(plain):
            continue
        number = 10_000 + len(said)
        if plain.endswith("BinaryObject"):
            content = f"file {number} of this document".encode()
            element.text, said[pointer] = base64.b64encode(content).decode(), hashlib.sha256(content).hexdigest()
        elif DATES.search(plain):
            day = date(2001, 1, 1) + timedelta(days=len(said))
            element.text = day.isoformat() if "-" in str(element.text) else day.strftime("%Y%m%d")
            said[pointer] = day.isoformat()
        elif NUMBERS.search(plain):
            said[pointer] = element.text = str(number)
        else:
            said[pointer] = element.text = f"w{len(said)}z"
    return said


def test_every_value_made_unique_is_found_again_in_the_canonical_object() -> None:
    read = values = 0
    missing: dict[str, list[tuple[str, str]]] = {}
    for path, content in documents():
        if not isinstance(read_any(Raw(content, "")), ReadResult):
            continue
        root = read_xml(content)
        said = made_unique(root)
        answer = read_any(Raw(etree.tostring(root, encoding="utf-8"), ""))
        assert isinstance(answer, ReadResult), (path, answer)
        read += 1
        values += len(said)
        found = set()
        for value in strings(msgspec.json.decode(encode(answer.value))):
            found |= {piece.lstrip("-") for piece in re.split(r"[\n#: ]", value)}
        lost = [
            (pointer, value)
            for pointer, value in said.items()
            if value not in found
            and not under_dropped(pointer, set(answer.dropped))
            and "@" + pointer.rpartition("@")[2] not in answer.dropped
        ]
        if lost:
            missing[path] = lost
    assert missing == {}
    assert read > 90
    assert values > 10_000
