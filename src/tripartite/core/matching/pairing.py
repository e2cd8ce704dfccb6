"""Which order line an invoice line stands on: by reference, by item, by the cheapest assignment. Rule: S1.

Nothing is guessed: a line without a clear partner gets its reason and is not examined further.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from tripartite.core.matching.assignment import Demand, Supply, assign
from tripartite.core.matching.billed import Bill, BilledLine
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ONE, ZERO
from tripartite.core.matching.ordered import Ordered
from tripartite.core.matching.policy import Limits
from tripartite.core.matching.state import LineState, Work

Share = tuple[Ordered, Fraction, Fraction]
"""An order line, the signed quantity on it in its unit, and which part of the invoice line that is."""


def candidates(book: Book, bill: Bill, line: BilledLine, limits: Limits) -> list[Ordered] | str:
    """The order lines an invoice line may stand on, or the reason why there is none.

    An empty list without a reason: no order is named and policy does not need one.
    """
    names = (line.order,) if line.order else bill.orders
    if not names:
        return "reference.order_missing" if limits.order_required else []
    known = [book.orders[name] for name in names if name in book.orders]
    if not known:
        return "reference.order_unknown"
    reference = line.doc.order_line_ref
    if len(names) == 1:
        order = known[0]
        if line.order_line is not None:
            found = order.by_line.get(line.order_line)
            return [found] if found is not None else "reference.line_unmatched"
        if reference and reference in order.by_ref:
            return [order.by_ref[reference]]
    fits = [ordered for order in known for ordered in order.lines if ordered.ids & line.ids]
    if line.order_line is not None:
        # Several orders on the header and a bare line number: the number narrows what the item found.
        numbered = [ordered for ordered in fits if ordered.line == line.order_line]
        if not line.ids:
            numbered = [order.by_line[line.order_line] for order in known if line.order_line in order.by_line]
            fits = numbered if len(numbered) == 1 else []
        fits = numbered or fits
    if fits:
        return fits
    return "reference.order_unknown" if len(known) < len(names) else "reference.line_unmatched"


def quantity_on(book: Book, line: BilledLine, ordered: Ordered) -> Fraction | None:
    """The signed quantity of an invoice line in an order line's unit; None where no conversion is known.

    On a limit line the net amount stands for the quantity. A line without a quantity has quantity 0.
    """
    if ordered.mode == "limit":
        return line.net_amount
    factor = book.unit_ratio(ordered.doc.item, line.unit, ordered.unit)
    if factor is None:
        return None
    return ZERO if line.quantity is None else line.quantity * factor


def pair_lines(work: Work, book: Book, states: dict[int, LineState]) -> list[tuple[BilledLine, list[Share]]]:
    """Pair all lines of an invoice that is no credit. Lines without a partner are noted as reasons and left out.

    References and single candidates are settled first; the others compete by `assign` for what is open then.
    """
    bill = work.bill
    settled: dict[int, list[Share]] = {}
    competing: list[tuple[int, BilledLine, list[Ordered]]] = []
    lines = bill.numbers(book).lines
    for place, line in enumerate(lines):
        found = candidates(book, bill, line, work.limits)
        if isinstance(found, str):
            work.say(found, line.line, None, _words(found, line), rule="S1")
            continue
        usable = [ordered for ordered in found if quantity_on(book, line, ordered) is not None]
        if found and not usable:
            work.say(
                "match.unit_unknown",
                line.line,
                None,
                f"Line {line.line} is billed in {line.unit}; no conversion to {found[0].unit} is known.",
                unit=line.unit,
                rule="S13",
            )
        elif len(usable) == 1:
            quantity = quantity_on(book, line, usable[0])
            assert quantity is not None
            settled[place] = [(usable[0], quantity, ONE)]
        elif usable:
            competing.append((place, line, usable))
    if competing:
        settled.update(_compete(work, book, states, settled, competing))
    return [(line, settled[place]) for place, line in enumerate(lines) if place in settled]


def _compete(
    work: Work,
    book: Book,
    states: dict[int, LineState],
    settled: dict[int, list[Share]],
    competing: list[tuple[int, BilledLine, list[Ordered]]],
) -> dict[int, list[Share]]:
    pool: dict[int, Ordered] = {}
    for _, _, fits in competing:
        for ordered in fits:
            pool.setdefault(ordered.index, ordered)
    order_of = {name: place for place, name in enumerate(work.bill.orders)}
    lines = sorted(pool.values(), key=lambda one: (order_of.get(one.order.number, 0), one.order.number, one.line))
    base = lines[0].unit
    factors = {one.index: book.unit_ratio(one.doc.item, one.unit, base) for one in lines}
    claimed: dict[int, Fraction] = {}
    for shares in settled.values():
        for ordered, settled_quantity, _ in shares:
            claimed[ordered.index] = claimed.get(ordered.index, ZERO) + settled_quantity
    supplies: list[Supply] = []
    place_of: dict[int, int] = {}
    for ordered in lines:
        factor = factors[ordered.index]
        if factor is None or ordered.mode == "limit":
            continue
        place_of[ordered.index] = len(supplies)
        price = ordered.numbers(book).price_on(_price_day(ordered, work.bill))
        supplies.append(
            Supply(
                price / factor,
                _open(ordered, book, states, claimed, factor),
                (ordered.unit, ordered.mode, ordered.codes),
            )
        )
    result: dict[int, list[Share]] = {}
    demands: list[Demand] = []
    asking: list[tuple[int, BilledLine, Fraction]] = []
    for place, line, fits in competing:
        usable = [ordered for ordered in fits if ordered.index in place_of]
        quantity = quantity_on(book, line, usable[0]) if usable else None
        if quantity is None or line.quantity is None:
            _ambiguous(work, line)
            continue
        if quantity == 0:
            result[place] = [(usable[0], ZERO, ONE)]
            continue
        in_base = abs(quantity) * (factors[usable[0].index] or ONE)
        asked = abs(line.value) / in_base
        if quantity < 0:
            nearest = min(
                usable, key=lambda one: (abs(asked - supplies[place_of[one.index]].price), place_of[one.index])
            )
            back = quantity_on(book, line, nearest)
            if back is not None:
                result[place] = [(nearest, back, ONE)]
            continue
        places = tuple(sorted(place_of[ordered.index] for ordered in usable))
        demands.append(Demand(asked, in_base, places, (line.unit, line.codes, line.receipt)))
        asking.append((place, line, in_base))
    outcome = assign(demands, supplies)
    by_place = {number: pool[index] for index, number in place_of.items()}
    for number, (place, line, total) in enumerate(asking):
        if number in outcome.ambiguous:
            _ambiguous(work, line)
            continue
        result[place] = [
            (by_place[supply], part / (factors[by_place[supply].index] or ONE), part / total)
            for supply, part in outcome.taken[number]
        ]
    return result


def _ambiguous(work: Work, line: BilledLine) -> None:
    code = "reference.line_ambiguous"
    work.say(code, line.line, None, _words(code, line), rule="S1")


def _price_day(ordered: Ordered, bill: Bill) -> date | None:
    return ordered.order.doc.issued_on if ordered.doc.price_date == "order" else bill.day


def _open(
    ordered: Ordered, book: Book, states: dict[int, LineState], claimed: dict[int, Fraction], factor: Fraction
) -> Fraction | None:
    """What is open of an order line, in the base unit: received net (two-way: the ceiling) less billed so far."""
    numbers = ordered.numbers(book)
    if ordered.mode == "two_way":
        if numbers.ceiling is None:
            return None
        bound = numbers.ceiling
    elif ordered.mode == "service":
        bound = numbers.accepted
    else:
        bound = numbers.received
    state = states.get(ordered.index)
    billed = (state.registered() if state is not None else ordered.billed_before) + claimed.get(ordered.index, ZERO)
    return max(ZERO, bound - billed) * factor


def _words(code: str, line: BilledLine) -> str:
    what = {
        "reference.order_missing": "names no purchase order",
        "reference.order_unknown": f"names order {line.order or '(header)'}, which is not known",
        "reference.line_unmatched": "fits no line of the orders it names",
        "reference.line_ambiguous": "fits several order lines equally well",
    }[code]
    return f"Line {line.line} {what}."
