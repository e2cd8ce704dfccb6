"""The warehouse's documents into our receipt. Pure: no call, no clock.

Four things to get right:

* What counts. Goods that arrived damaged or were rejected are not payable. With `counted = "good"` (the default) our
  `quantity` is what came less what was damaged or rejected, and the return of such goods takes nothing away again; with
  `counted = "received"` it is all that came, and inspection is left to order lines that are matched four-way.
* Corrections. A version is the whole document and replaces the one before. REVERSED is the same document, counting for
  nothing: its lines stay, each with zero, so that every order it belonged to is looked at again.
* The line's number. It must stay the same from version to version, because what was released against it is kept under
  it: the number at the end of `line_id` where every line has one of its own, else the place.
* Which order line. By its number only. A line that names none is not guessed by item: the document waits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import partial
from types import MappingProxyType
from zoneinfo import ZoneInfo

import msgspec

from tripartite.connectors.warehouse import wire
from tripartite.core import codec, objects
from tripartite.core.money import NumberInvalid
from tripartite.core.objects.receipt import ReceiptKind
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import Raw, Read, Reader, ReadResult, Unreadable, Writer

# Every status the contract knows, and what it does: `later` is not ours to take yet, `open` only where the connection
# counts goods while they are being received, `counts` is a fact, `gone` counts for nothing.
STATUSES: dict[str, str] = {
    "EXPECTED": "later",
    "ARRIVED": "later",
    "IN_PROGRESS": "open",
    "CLOSED": "counts",
    "CORRECTED": "counts",
    "REVERSED": "gone",
}
# The type of a document, our kind, and which of the line's quantities says how much. An adjustment is a receipt or a
# reversal by its sign.
TYPES: dict[str, tuple[ReceiptKind, str]] = {
    "RECEIPT": ("receipt", "qty_received"),
    "RETURN": ("return", "qty_returned"),
    "REVERSAL": ("reversal", "qty_reversed"),
    "ADJUSTMENT": ("receipt", "qty_change"),
}
# The condition of returned goods: whether they had been counted as good when they came.
CONDITIONS: dict[str, bool] = {"": True, "GOOD": True, "DAMAGED": False, "REJECTED": False}
QUALITIES = frozenset({"", "PENDING", "ACCEPTED", "REJECTED"})
LONGEST_LIST = 100_000  # lines of one document

# updated_at, status: when and how far in the warehouse's workflow; the pull reads them, the receipt is what it says.
_LEFT_OUT = ("updated_at", "status")
_ZERO = Quantity(0)
_NUMBER_AT_THE_END = re.compile(r"(?:\A|[^0-9])0*([1-9][0-9]{0,8})\Z")
_ORDER_LINE = re.compile(r"0*([1-9][0-9]{0,8})\Z")


class SettingInvalid(ValueError):
    """A setting of the connection that cannot be meant: named, with what is allowed. Found before anything runs."""

    def __init__(self, setting: str, detail: str) -> None:
        super().__init__(f"setting {setting!r}: {detail}")
        self.setting = setting


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the readers need of a connection's settings; docs/connectors/warehouse.md explains each."""

    good_only: bool = True
    while_open: bool = False
    by_warehouse: bool = True
    company_of_warehouse: bool = False
    zone: ZoneInfo | None = None


def read_settings(settings: Mapping[str, str]) -> Settings:
    """The readers' part of a connection's settings. Errors: `SettingInvalid`, naming the setting."""
    zone = settings.get("time_zone", "")
    try:
        found = ZoneInfo(zone) if zone else None
    except (KeyError, ValueError, OSError):
        raise SettingInvalid("time_zone", f"{zone[:40]!r} is not an IANA time zone") from None
    return Settings(
        good_only=_one_of(settings, "counted", ("good", "received")) == "good",
        while_open=_one_of(settings, "count_from", ("closed", "in_progress")) == "in_progress",
        by_warehouse=_one_of(settings, "numbers", ("by_warehouse", "plain")) == "by_warehouse",
        company_of_warehouse=_one_of(settings, "company_from", ("depositor", "warehouse")) == "warehouse",
        zone=found,
    )


def _one_of(settings: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    word = settings.get(name, words[0])
    if word not in words:
        raise SettingInvalid(name, " or ".join(words))
    return word


def is_taken(status: str, known: Settings) -> bool:
    """Whether a document of this status is ours to take. A word we do not know is, so that the reader can refuse it."""
    standing = STATUSES.get(status, "counts")
    return standing in ("counts", "gone") or (standing == "open" and known.while_open)


class _Refused(Exception):
    """Leaves a `_build...` from any depth; it becomes the `Unreadable` that the reader answers."""

    def __init__(self, reason_code: str, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.answer = Unreadable(reason_code, pointer, detail)


def read_receipt(known: Settings, raw: Raw) -> Read:
    """One document of the warehouse. Quantities: in the warehouse's unit, never negative; the kind gives the direction.

    Errors: none raised; `Unreadable` with code and place. Dropped: `_LEFT_OUT`, and by name every field that the
    contract does not know, because an unknown field is how drift begins.
    """
    if "json" not in raw.media_type.lower():
        return Unreadable("intake.type_not_supported", "", f"a receipt is JSON, not {raw.media_type[:60]}")
    try:
        said = codec.read_strict(raw.content, wire.Receipt)
        receipt = _build(said, known)
    except codec.Malformed as error:
        return Unreadable(error.reason_code, error.pointer, error.detail)
    except _Refused as refused:
        return refused.answer
    plain = codec.decode(raw.content, dict[str, msgspec.Raw])
    strange = sorted(plain.keys() - set(wire.Receipt.__struct_fields__))
    dropped = tuple(name for name in _LEFT_OUT if getattr(said, name))
    return ReadResult("receipt", receipt, (*dropped, *strange))


def _build(said: wire.Receipt, known: Settings) -> objects.Receipt:
    standing = STATUSES.get(said.status)
    if standing is None:
        raise _Refused("intake.value_out_of_range", "/status", f"the status {said.status[:40]!r} is not one we know")
    if not is_taken(said.status, known):
        raise _Refused("intake.value_out_of_range", "/status", f"a document that is {said.status} is no receipt yet")
    if said.type not in TYPES:
        raise _Refused("intake.value_out_of_range", "/type", f"the type {said.type[:40]!r} is not one we know")
    if said.version < 1:
        raise _Refused("intake.value_out_of_range", "/version", f"{said.version} is not a version")
    if not said.lines:
        raise _Refused(
            "integration.schema_violated", "/lines", "without lines nobody can say which orders it belongs to"
        )
    if len(said.lines) > LONGEST_LIST:
        raise _Refused("intake.too_large", "/lines", f"more than {LONGEST_LIST} lines")
    numbers = _line_numbers(said.lines)
    kind, signs = TYPES[said.type][0], set()
    lines = []
    for place, (number, line) in enumerate(zip(numbers, said.lines, strict=True)):
        built, sign = _build_line(said, line, number, standing == "gone", known, f"/lines/{place}")
        lines.append(built)
        signs.add(sign)
    if {1, -1} <= signs:
        raise _Refused("intake.ambiguous", "/lines", "an adjustment up and down in one document: one direction each")
    if -1 in signs:
        kind = "reversal"
    day = _day(said.received_at, known.zone, "/received_at")
    return objects.Receipt(
        number=_numbered(said.warehouse, said.id, known),
        kind=kind,
        version=said.version,
        company_code=said.warehouse if known.company_of_warehouse else said.depositor or "",
        supplier=objects.Party(ids=(objects.Identifier(said.supplier_code, "warehouse.supplier"),))
        if said.supplier_code
        else None,
        posted_on=day,
        delivered_on=day,
        delivery_note=said.delivery_note or "",
        receiver=said.received_by or "",
        lines=tuple(lines),
        extra=_extra(said),
    )


def _build_line(
    said: wire.Receipt, line: wire.Line, number: int, gone: bool, known: Settings, at: str
) -> tuple[objects.ReceiptLine, int]:
    """One line, and the sign of an adjustment (0 where it has none)."""
    order = line.po_number or said.po_number or ""
    if not order.strip():
        raise _Refused("integration.mapping_missing", f"{at}/po_number", "a line that belongs to no order")
    stated = line.po_line or ""
    found = _ORDER_LINE.match(stated)
    if found is None:
        what = f"the order line {stated[:20]!r}" if stated else "no order line"
        raise _Refused("integration.mapping_missing", f"{at}/po_line", f"{what} of {order[:40]}: a line is not guessed")
    if (line.quality or "") not in QUALITIES:
        raise _Refused("intake.value_out_of_range", f"{at}/quality", f"the quality {line.quality!r} is not one we know")
    field = TYPES[said.type][1]
    stated_quantity = _quantity(getattr(line, field), f"{at}/{field}", signed=field == "qty_change")
    if stated_quantity is None:
        raise _Refused("integration.schema_violated", f"{at}/{field}", f"a {said.type} says how much: {field}")
    came, sign = Quantity(abs(stated_quantity)), (stated_quantity > 0) - (stated_quantity < 0)
    parts = {
        name: _quantity(getattr(line, name), f"{at}/{name}") for name in ("qty_accepted", "qty_damaged", "qty_rejected")
    }
    accepted, bad = parts["qty_accepted"], _sum(parts["qty_damaged"], parts["qty_rejected"])
    if (accepted or 0) + bad > came:
        raise _Refused(
            "intake.ambiguous", f"{at}/qty_accepted", "accepted, damaged and rejected are more than there is"
        )
    expected = _quantity(line.qty_expected, f"{at}/qty_expected")
    counted = Quantity(came - bad) if known.good_only else came
    if said.type == "RETURN":
        condition = line.condition or ""
        if condition not in CONDITIONS:
            raise _Refused("intake.value_out_of_range", f"{at}/condition", f"{condition[:40]!r} is not one we know")
        if not CONDITIONS[condition]:
            accepted, bad = _ZERO, came
            counted = _ZERO if known.good_only else came  # they had not been counted: nothing is taken away
    built = objects.ReceiptLine(
        order_number=order,
        order_line=int(found[1]),
        order_line_ref=stated if stated != found[1] else "",
        quantity=_ZERO if gone else counted,
        unit=line.uom or "",
        line=number,
        accepted=_ZERO if gone and accepted is not None else accepted,
        takes_from=_numbered(said.warehouse, said.receipt_id, known) if said.receipt_id else "",
        item=line.item or "",
        description=line.description or "",
        line_ref=line.line_id,
        rejected=bad if bad and not gone else None,
        short=Quantity(expected - came) if line.final and expected is not None and expected > came else None,
        note="; ".join(_notes(line, came, expected, parts, gone)),
    )
    return built, sign if field == "qty_change" else 0


def _notes(
    line: wire.Line, came: Quantity, expected: Quantity | None, parts: Mapping[str, Quantity | None], gone: bool
) -> list[str]:
    """What a person in receiving would say of the line."""
    if gone:
        return [f"reversed; {codec.plain(came)} had been stated"]
    notes = [f"{codec.plain(amount)} {name[4:]}" for name, amount in parts.items() if amount and name != "qty_accepted"]
    if notes:
        notes.insert(0, f"{codec.plain(came)} came")
    if expected is not None and came > expected:
        notes.append(f"{codec.plain(came - expected)} more than announced")
    if line.quality == "PENDING":
        notes.append("inspection is pending")
    if line.final:
        notes.append("nothing more will come")
    return notes


def _sum(*amounts: Quantity | None) -> Quantity:
    return Quantity(sum(amount for amount in amounts if amount is not None))


def _numbered(warehouse: str, key: str, known: Settings) -> str:
    """Our number of a document: two warehouses may both have an R-77, and they are two receipts."""
    if not known.by_warehouse:
        return key
    if not warehouse or ":" in warehouse:
        raise _Refused("intake.value_out_of_range", "/warehouse", "a warehouse has a name without a colon")
    return f"{warehouse}:{key}"


def _line_numbers(lines: tuple[wire.Line, ...]) -> list[int]:
    found = [_NUMBER_AT_THE_END.search(line.line_id) for line in lines]
    numbers = [int(match[1]) for match in found if match]
    if len(set(numbers)) == len(lines):
        return numbers
    if len({line.line_id for line in lines}) != len(lines):
        raise _Refused("intake.ambiguous", "/lines", "two lines with one line_id")
    return list(range(1, len(lines) + 1))


def _quantity(digits: msgspec.Raw, pointer: str, *, signed: bool = False) -> Quantity | None:
    text = _literal(digits)
    if text is None:
        return None
    try:
        quantity = Quantity.parse(text)
    except NumberInvalid as error:
        raise _Refused(error.reason_code, pointer, str(error)) from None
    if quantity < 0 and not signed:
        # The type of the document gives the direction; a sign as well would be two readings of one movement.
        raise _Refused("intake.ambiguous", pointer, "a negative quantity beside a type that gives the direction")
    return quantity


def _literal(digits: msgspec.Raw) -> str | None:
    """The text of a number as it stood: of a JSON number its digits, of a JSON string its content, of null None."""
    text = bytes(digits)
    if text in (b"", b"null"):
        return None
    if text[:1] == b'"':
        return msgspec.json.decode(text, type=str)
    return text.decode("ascii", "replace")  # an object or `true` fails the grammar


def _day(text: str | None, zone: ZoneInfo | None, pointer: str) -> date | None:
    """The day the goods came, as the site counts it: it decides the accounting period. Without a `time_zone` the day
    as stated counts.
    """
    if not text:
        return None
    try:
        if text[4:5] != "-" or text[7:8] != "-":  # 20260131 and 2026-W05-6 are dates too, but not of this contract
            raise ValueError(text)
        if len(text) == 10:
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
        if text[10] != "T":
            raise ValueError(text)
    except ValueError:
        raise _Refused("intake.value_out_of_range", pointer, f"{text[:30]!r} is not a day") from None
    if zone is None:
        return moment.date()
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(zone).date()


def _extra(said: wire.Receipt) -> dict[str, str]:
    """Stated facts that nothing is matched on, by their path: the notice of despatch, lots, serials, quantities."""
    found = {"/asn": said.asn or "", "/type": said.type if said.type == "ADJUSTMENT" else ""}
    for place, line in enumerate(said.lines):
        at = f"/lines/{place}"
        found |= {
            f"{at}/{name}": getattr(line, name) or "" for name in ("gtin", "lot", "expiry", "location", "quality")
        }
        found[f"{at}/serials"] = ",".join(line.serials)
        for name in ("qty_expected", "qty_received", "qty_damaged", "qty_rejected"):
            found[f"{at}/{name}"] = _literal(getattr(line, name)) or ""
        found[f"{at}/final"] = "true" if line.final else ""
    return {path: value for path, value in found.items() if value}


def readers_for(settings: Mapping[str, str]) -> Mapping[str, Reader]:
    """The readers of a connection with these settings. Errors: `SettingInvalid`, before anything is read."""
    return MappingProxyType({"receipt": partial(read_receipt, read_settings(settings))})


READERS: Mapping[str, Reader] = readers_for({})
WRITERS: Mapping[str, Writer] = MappingProxyType({})
