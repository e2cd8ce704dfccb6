"""The match table: order, receipts, invoice and variance side by side, one row per invoice line and order line it met.

The numbers are those the invoices component compared (`pairs`, exact text); only their difference, their place on the
bar and their words are worked out here. Nothing is decided, and nothing is rounded except where it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import msgspec

from tripartite.components.console import words
from tripartite.components.console.formats import SPACE, Formats, exact
from tripartite.components.console.views.limits import QUANTITY, Bar, bar_of, limit_words, share_of
from tripartite.components.console.words import Mark, Tone

FOLD_ABOVE = 12
MOST_LINES = 300
_MOVES = {
    "receipt": "on",
    "service_entry": "done by",
    "return": "back on",
    "reversal": "reversed on",
    "withdrawal": "withdrawn on",
}


class Variance(msgspec.Struct, frozen=True):
    """One thing that was found about a line, or that it agrees."""

    mark: Mark
    amount: str
    note: str
    row: str
    code: str
    sentence: str
    bar: Bar | None = None


class Cells(msgspec.Struct, frozen=True):
    """Quantity, price and value of one side; empty where there is none."""

    quantity: str = ""
    price: str = ""
    value: str = ""
    reference: str = ""


class Line(msgspec.Struct, frozen=True):
    """One row. `differs` names the cells of the invoice that differ: quantity, price, value."""

    anchor: str
    number: str
    title: str
    detail: str
    order: Cells
    received: str
    moves: tuple[str, ...]
    invoice: Cells
    differs: frozenset[str]
    variances: tuple[Variance, ...]
    tone: Tone


class Table(msgspec.Struct, frozen=True):
    """The whole table with its sums, and what of the orders no line of this invoice met."""

    currency: str
    order_currency: str
    lines: tuple[Line, ...]
    document: tuple[Variance, ...]
    unmatched: tuple[Line, ...]
    net: str
    owed: str
    difference: str
    over: str
    orders: tuple[str, ...]
    held_lines: int
    all_lines: int
    folded: int = 0
    left_out: int = 0


def match_table(invoice: Mapping[str, Any], formats: Formats) -> Table:
    """The match table of an invoice as `/v1/invoices/{id}` answers. Amounts in the document's currency."""
    content = invoice["content"]
    currency = invoice["currency"]
    decision = invoice["decisions"][-1]["result"] if invoice["decisions"] else {}
    findings: list[dict[str, Any]] = list(decision.get("findings", invoice["findings_now"]))
    rows: list[str] = list(decision.get("rows", ()))
    order_lines = {
        (order["number"], line["line"]): line for order in invoice["orders"] for line in order.get("lines", ())
    }
    pairs: dict[int, list[dict[str, Any]]] = {}
    for pair in invoice["pairs"]:
        pairs.setdefault(pair["invoice_line"], []).append(pair)
    lines: list[Line] = []
    nothing: list[dict[str, Any] | None] = [None]
    for line in content.get("lines", ()):
        met = pairs.get(line["line"], [])
        of_line = [finding for finding in findings if finding.get("line", 0) == line["line"]]
        for place, pair in enumerate([*met] or nothing):
            known = order_lines.get((pair["order_number"], pair["order_line"]), {}) if pair else {}
            lines.append(
                _line(line, pair, known, of_line if place == 0 else [], rows, invoice, formats, first=place == 0)
            )
    last = max((line["line"] for line in content.get("lines", ())), default=0)
    for place, charge in enumerate(content.get("charges", ()), last + 1):
        of_charge = [finding for finding in findings if finding.get("line", 0) == place]
        lines.append(_charge(place, charge, of_charge, rows, invoice, formats))
    shown = {int(line.number) for line in lines if line.number.isdigit()}
    of_document = [finding for finding in findings if finding.get("line", 0) not in shown]
    owed = _owed(invoice)
    net = exact(invoice["net"])
    over = _over(findings)
    return Table(
        currency=currency,
        order_currency=next((order["currency"] for order in invoice["orders"]), currency),
        lines=tuple(lines),
        document=tuple(_found(finding, None, rows, currency, formats) for finding in of_document),
        unmatched=tuple(_unmatched(invoice, order_lines, formats)),
        net=formats.amount(invoice["net"], currency),
        owed="" if owed is None else formats.amount(owed, currency),
        difference="" if owed is None or net is None else formats.amount(net - owed, currency, sign=True),
        over=formats.amount(over, currency) if over else "",
        orders=tuple(_order_name(order) for order in invoice["orders"]),
        held_lines=len({line.number for line in lines if line.tone in ("hold", "refuse")}),
        all_lines=len(shown),
    )


def _over(findings: Sequence[Mapping[str, Any]]) -> Fraction:
    """What is over the limits: the largest variance of each line, since two rules may speak of the same money.

    What concerns the whole document is counted only where no line has a finding.
    """
    by_line: dict[int, Fraction] = {}
    for finding in findings:
        line, variance = finding.get("line", 0), exact(finding.get("variance")) or Fraction(0)
        by_line[line] = max(by_line.get(line, Fraction(0)), variance)
    whole = by_line.pop(0, Fraction(0))
    return sum(by_line.values(), Fraction(0)) or whole


def fold(table: Table, *, everything: bool) -> Table:
    """The same table without the lines that agree, where there are more than `FOLD_ABOVE`; `folded` counts them.

    `everything` shows them too. At most `MOST_LINES` rows are ever drawn: those with something to say before those
    that agree, and `left_out` says how many are not.
    """
    lines = table.lines
    if len(lines) > FOLD_ABOVE and not everything:
        lines = tuple(line for line in lines if line.tone != "agree")
    folded = len(table.lines) - len(lines)
    if len(lines) > MOST_LINES:
        wanted = {id(line) for line in sorted(lines, key=lambda line: line.tone == "agree")[:MOST_LINES]}
        lines = tuple(line for line in lines if id(line) in wanted)
    left_out = len(table.lines) - folded - len(lines)
    return msgspec.structs.replace(table, lines=lines, folded=folded, left_out=left_out)


def _order_name(order: Mapping[str, Any]) -> str:
    version = order.get("version", 1)
    return f"{order['number']} v{version}" if version != 1 else str(order["number"])


def _line(
    line: Mapping[str, Any],
    pair: Mapping[str, Any] | None,
    known: Mapping[str, Any],
    findings: Sequence[Mapping[str, Any]],
    rows: list[str],
    invoice: Mapping[str, Any],
    formats: Formats,
    *,
    first: bool,
) -> Line:
    currency = invoice["currency"]
    differs: set[str] = set()
    order, received = Cells(), ""
    moves: tuple[str, ...] = ()
    if pair is not None:
        unit = str(pair["unit"])
        ordered, order_price = exact(pair["ordered"]), exact(pair["order_price"])
        order = Cells(
            quantity=_quantity(pair["ordered"], unit, formats) if ordered is not None else "limit",
            price=formats.price(order_price, currency),
            value="" if ordered is None or order_price is None else formats.amount(ordered * order_price, currency),
            reference=_reference(pair, invoice),
        )
        received, moves = _received(pair, invoice, formats)
        if exact(pair["excess"]):
            differs.add("quantity")
        if pair["invoice_price"] is not None and exact(pair["invoice_price"]) != order_price:
            differs.add("price")
    quantity = _quantity(line.get("quantity"), line.get("unit") or (pair["unit"] if pair else ""), formats)
    billed = Cells(
        quantity=quantity if first else f"of it {_quantity(pair['billed'], pair['unit'], formats)}" if pair else "",
        price=formats.price(line.get("price"), currency) + _per(line) if first else "",
        value=formats.amount(line.get("amount"), currency) if first else "",
    )
    variances = [_found(finding, pair, rows, currency, formats) for finding in findings]
    variances.sort(key=lambda variance: variance.bar is None)  # what can be measured first
    if not variances and first:
        variances.append(_agreed(pair, invoice["kind"], currency, formats))
    title = line.get("description") or line.get("item") or line.get("supplier_item") or "(no description)"
    details = [line.get("item") or line.get("supplier_item") or known.get("item") or ""]
    details.append(f"cost centre {known['cost_centre']}" if known.get("cost_centre") else "")
    return Line(
        anchor=f"line-{line['line']}" if first else "",
        number=str(line["line"]) if first else "",
        title=title if first else "",
        detail=", ".join(part for part in details if part and part != title) if first else "",
        order=order,
        received=received,
        moves=moves,
        invoice=billed,
        differs=frozenset(differs),
        variances=tuple(variances),
        tone=_worst(variances),
    )


def _reference(pair: Mapping[str, Any], invoice: Mapping[str, Any]) -> str:
    """Where the line was ordered; the order's own number only where there are several."""
    name = f"line {pair['order_line']}"
    return f"order {name}" if len(invoice["orders"]) == 1 else f"{pair['order_number']} {name}"


def _per(line: Mapping[str, Any]) -> str:
    per = line.get("price_per")
    return f" / {per}" if per and exact(per) != 1 else ""


def _quantity(value: str | None, unit: str, formats: Formats) -> str:
    shown = formats.number(value, None, 6) if value is not None else ""
    return f"{shown}{SPACE}{unit}" if shown and unit else shown


def _received(pair: Mapping[str, Any], invoice: Mapping[str, Any], formats: Formats) -> tuple[str, tuple[str, ...]]:
    """What is received net of an order line, and the moves that make it up; what others billed before stands apart."""
    moves = []
    for receipt in invoice["receipts"]:
        for line in receipt.get("lines", ()):
            if (line["order_number"], line["order_line"]) != (pair["order_number"], pair["order_line"]):
                continue
            kind = receipt.get("kind", "receipt")
            how = _MOVES.get(kind, f"{kind} on")
            when = formats.short_date(receipt.get("posted_on")) or receipt["number"]
            moves.append(f"{formats.number(line['quantity'])} {how} {when}")
    if exact(pair["billed_before"]):
        moves.append(f"{formats.number(pair['billed_before'])} billed before")
    if not moves:
        moves.append("no receipt yet" if pair["bound"] is not None else "no receipt needed")
    return formats.number(pair["received"]), tuple(moves)


def _charge(
    place: int,
    charge: Mapping[str, Any],
    findings: Sequence[Mapping[str, Any]],
    rows: list[str],
    invoice: Mapping[str, Any],
    formats: Formats,
) -> Line:
    currency = invoice["currency"]
    kind = charge.get("kind") or charge.get("reason") or "charge"
    planned = [
        exact(entry["amount"]) or Fraction(0)
        for order in invoice["orders"]
        for entry in order.get("charges", ())
        if entry.get("kind") == charge.get("kind")
    ]
    variances = [_found(finding, None, rows, currency, formats) for finding in findings]
    if not variances:
        difference = (exact(charge["amount"]) or Fraction(0)) - sum(planned, Fraction(0))
        variances.append(
            Variance(Mark("agree", "Agreed"), formats.amount(Fraction(0), currency), "as planned", "", "", "")
            if planned and not difference
            else Variance(
                Mark("within", "Within limit"), formats.amount(difference, currency, sign=True), "", "", "", ""
            )
        )
    return Line(
        anchor=f"line-{place}",
        number=str(place),
        title=kind.replace("_", " ").capitalize(),
        detail=charge.get("reason") or "charge of the document",
        order=Cells(value=formats.amount(sum(planned, Fraction(0)), currency) if planned else "not planned"),
        received="",
        moves=(),
        invoice=Cells(value=formats.amount(charge["amount"], currency)),
        differs=frozenset({"value"}) if findings else frozenset(),
        variances=tuple(variances),
        tone=_worst(variances),
    )


def _unmatched(
    invoice: Mapping[str, Any], order_lines: Mapping[tuple[str, int], Mapping[str, Any]], formats: Formats
) -> list[Line]:
    met = {(pair["order_number"], pair["order_line"]) for pair in invoice["pairs"]}
    found: list[Line] = []
    if not met:  # nothing was compared, so it says nothing that an order line is left over
        return found
    for (number, place), line in sorted(order_lines.items()):
        if (number, place) in met:
            continue
        pair = {"order_number": number, "order_line": place, "billed_before": "0", "bound": "", "received": "0"}
        _, moves = _received(pair, invoice, formats)
        found.append(
            Line(
                anchor="",
                number="",
                title=line.get("description") or line.get("item") or "(no description)",
                detail="not billed here",
                order=Cells(
                    quantity=_quantity(line.get("quantity"), line.get("unit", "EA"), formats),
                    price=formats.price(line.get("price"), invoice["currency"]),
                    reference=f"{number} line {place}",
                ),
                received="",
                moves=moves,
                invoice=Cells(),
                differs=frozenset(),
                variances=(),
                tone="wait",
            )
        )
    return found


def _found(
    finding: Mapping[str, Any], pair: Mapping[str, Any] | None, rows: list[str], currency: str, formats: Formats
) -> Variance:
    """A finding as a variance: its amount, what was measured against which limit, its row, its bar."""
    code = str(finding["code"])
    unit = str(finding.get("unit", ""))
    breach, limit = exact(finding.get("breach")), finding.get("limit", "")
    measured = ""
    if breach is not None and unit not in ("words", ""):
        is_money = unit == currency
        shown = formats.amount(breach, currency, sign=True) if is_money else f"+{_quantity(str(breach), unit, formats)}"
        share = share_of(breach, pair) if is_money else ""
        said = limit_words(code, str(limit), pair, currency, formats)
        measured = f"{share or shown}, {said}" if said else (share or shown)
        if code.startswith(QUANTITY) and limit:
            measured = f"{shown} over {_quantity(str(limit), unit, formats)}"
    tone: Tone = "refuse" if code in ("duplicate.exact", "tax.einvoice_invalid") else "hold"
    return Variance(
        mark=Mark(tone, words.finding_name(code)),
        amount=formats.amount(finding.get("variance"), currency, sign=True) if finding.get("variance") else "",
        note=measured,
        row=words.row_that_spoke(finding, rows),
        code=code,
        sentence=str(finding.get("words", "")),
        bar=bar_of(code, breach, str(limit), pair, currency, formats),
    )


def _agreed(pair: Mapping[str, Any] | None, kind: str, currency: str, formats: Formats) -> Variance:
    if pair is None and kind in ("credit_memo", "subsequent_credit"):
        return Variance(Mark("wait", "Credit"), "", "gives back what was billed, no receipt to compare", "", "", "")
    if pair is None:
        return Variance(Mark("wait", "No order line"), "", "nothing to compare it with", "", "", "")
    variance = exact(pair["variance"]) or Fraction(0)
    if not variance:
        return Variance(Mark("agree", "Agreed"), formats.amount(Fraction(0), currency), "no difference", "", "", "")
    note = f"{share_of(variance, pair)}, inside its limit" if share_of(variance, pair) else "inside its limit"
    return Variance(Mark("within", "Within limit"), formats.amount(variance, currency, sign=True), note, "", "", "")


def _worst(variances: Sequence[Variance]) -> Tone:
    order: tuple[Tone, ...] = ("refuse", "hold", "ask", "unknown", "wait", "within", "agree")
    tones = {variance.mark.tone for variance in variances}
    return next((tone for tone in order if tone in tones), "agree")


def _owed(invoice: Mapping[str, Any]) -> Fraction | None:
    """What order and receipts owe for the billed lines: at order prices, without what is too much. Unrounded."""
    if not invoice["pairs"]:
        return None
    total = Fraction(0)
    for pair in invoice["pairs"]:
        expected, excess, price = exact(pair["expected"]), exact(pair["excess"]), exact(pair["order_price"])
        if expected is None or excess is None or price is None:
            return None
        total += expected - excess * price
    planned = (
        exact(charge["amount"]) or Fraction(0) for order in invoice["orders"] for charge in order.get("charges", ())
    )
    billed_kinds = {charge.get("kind") for charge in invoice["content"].get("charges", ())}
    kinds = [charge.get("kind") for order in invoice["orders"] for charge in order.get("charges", ())]
    return total + sum(
        (amount for amount, kind in zip(planned, kinds, strict=True) if kind in billed_kinds), Fraction(0)
    )
