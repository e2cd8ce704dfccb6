"""One invoice in two syntaxes is one canonical invoice: the XRechnung suite gives each case in UBL and in CII.

The comparison is over every field of the whole object. Where the two files themselves say different things, the
difference is written down here with both words, and must be exactly that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from connectors.documents.samples import documents
from tripartite.connectors.documents import read_any
from tripartite.core.objects import Identifier, Invoice
from tripartite.runtime.protocol import Raw, ReadResult

pytestmark = pytest.mark.samples

# The source files differ: somebody filled in the one or the other wrongly. field: (UBL says, CII says)
_COMPREHENSIVE: dict[str, tuple[object, object]] = {
    "supplier.contact.name": ("Tim Tester", "Testorganisation"),
    "buyer.name": ("[Buyer trading name]", "[Buyer name]"),
    "buyer.trading_name": ("[Buyer name]", "[Buyer trading name]"),
    "payee.registration": (None, Identifier("90000000-03083-72", "0204")),
}
SOURCES_DIFFER: dict[str, dict[str, tuple[object, object]]] = {
    "03.06a-INVOICE": {
        "supplier.address.city": ("12345", "Testhausen"),
        "supplier.address.postal_code": ("Testhausen", "12345"),
        "buyer.address.city": ("12345", "Testhausen"),
        "buyer.address.postal_code": ("Testhausen", "12345"),
    },
    "01.03_comprehensive_test": _COMPREHENSIVE,
    "01.04_comprehensive_test": _COMPREHENSIVE,
}


def invoice_of(content: bytes) -> Invoice:
    answer = read_any(Raw(content, ""))
    assert isinstance(answer, ReadResult), answer
    assert isinstance(answer.value, Invoice)
    return answer.value


def differences(ours: Any, theirs: Any, place: str = "") -> Iterator[tuple[str, tuple[object, object]]]:
    if isinstance(ours, msgspec.Struct) and type(ours) is type(theirs):
        for name in ours.__struct_fields__:
            yield from differences(getattr(ours, name), getattr(theirs, name), f"{place}.{name}".lstrip("."))
    elif isinstance(ours, tuple) and isinstance(theirs, tuple) and len(ours) == len(theirs):
        for position, (left, right) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(left, right, f"{place}[{position}]")
    elif ours != theirs:
        yield place, (ours, theirs)


def test_an_invoice_in_ubl_and_in_cii_is_one_canonical_invoice() -> None:
    files = {path.rpartition("/")[2].removesuffix(".gz"): content for path, content in documents("xrechnung")}
    pairs = 0
    for name, content in files.items():
        twin = files.get(name.replace("_ubl.xml", "_uncefact.xml"))
        if not name.endswith("_ubl.xml") or twin is None:
            continue
        pairs += 1
        ours, theirs = invoice_of(content), invoice_of(twin)
        expected = SOURCES_DIFFER.get(name.removesuffix("_ubl.xml"), {})
        assert dict(differences(ours, theirs)) == expected, name
        if not expected:
            assert ours == theirs, name
    assert pairs == 25


def test_what_is_kept_aside_from_a_twin_is_nothing() -> None:
    for path, content in documents("xrechnung"):
        assert invoice_of(content).extra == {}, path
