"""The nodes that tables are made of: what one element says, and where in the facts it goes.

    text, token, day, flag, amount, number, ...    leaves
    group, flat, flat_first                        elements with elements inside

A leaf that may stand once and stands twice is refused (`intake.ambiguous`), as is a comment, instruction or element
inside a value. This file knows no document type and builds no canonical object.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

from lxml.etree import _Element as Element

from tripartite.connectors.documents.source import Facts, Finish, Node, Repeat, Source, Table, put, walk
from tripartite.core.money import Amount, NumberInvalid, Price, Rate
from tripartite.core.objects import Identifier
from tripartite.core.objects.invoice import Classification
from tripartite.core.quantity import Quantity

Number = TypeVar("Number", Amount, Price, Rate, Quantity)

LONGEST_TOKEN = 1_000  # characters of an identifier or code
LONGEST_NUMBER = 200  # characters of a document's own number

# Leaves.


def _said(element: Element, source: Source, known: str = "") -> str:
    """The whole text of a leaf, without the blanks around it. What cuts a value in two is refused, not skipped."""
    if len(element):
        source.refuse("intake.ambiguous", element, "a comment, instruction or element inside a value")
    attributes = element.items()
    if attributes:
        source.attributes(element, attributes, known)
    said = element.text
    return said.strip() if said else ""


def text(key: str, repeat: Repeat = "once") -> Node:
    """Free text. An empty element says nothing."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        said = _said(element, source)
        if said:
            put(key, said, repeat, element, facts, source)

    return read


def token(key: str, repeat: Repeat = "once", longest: int = LONGEST_TOKEN) -> Node:
    """An identifier or code. Errors: longer than `longest` is `intake.value_out_of_range` (bad input 40)."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        said = _said(element, source)
        if said:
            if len(said) > longest:
                source.refuse("intake.value_out_of_range", element, f"longer than {longest} characters")
            put(key, said, repeat, element, facts, source)

    return read


def identifier(key: str, repeat: Repeat = "once", attribute: str = "schemeID") -> Node:
    """An identifier together with its scheme."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        said = _said(element, source, attribute)
        scheme = element.get(attribute, "")
        if said:
            if len(said) > LONGEST_TOKEN or len(scheme) > LONGEST_TOKEN:
                source.refuse("intake.value_out_of_range", element, f"longer than {LONGEST_TOKEN} characters")
            put(key, Identifier(said, scheme), repeat, element, facts, source)
        elif scheme:
            source.extra[f"{source.pointer(element)}/@{attribute}"] = scheme

    return read


def standard_item(element: Element, facts: Facts, source: Source) -> None:
    """The item's standard identifier (BT-157) and its scheme."""
    said = _said(element, source, "schemeID")
    if said:
        put("gtin", said, "once", element, facts, source)
    scheme = element.get("schemeID", "")
    if scheme:
        facts["gtin_scheme"] = scheme


def classification(element: Element, facts: Facts, source: Source) -> None:
    """What an item is by a list (BT-158); list and version belong to the value, the other metadata does not."""
    if len(element):
        source.refuse("intake.ambiguous", element, "a comment, instruction or element inside a value")
    source.attributes(element, [entry for entry in element.items() if entry[0] not in ("listID", "listVersionID")])
    said = (element.text or "").strip()
    if said:
        entry = Classification(said, element.get("listID", ""), element.get("listVersionID", ""))
        facts.setdefault("classifications", []).append(entry)


def fixed(value: str) -> Node:
    """A leaf that says the one thing we expect here (the tax scheme VAT); anything else is kept in `extra`."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        if _said(element, source) != value:
            source.leftover(element)

    return read


def taken(element: Element, _facts: Facts, source: Source) -> None:
    """A leaf whose word was already acted upon: only what should not be in it is looked at."""
    _said(element, source)


_ZONED = re.compile(r"(?:Z|[+-][0-9]{2}:[0-9]{2})\Z")


def parse_day(said: str) -> date | None:
    """A date `YYYY-MM-DD`, with or without a time zone (which changes no business day); None where it is none."""
    if len(said) > 10 and _ZONED.match(said, 10):
        said = said[:10]
    if len(said) != 10 or said[4] != "-" or said[7] != "-":
        return None
    try:
        return date.fromisoformat(said)
    except ValueError:
        return None


def day(key: str, repeat: Repeat = "once") -> Node:
    """A date by ISO 8601. Errors: an impossible one is `intake.value_out_of_range` (bad input 25)."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        said = _said(element, source)
        value = parse_day(said)
        if value is None:
            source.refuse("intake.value_out_of_range", element, f"{said[:40]!r} is not a date")
        put(key, value, repeat, element, facts, source)

    return read


def day_102(key: str, repeat: Repeat = "once") -> Node:
    """A date `YYYYMMDD`, format 102 of UN/EDIFACT 2379, as CII writes it. Errors: as `day`."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        said = _said(element, source, "format")
        form = element.get("format", "")
        value = None
        if form == "102" and len(said) == 8 and said.isascii() and said.isdigit():
            value = parse_day(f"{said[:4]}-{said[4:6]}-{said[6:]}")
        if value is None:
            source.refuse("intake.value_out_of_range", element, f"{said[:40]!r} is not a date of format {form[:9]!r}")
        put(key, value, repeat, element, facts, source)

    return read


_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def flag(key: str) -> Node:
    """Yes or no. Errors: any other word is `intake.malformed`."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        value = _FLAGS.get(_said(element, source))
        if value is None:
            source.refuse("intake.malformed", element, "neither true nor false")
        put(key, value, "once", element, facts, source)

    return read


def _exact(kind: type[Number], element: Element, source: Source) -> tuple[Number, str]:
    said = (element.text or "").strip()
    if len(element):
        source.refuse("intake.ambiguous", element, "a comment, instruction or element inside a number")
    try:
        return kind.parse(said), said
    except NumberInvalid as error:
        source.refuse("intake.amount_invalid", element, str(error))


def number(key: str, kind: type[Rate] | type[Quantity] | type[Price], repeat: Repeat = "once") -> Node:
    """A rate, quantity or price without unit, by its grammar. Errors: `intake.amount_invalid`."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        attributes = element.items()
        if attributes:
            source.attributes(element, attributes)
        put(key, _exact(kind, element, source)[0], repeat, element, facts, source)  # type: ignore[type-var]

    return read


def _exact_quantity(element: Element, source: Source) -> Quantity:
    said = (element.text or "").strip()
    if said[-1:] == "." and not len(element):
        try:
            return Quantity.parse(said[:-1])
        except NumberInvalid as error:
            source.refuse("intake.amount_invalid", element, str(error))
    return _exact(Quantity, element, source)[0]


def quantity(key: str, unit_key: str, *, positive: bool = False) -> Node:
    """A quantity and, under `unit_key`, its unit as stated. `100.` is a decimal of XML Schema and is read as 100.

    Errors: `intake.amount_invalid`; where it must be `positive` and is not, `intake.value_out_of_range`.
    """

    def read(element: Element, facts: Facts, source: Source) -> None:
        value = _exact_quantity(element, source)
        unit = element.get("unitCode")
        attributes = element.items()
        if len(attributes) > (unit is not None):
            source.attributes(element, attributes, "unitCode")
        if positive and not value > 0:
            source.refuse("intake.value_out_of_range", element, "a price per nothing")
        put(key, value, "once", element, facts, source)
        if unit:
            facts[unit_key] = unit.strip()

    return read


def _money_attributes(element: Element, attributes: Sequence[tuple[Any, Any]], source: Source) -> None:
    """Attributes that differ from those of the amount before: note a new currency, keep what is not a currency."""
    source.money = attributes
    for name, value in attributes:
        if name == "currencyID":
            source.currencies.setdefault(value, element)
        else:
            source.attributes(element, [(name, value)])
            source.money = ()


def amount(key: str, repeat: Repeat = "once") -> Node:
    """A sum of money in the document's currency. Errors: `intake.amount_invalid`; currencies are settled at the end."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        attributes = element.items()
        if attributes != source.money:
            _money_attributes(element, attributes, source)
        value, said = _exact(Amount, element, source)
        dot = said.find(".")
        if dot >= 0:
            (source.fine if len(said) - dot > 3 else source.coarse).append((element, said))
        put(key, value, repeat, element, facts, source)

    return read


def price(key: str, repeat: Repeat = "once") -> Node:
    """A price in the document's currency, of any fineness. Errors: `intake.amount_invalid`."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        attributes = element.items()
        if attributes != source.money:
            _money_attributes(element, attributes, source)
        put(key, _exact(Price, element, source)[0], repeat, element, facts, source)

    return read


def money(key: str) -> Node:
    """Sums that name their own currency, as a tax total does: a list of (amount, currency, element)."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        attributes = element.items()
        currency = element.get("currencyID", "")
        if len(attributes) > bool(currency):
            source.attributes(element, attributes, "currencyID")
        value, _ = _exact(Amount, element, source)
        facts.setdefault(key, []).append((value, currency, element))

    return read


def binary(key: str) -> Node:
    """An embedded file: its name, media type, digest and length, not its bytes. Errors: bad base64 is malformed."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        if len(element):
            source.refuse("intake.ambiguous", element, "a comment, instruction or element inside a file")
        for name, value in element.items():
            if name == "mimeCode":
                facts["media_type"] = value
            elif name == "filename":
                facts["filename"] = value
            else:
                source.attributes(element, [(name, value)])
        try:
            content = binascii.a2b_base64("".join((element.text or "").split()), strict_mode=True)
        except ValueError as error:
            source.refuse("intake.malformed", element, f"not base64: {error}")
        if content:
            put(key, hashlib.sha256(content).hexdigest(), "once", element, facts, source)
            facts["length"] = len(content)

    return read


# Groups.


def group(key: str, table: Table, finish: Finish | None = None, repeat: Repeat = "once") -> Node:
    """An element with facts of its own. `finish` makes a value of them; None from it means there is nothing to keep."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        if repeat == "first" and key in facts:
            source.leftover(element)
            return
        inner: Facts = {}
        walk(element, table, inner, source)
        value = finish(inner, element, source) if finish is not None else inner
        if value is not None:
            put(key, value, repeat, element, facts, source)

    return read


def flat(table: Table) -> Node:
    """An element that only wraps: its facts belong to the element around it."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        walk(element, table, facts, source)

    return read


def flat_first(mark: str, table: Table) -> Node:
    """As `flat`, for a wrapper that may stand several times where we keep one: further ones go to `extra`."""

    def read(element: Element, facts: Facts, source: Source) -> None:
        marks = facts.setdefault("_seen", set())
        if mark in marks:
            source.leftover(element)
            return
        marks.add(mark)
        walk(element, table, facts, source)

    return read


def namespaced(prefixes: Mapping[str, str], rows: Mapping[str, Node]) -> dict[str, Node]:
    """A table written with prefixes, as the walk needs it: `cbc:ID` becomes `{namespace}ID`."""
    table: dict[str, Node] = {}
    for name, node in rows.items():
        prefix, _, local = name.partition(":")
        table[f"{{{prefixes[prefix]}}}{local}"] = node
    return table


def negated(value: Amount) -> Amount:
    """The same sum with the other sign; zero has none."""
    return Amount(-value) if value else value
