"""What the pages of orders, receipts and requisitions show. Functions of the owners' answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import msgspec

from tripartite.components.console import words
from tripartite.components.console.formats import Formats, exact
from tripartite.components.console.words import Mark


class OrderLine(msgspec.Struct, frozen=True):
    """One line of an order, in its own unit. What nobody told is None, and is said so; nothing is shown as zero."""

    line: int
    title: str
    detail: str
    unit: str
    ordered: str
    received: str | None
    billed: str | None
    to_come: str
    to_bill: str
    price: str
    value: str
    due_on: str
    mark: Mark


def order_lines(order: Mapping[str, Any], formats: Formats) -> list[OrderLine]:
    """The lines of `/v1/purchase-orders/{number}` with what came and what was billed for each."""
    told = {row["line"]: row for row in order.get("quantities", ())}
    return [_line(line, told.get(line["line"], {}), order["currency"], formats) for line in order.get("lines", ())]


def _line(line: Mapping[str, Any], told: Mapping[str, Any], currency: str, formats: Formats) -> OrderLine:
    ordered = exact(line.get("quantity"))
    received, billed = exact(told.get("quantity_received")), exact(told.get("quantity_billed"))
    price, per = exact(line.get("price")), Fraction(line.get("price_per", 1))
    amount = exact(line.get("amount"))
    if amount is None and ordered is not None and price is not None:
        amount = ordered * price / per
    value = amount if amount is not None else exact(line.get("limit"))
    detail = ", ".join(
        part
        for part in (
            line.get("item", ""),
            str(line.get("match", "three_way")).replace("_", "-"),
            f"cost centre {line['cost_centre']}" if line.get("cost_centre") else "",
            f"account {line['account']}" if line.get("account") else "",
        )
        if part
    )
    return OrderLine(
        line=line["line"],
        title=line.get("description", "") or line.get("item", "") or f"Line {line['line']}",
        detail=detail,
        unit=line.get("unit", "EA"),
        ordered=formats.number(ordered),
        received=None if received is None else formats.number(received),
        billed=None if billed is None else formats.number(billed),
        to_come=_left(ordered, received, formats),
        to_bill=_left(ordered, billed, formats),
        price=formats.price(price, currency) + (f" per {formats.number(per)}" if per != 1 else ""),
        value=formats.amount(value, currency),
        due_on=formats.short_date(line.get("due_on")),
        mark=_mark(line, ordered, received),
    )


def _left(whole: Fraction | None, part: Fraction | None, formats: Formats) -> str:
    if whole is None or part is None:
        return ""
    return formats.number(max(Fraction(0), whole - part))


def _mark(line: Mapping[str, Any], ordered: Fraction | None, received: Fraction | None) -> Mark:
    status = line.get("status", "open")
    if status != "open":
        return words.mark(words.ORDER_STATES, status)
    if ordered is None:
        return Mark("wait", "By value")
    if received is None:
        return Mark("unknown", "Not known")
    if received <= 0:
        return Mark("wait", "Nothing came")
    if received < ordered:
        return Mark("hold", "Part came")
    return Mark("agree", "All came") if received == ordered else Mark("hold", "More came")


class Told(msgspec.Struct, frozen=True):
    """Whether the systems that must know of a document know it, in one mark for a list."""

    mark: Mark
    sentence: str


def told_of_order(row: Mapping[str, Any]) -> Told:
    """Of a listed order: how it stands with its ERP."""
    standing = row.get("publication")
    if not standing or standing["state"] == "none":
        return Told(Mark("wait", "Nobody to tell"), "")
    behind = standing["version"] - standing["acknowledged_version"]
    sentence = standing["connection"] + (f" as {standing['remote_ref']}" if standing["remote_ref"] else "")
    if standing["state"] not in ("acknowledged",) and behind > 0:
        known = standing["acknowledged_version"] or "no version"
        sentence += f", version {standing['version']} wanted, {known} known"
    return Told(words.mark(words.PUBLICATION_STATES, standing["state"]), sentence)


def told_of_receipt(row: Mapping[str, Any]) -> list[Told]:
    """Of a receipt: how it stands with each system that must have it."""
    return [
        Told(
            Mark("within", "Observed only")
            if each["mode"] == "observe" and each["state"] == "owed"
            else words.mark(words.PUBLICATION_STATES, each["state"]),
            each["connection"] + (f" as {each['remote_ref']}" if each["remote_ref"] else ""),
        )
        for each in row.get("publications", ())
    ]


def quantities_in_words(lines: Sequence[Mapping[str, Any]], formats: Formats, most: int = 3) -> str:
    """What a receipt says, short: `48 EA of PO-1 line 10, ...`."""
    said = [
        f"{formats.number(line['quantity'])} {line.get('unit', '')} of line {line['order_line']}".replace("  ", " ")
        for line in lines[:most]
    ]
    more = len(lines) - most
    return ", ".join(said) + (f" and {more} more" if more > 0 else "")
