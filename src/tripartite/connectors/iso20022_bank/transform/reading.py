"""One XML message while it is read: elements by their names in the schema, values by our grammar, nothing lost.

Every leaf that a reader takes is marked. What is left at the end is named by `dropped`, so that each field of a message
is carried or named, by construction and not by care. Errors are `XmlRefused` with code, place and sentence; `readable`
turns them into an `Unreadable`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from lxml.etree import _Element as Element

from tripartite.connectors.iso20022_bank import wire
from tripartite.core.money import Amount, CurrencyInvalid, Money, NumberInvalid, check_currency
from tripartite.runtime.protocol import Raw, Read, ReadResult, Unreadable
from tripartite.runtime.xml import XmlRefused, named, pointer_of, read_xml

LONGEST_ID = 35
DECIMALS = 5  # of an amount, by the schema; our own grammar has one more
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,12}))?(Z|[+-]\d{2}:\d{2})?\Z", re.ASCII)
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?:Z|[+-]\d{2}:\d{2})?\Z", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,15}\Z")
_UETR = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}\Z")


def local(element: Element) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


class Message:
    """A message of one of the versions that we read. `name` is that version, `root` the element below `Document`."""

    def __init__(self, content: bytes, names: Sequence[str], zone: ZoneInfo) -> None:
        document = read_xml(content)
        space, _, tag = str(document.tag).rpartition("}")
        self.name = space.removeprefix("{" + wire.NAMESPACE)
        if tag != "Document" or self.name not in names or not space.startswith("{" + wire.NAMESPACE):
            stated = space.removeprefix("{")[:80] or "no namespace"
            detail = f"{tag[:40]} of {stated}; read are {', '.join(names)}"
            raise XmlRefused("intake.type_not_supported", "/" + tag[:40], detail)
        self._space = space + "}"
        self._zone = zone
        self._taken: set[Element] = set()
        found = [child for child in document if named(child)]
        if len(found) != 1:
            raise XmlRefused("intake.ambiguous", "/Document", f"{len(found)} messages in one document")
        self.root = found[0]

    def check_root(self, name: str) -> None:
        """Errors: `intake.type_not_supported` where another message stands in this namespace."""
        if self.root.tag != self._space + name:
            detail = f"{str(self.root.tag)[:60]} in {self.name}, where {name} should stand"
            raise XmlRefused("intake.type_not_supported", pointer_of(self.root), detail)

    # Elements.

    def many(self, parent: Element, path: str) -> list[Element]:
        """The elements at the end of `path`, each step of which but the last may stand once."""
        *steps, last = path.split("/")
        place: Element | None = parent
        for step in steps:
            place = self.one(place, step) if place is not None else None
        return [] if place is None else place.findall(self._space + last)

    def one(self, parent: Element | None, path: str) -> Element | None:
        """The element at `path`, or None. Errors: `intake.ambiguous` where a step stands twice."""
        if parent is None:
            return None
        place = parent
        for step in path.split("/"):
            found = place.findall(self._space + step)
            if len(found) > 1:
                raise XmlRefused("intake.ambiguous", pointer_of(found[1]), "stands twice, and may stand once")
            if not found:
                return None
            place = found[0]
        return place

    def need(self, parent: Element, path: str) -> Element:
        """The element at `path`. Errors: `integration.schema_violated` where it is missing."""
        found = self.one(parent, path)
        if found is None:
            raise XmlRefused("integration.schema_violated", f"{pointer_of(parent)}/{path}", "is missing")
        return found

    # Values.

    def said(self, element: Element | None, longest: int = LONGEST_ID) -> str:
        """The text of a leaf, without blanks at its ends; empty for no element. Errors: too long, cut by a comment."""
        if element is None:
            return ""
        if len(element):
            raise XmlRefused("intake.ambiguous", pointer_of(element), "something stands inside a single value")
        self._taken.add(element)
        text = (element.text or "").strip()
        if len(text) > longest:
            detail = f"{len(text)} characters, and the message allows {longest}"
            raise XmlRefused("intake.value_out_of_range", pointer_of(element), detail)
        return text

    def text(self, parent: Element | None, path: str, longest: int = LONGEST_ID) -> str:
        return self.said(self.one(parent, path), longest)

    def needed_text(self, parent: Element, path: str) -> str:
        """Errors: `integration.schema_violated` where it is missing or empty."""
        element = self.need(parent, path)
        text = self.said(element)
        if not text:
            raise XmlRefused("integration.schema_violated", pointer_of(element), "is empty")
        return text

    def texts(self, parent: Element | None, path: str, longest: int = LONGEST_ID) -> tuple[str, ...]:
        if parent is None:
            return ()
        return tuple(text for each in self.many(parent, path) if (text := self.said(each, longest)))

    def code(self, parent: Element | None, path: str) -> str:
        """A choice of `Cd` and `Prtry`: a code of the external list, or a word of the bank's own."""
        choice = self.one(parent, path)
        return self.text(choice, "Cd") or self.text(choice, "Prtry")

    def money(self, element: Element) -> Money:
        """An amount with its currency: not negative, at most five decimals, none beyond the currency's but zeros.

        Errors: `intake.amount_invalid`, `intake.value_out_of_range` (the currency).
        """
        text = self.said(element, 40)
        try:
            currency = check_currency(element.get("Ccy"))
            amount = Amount.parse(text)
            if len(text.partition(".")[2]) > DECIMALS:
                raise NumberInvalid(f"amount {text} has more than {DECIMALS} decimals")
            if amount < 0:
                raise NumberInvalid(f"amount {text} is negative; the direction stands beside it")
            return Money.of(amount, currency)
        except CurrencyInvalid as error:
            raise XmlRefused(error.reason_code, f"{pointer_of(element)}/@Ccy", str(error)) from None
        except NumberInvalid as error:
            raise XmlRefused(error.reason_code, pointer_of(element), str(error)) from None

    def optional_money(self, parent: Element | None, path: str) -> Money | None:
        element = self.one(parent, path)
        return None if element is None else self.money(element)

    def credit(self, parent: Element) -> bool:
        """Whether the indicator says credit. Errors: `integration.contract_drifted` for any third word."""
        element = self.need(parent, "CdtDbtInd")
        word = self.said(element)
        if word not in ("CRDT", "DBIT"):
            raise XmlRefused("integration.contract_drifted", pointer_of(element), f"neither credit nor debit: {word}")
        return word == "CRDT"

    def flag(self, parent: Element, path: str) -> bool:
        element = self.one(parent, path)
        word = self.said(element)
        if word not in ("", "true", "1", "false", "0"):
            assert element is not None
            raise XmlRefused("intake.malformed", pointer_of(element), "neither true nor false")
        return word in ("true", "1")

    def count(self, parent: Element | None, path: str) -> int | None:
        element = self.one(parent, path)
        if element is None:
            return None
        text = self.said(element)
        if not _COUNT.match(text):
            raise XmlRefused("intake.malformed", pointer_of(element), f"{text[:20]!r} is no number of things")
        return int(text)

    def uetr(self, parent: Element | None, path: str) -> str:
        element = self.one(parent, path)
        text = self.said(element, 36)
        if text and not _UETR.match(text):
            assert element is not None
            raise XmlRefused("intake.malformed", pointer_of(element), "is no UUID of version 4 in small letters")
        return text

    def moment(self, element: Element) -> datetime:
        """A time. Without an offset it is meant in the connection's zone; digits beyond microseconds are cut."""
        text = self.said(element, 60)
        found = _MOMENT.match(text)
        try:
            if found is None:
                raise ValueError
            whole, fraction, offset = found.groups()
            stated = datetime.fromisoformat(f"{whole}.{(fraction or '')[:6]:0<6}{offset or ''}")
            # Comparing is what overflows on the first and the last day of the calendar.
            return stated if offset else stated.replace(tzinfo=self._zone)
        except ValueError:
            raise XmlRefused("intake.value_out_of_range", pointer_of(element), f"{text[:40]!r} is no time") from None

    def day(self, parent: Element | None, path: str) -> date | None:
        """A choice of `Dt` and `DtTm`: the day as the bank states it, whatever its offset."""
        choice = self.one(parent, path)
        element = self.one(choice, "Dt")
        if element is None:
            element = self.one(choice, "DtTm")
            return None if element is None else self.moment(element).date()
        text = self.said(element)
        found = _DAY.match(text)
        try:
            return date.fromisoformat(found.group(1) if found else "")
        except ValueError:
            raise XmlRefused("intake.value_out_of_range", pointer_of(element), f"{text[:40]!r} is no day") from None

    # The end.

    def dropped(self) -> tuple[str, ...]:
        """The paths of all leaves and attributes that nobody took, without indexes, each once, in order."""
        found: set[str] = set()
        pending = [(self.root, "")]
        while pending:
            element, path = pending.pop()
            for child in element:
                if not named(child):
                    continue
                below = f"{path}/{local(child)}" if path else local(child)
                if len(child):
                    pending.append((child, below))
                    if "".join([child.text or "", *(each.tail or "" for each in child)]).strip():
                        found.add(f"{below}/text()")
                elif child not in self._taken:
                    found.add(below)
                known = "Ccy" if child in self._taken else ""
                found.update(f"{below}/@{str(name).rpartition('}')[2]}" for name in child.attrib if name != known)
        return tuple(sorted(found))


def readable(reader: Callable[[Raw], ReadResult], raw: Raw) -> Read:
    """What `reader` makes of `raw`, or why it cannot be read."""
    try:
        return reader(raw)
    except XmlRefused as error:
        return Unreadable(error.reason_code, error.pointer or "/", error.detail)
