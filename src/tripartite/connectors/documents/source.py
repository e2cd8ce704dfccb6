"""One document while it is read: the walk over its tree, and what must not be lost on the way.

A table maps tags to nodes (tables.py). One walk visits each element once and gives it to its node. What no table knows
is not lost: it goes to `Source.extra` under its path, except the few names in dropped.py. So every leaf of a document
is carried by a table, kept in `extra`, or named as dropped, by construction and not by care.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NoReturn

from lxml.etree import _Element as Element

from tripartite.connectors.documents.dropped import ATTRIBUTES, ELEMENTS
from tripartite.core.money import CurrencyInvalid, check_currency, minor_digits
from tripartite.runtime.xml import XmlRefused, named, qualified

Facts = dict[str, Any]
Node = Callable[[Element, Facts, "Source"], None]
Table = Mapping[str, Node]
Finish = Callable[[Facts, Element, "Source"], Any]

# once: a second one is refused. first: further ones are kept in `extra`. many: a list. join: one text, line by line.
Repeat = Literal["once", "first", "many", "join"]


class Source:
    """One document while it is read: what was kept aside, what was dropped, and the checks that need the whole."""

    __slots__ = ("coarse", "currencies", "dropped", "extra", "fine", "money", "positions")

    def __init__(self) -> None:
        self.extra: dict[str, str] = {}
        self.dropped: set[str] = set()
        self.money: Sequence[tuple[Any, Any]] = []  # the attributes of the amount before: nearly always the same
        self.currencies: dict[str, Element] = {}  # every stated currency and where it stood first
        self.fine: list[tuple[Element, str]] = []  # amounts with more than two decimals
        self.coarse: list[tuple[Element, str]] = []  # amounts with one or two
        self.positions: dict[Element, dict[Element, str]] = {}

    def pointer(self, element: Element) -> str:
        """The element's path, as `runtime.xml.pointer_of` gives it, with siblings counted once per parent."""
        steps: list[str] = []
        while True:
            parent = element.getparent()
            if parent is None:
                steps.append(qualified(str(element.tag)))
                return "/" + "/".join(reversed(steps))
            known = self.positions.get(parent)
            if known is None:
                known = self.positions[parent] = _positions(parent)
            steps.append(known[element])
            element = parent

    def refuse(self, reason_code: str, element: Element, detail: str, attribute: str = "") -> NoReturn:
        """Stop reading this document. Errors: always `XmlRefused`."""
        pointer = self.pointer(element)
        raise XmlRefused(reason_code, f"{pointer}/@{attribute}" if attribute else pointer, detail)

    def leftover(self, element: Element) -> None:
        """Keep an element that no table knows: each leaf under its path, each attribute too."""
        if not named(element):
            return  # a comment or instruction between elements says nothing of the business
        reason = ELEMENTS.get(element.tag)
        if reason is not None:
            self.dropped.add(qualified(element.tag))
            return
        attributes = element.items()
        if attributes:
            self.attributes(element, attributes)
        for child in element:
            self.leftover(child)
        said = "".join(str(piece) for piece in element.xpath("text()")).strip()  # type: ignore[union-attr]
        if said:
            if element.tag.endswith("BinaryObject"):
                said = _fingerprint(said) or said[:1_000]
            self.extra[self.pointer(element)] = said

    def attributes(self, element: Element, items: Iterable[tuple[Any, Any]], known: str = "") -> None:
        """Keep attributes that no table knows, except code-list metadata, which is dropped by name."""
        for name, value in items:
            if name == known:
                continue
            if name in ATTRIBUTES:
                self.dropped.add("@" + qualified(name))
            else:
                self.extra[f"{self.pointer(element)}/@{qualified(name)}"] = value

    def settle_currency(self, currency: str, place: str) -> str:
        """The document's currency, checked against every amount that stated one; `currency` empty: the only one stated.

        Errors: `XmlRefused` with `intake.ambiguous` (two currencies), `intake.value_out_of_range` (none or unknown),
        `intake.amount_invalid` (an amount finer than the currency allows). Rule: bad inputs 12 and 26.
        """
        if not currency:
            if len(self.currencies) != 1:
                raise XmlRefused("intake.value_out_of_range", place, "no currency is stated")
            currency = next(iter(self.currencies))
        try:
            check_currency(currency)
        except CurrencyInvalid as error:
            raise XmlRefused("intake.value_out_of_range", place, str(error)) from None
        for stated, element in self.currencies.items():
            if stated != currency:
                self.refuse(
                    "intake.ambiguous", element, f"in {stated[:8]}, the document is in {currency}", "currencyID"
                )
        digits = minor_digits(currency)
        for element, text in self.fine + self.coarse if digits < 2 else self.fine:
            if text.partition(".")[2][digits:].strip("0"):
                self.refuse("intake.amount_invalid", element, f"{text} is finer than {currency} allows")
        return currency


def _fingerprint(said: str) -> str:
    """An embedded file that no table knows, as digest and length: bytes do not travel in canonical objects."""
    try:
        content = binascii.a2b_base64("".join(said.split()), strict_mode=True)
    except ValueError:
        return ""
    return f"sha256:{hashlib.sha256(content).hexdigest()} length:{len(content)}"


def _positions(parent: Element) -> dict[Element, str]:
    counts: dict[str, int] = {}
    numbered: list[tuple[Element, str, int]] = []
    for child in parent:
        tag = str(child.tag) if named(child) else "comment()"
        counts[tag] = counts.get(tag, 0) + 1
        numbered.append((child, tag, counts[tag]))
    return {child: qualified(tag) + (f"[{position}]" if counts[tag] > 1 else "") for child, tag, position in numbered}


def walk(element: Element, table: Table, facts: Facts, source: Source) -> None:
    """Give each child of `element` to its node. Errors: `XmlRefused`; text between elements is refused."""
    said = element.text
    if said is not None and said.strip():
        source.refuse("intake.ambiguous", element, "text between elements")
    attributes = element.items()
    if attributes:
        source.attributes(element, attributes)
    for child in element:
        node = table.get(child.tag)
        if node is None:
            source.leftover(child)
        else:
            node(child, facts, source)
        said = child.tail
        if said is not None and said.strip():
            source.refuse("intake.ambiguous", element, "text between elements")


def put(key: str, value: Any, repeat: Repeat, element: Element, facts: Facts, source: Source) -> None:
    if repeat == "many":
        facts.setdefault(key, []).append(value)
    elif key not in facts:
        facts[key] = value
    elif repeat == "join":
        facts[key] = f"{facts[key]}\n{value}"
    elif repeat == "first":
        source.leftover(element)
    else:
        source.refuse("intake.ambiguous", element, "stands twice, and may stand once")
