"""Properties the matching engine owns: whatever the documents, these hold.

The worlds are those of `support/worlds.py`.
"""

from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.worlds import DAY, decimal, worlds
from tripartite.core.matching.casefile import Case
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.result import MatchResult

SETTINGS = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def stated(results: dict[str, MatchResult]) -> dict[str, tuple[object, ...]]:
    return {name: one.stated() for name, one in results.items()}


@settings(SETTINGS, max_examples=400)
@given(worlds())
def test_fast_path_and_full_evaluation_give_the_same_bytes(world: dict[str, Any]) -> None:
    case = Case(world)
    quick, full = case.play(fast=True), case.play(fast=False)
    assert stated(quick) == stated(full)
    for name, one in quick.items():
        assert one.pairs == full[name].pairs
        assert one.allocations == full[name].allocations
        assert one.inputs_digest == full[name].inputs_digest


@SETTINGS
@given(worlds(), st.randoms(use_true_random=False))
def test_order_of_arrival_of_orders_and_receipts_does_not_change_the_end(world: dict[str, Any], dice: Any) -> None:
    """S17: invoices keep their own order; what they wait for may come in any."""
    case = Case(world)
    usual = case.play()
    facts = [event for event in case.events if event[0] != "invoice"]
    invoices = [event for event in case.events if event[0] == "invoice"]
    dice.shuffle(facts)
    case.events = facts + invoices
    other = case.play()
    assert stated(other) == stated(usual)


@SETTINGS
@given(worlds(), st.randoms(use_true_random=False))
def test_facts_that_come_between_invoices_end_in_the_same_findings(world: dict[str, Any], dice: Any) -> None:
    """S17 without the memory of S38: only `approval.changed_after` knows what was decided on the way."""
    for one in world["invoice"]:
        one.pop("replaces", None)
    case = Case(world)
    usual = case.play()
    invoices = [event for event in case.events if event[0] == "invoice"]
    dice.shuffle(case.events)
    mixed = iter(invoices)
    case.events = [event if event[0] != "invoice" else next(mixed) for event in case.events]
    for name, one in case.play().items():
        findings = [finding for finding in one.findings if finding.code != "approval.changed_after"]
        before = [finding for finding in usual[name].findings if finding.code != "approval.changed_after"]
        assert findings == before
        if len(findings) == len(one.findings) and len(before) == len(usual[name].findings):
            assert one.stated() == usual[name].stated()


@SETTINGS
@given(worlds())
def test_a_document_that_comes_twice_counts_once(world: dict[str, Any]) -> None:
    case = Case(world)
    once = stated(case.play())
    case.events = [event for event in case.events for _ in range(2)]
    assert stated(case.play()) == once


@SETTINGS
@given(worlds())
def test_allocations_never_exceed_what_came_nor_what_is_billed(world: dict[str, Any]) -> None:
    """S3, S42: sums on both sides of the allocation table."""
    case = Case(world)
    results = case.play()
    book = Book([order for _, order in case.orders], [receipt for _, receipt in case.receipts])
    per_receipt: dict[tuple[str, int, str, int], Fraction] = {}
    for one in results.values():
        per_line: dict[tuple[int, str, int], Fraction] = {}
        for part in one.allocations:
            assert part.quantity > 0
            key = (part.order_number, part.order_line, part.receipt_number, part.receipt_line)
            per_receipt[key] = per_receipt.get(key, Fraction(0)) + part.quantity
            line = (part.invoice_line, part.order_number, part.order_line)
            per_line[line] = per_line.get(line, Fraction(0)) + part.quantity
        billed: dict[tuple[int, str, int], Fraction] = {}
        for pair in one.pairs:
            line = (pair.invoice_line, pair.order_number, pair.order_line)
            billed[line] = billed.get(line, Fraction(0)) + pair.billed
        for line, quantity in per_line.items():
            assert quantity <= billed[line]
    for (order, line_number, receipt, receipt_line), quantity in per_receipt.items():
        ordered = book.line(order, line_number)
        assert ordered is not None
        entries = [one for one in ordered.numbers(case_book(case)).entries if one.number == receipt]
        assert quantity <= sum((one.net for one in entries if one.line == receipt_line), Fraction(0))


def case_book(case: Case) -> Book:
    return Book(
        [order for _, order in case.orders],
        [receipt for _, receipt in case.receipts],
        conversions=case.conversions,
    )


@SETTINGS
@given(worlds())
def test_verdicts_and_money_fit_together(world: dict[str, Any]) -> None:
    for one in Case(world).play().values():
        codes = {finding.code for finding in one.findings}
        if one.verdict == "post":
            assert codes <= {"match.small_difference"}
            assert one.at_risk_minor == 0
        elif one.verdict == "reject" and not one.replaced:
            assert one.payable_minor == 0
            assert codes & {"duplicate.exact", "match.arithmetic", "duplicate.self_billed"}
        for finding in one.findings:
            assert finding.words
            assert finding.rule


def clean(quantity: Fraction, price: Fraction, unit: str = "EA", received: Fraction | None = None) -> dict[str, Any]:
    """One order line, all of it billed at `price`; 100 ordered at 10.00."""
    amount = decimal(quantity * price)
    came = Fraction(100) if received is None else received
    return {
        "id": "one",
        "policy": {"price": {"upper_percent": "2", "lower_percent": "ignore"}},
        "order": [
            {
                "number": "PO",
                "supplier": "S",
                "currency": "EUR",
                "date": DAY,
                "line": [{"line": 1, "item": "A", "quantity": "100", "price": "10.00"}],
            }
        ],
        "receipt": [
            {"number": "GR", "date": DAY, "line": [{"order": "PO", "order_line": 1, "quantity": decimal(came)}]}
        ],
        "invoice": [
            {
                "number": "I",
                "supplier": "S",
                "company": "C",
                "currency": "EUR",
                "date": DAY,
                "orders": ["PO"],
                "net": amount,
                "tax": "0",
                "gross": amount,
                "line": [
                    {
                        "line": 1,
                        "order_line": 1,
                        "quantity": decimal(quantity),
                        "price": decimal(price, 4),
                        "unit": unit,
                        "amount": amount,
                    }
                ],
            }
        ],
    }


hundredths = st.integers(1, 20_000).map(lambda number: Fraction(number, 100))


@SETTINGS
@given(hundredths, hundredths, hundredths, hundredths)
def test_asking_for_more_never_removes_a_hold(
    quantity: Fraction, price: Fraction, more: Fraction, dearer: Fraction
) -> None:
    """Monotonicity, with the pairing fixed; a lower-limit notice is muted by the policy here."""
    one = Case(clean(quantity, price)).play()["I"]
    asked_more = Case(clean(quantity + more, price)).play()["I"]
    asked_dearer = Case(clean(quantity, price + dearer)).play()["I"]
    if one.verdict == "hold":
        assert asked_more.verdict == "hold"
        assert asked_dearer.verdict == "hold"


@SETTINGS
@given(st.integers(1, 150), st.integers(1, 150), st.integers(1, 12))
def test_billing_in_another_unit_by_exact_ratio_keeps_the_verdict(boxes: int, came: int, ratio: int) -> None:
    """S13: boxes of `ratio` pieces against pieces."""
    pieces = Case(clean(Fraction(boxes * ratio), Fraction(10), received=Fraction(came * ratio))).play()["I"]
    table = clean(Fraction(boxes), Fraction(10 * ratio), "BX", received=Fraction(came * ratio))
    table["conversion"] = [{"from": "BX", "to": "EA", "numerator": str(ratio), "denominator": "1"}]
    boxed = Case(table).play()["I"]
    assert (pieces.verdict, pieces.at_risk_minor) == (boxed.verdict, boxed.at_risk_minor)
    assert [(f.code, f.variance) for f in pieces.findings] == [(f.code, f.variance) for f in boxed.findings]


@SETTINGS
@given(st.integers(2, 120), st.integers(1, 119), st.sampled_from(["10.00", "10.40"]))
def test_splitting_a_line_keeps_verdict_and_money(quantity: int, first: int, price: str) -> None:
    """S3: one line of n, or two lines of n together."""
    first = min(first, quantity - 1)
    whole = clean(Fraction(quantity), Fraction(price))
    split = clean(Fraction(quantity), Fraction(price))
    line = split["invoice"][0]["line"][0]
    split["invoice"][0]["line"] = [
        {**line, "line": place, "quantity": str(part), "amount": decimal(part * Fraction(price))}
        for place, part in ((1, first), (2, quantity - first))
    ]
    one, two = Case(whole).play()["I"], Case(split).play()["I"]
    assert one.verdict == two.verdict
    assert one.at_risk_minor == two.at_risk_minor


@SETTINGS
@given(st.integers(1, 150), st.integers(1, 150), st.sampled_from(["10.00", "10.40", "9.00"]), st.integers(1, 5000))
def test_another_currency_of_the_same_worth_keeps_the_verdict(billed: int, came: int, price: str, factor: int) -> None:
    """S27: all amounts in another currency, scaled by one factor, and bounds in percent: the same reasons."""
    one = clean(Fraction(billed), Fraction(price), received=Fraction(came))
    other = clean(Fraction(billed), Fraction(price) * factor, received=Fraction(came))
    other["order"][0]["line"][0]["price"] = decimal(Fraction(10) * factor)
    other["order"][0]["currency"] = other["invoice"][0]["currency"] = "PLN"
    left, right = Case(one).play()["I"], Case(other).play()["I"]
    assert left.verdict == right.verdict
    assert [finding.code for finding in left.findings] == [finding.code for finding in right.findings]
    assert [(finding.variance or 0) * factor for finding in left.findings] == [
        finding.variance or 0 for finding in right.findings
    ]
    assert left.at_risk_minor * factor == right.at_risk_minor


@SETTINGS
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from(["10.00", "10.40"]))
def test_merging_two_lines_of_an_order_keeps_the_money(first: int, second: int, price: str) -> None:
    """S3: two order lines of one item and price, or one of their sum, with what came of them."""
    merged = clean(Fraction(first + second), Fraction(price), received=Fraction(50))
    merged["order"][0]["line"][0]["quantity"] = "120"
    parts = clean(Fraction(first + second), Fraction(price), received=Fraction(50))
    line = parts["order"][0]["line"][0]
    parts["order"][0]["line"] = [{**line, "quantity": "60"}, {**line, "line": 2, "quantity": "60"}]
    parts["receipt"][0]["line"] = [
        {"order": "PO", "order_line": 1, "quantity": "25"},
        {"order": "PO", "order_line": 2, "quantity": "25"},
    ]
    del parts["invoice"][0]["line"][0]["order_line"]
    parts["invoice"][0]["line"][0]["item"] = "A"
    one, two = Case(merged).play()["I"], Case(parts).play()["I"]
    assert one.verdict == two.verdict
    assert one.at_risk_minor == two.at_risk_minor


@SETTINGS
@given(hundredths, hundredths)
def test_no_number_of_a_result_is_a_binary_float(quantity: Fraction, price: Fraction) -> None:
    """Decimal exactness: what is stated has the currency's decimals, what is compared is a fraction."""
    result = Case(clean(quantity, price)).play()["I"]
    for finding in result.findings:
        assert finding.variance is None or finding.variance.as_tuple().exponent == -2
    numbers = [value for pair in result.pairs for value in vars_of(pair)]
    assert all(isinstance(value, Fraction) for value in numbers)


def vars_of(pair: Any) -> list[Any]:
    """The numbers of a comparison."""
    return [
        value
        for name in pair.__struct_fields__
        if (value := getattr(pair, name)) is not None and not isinstance(value, str | int)
    ]


@SETTINGS
@given(hundredths, st.integers(1, 99), st.integers(0, 3))
def test_one_bad_line_says_nothing_about_the_other(price: Fraction, quantity: int, kind: int) -> None:
    """S7, locality: the findings of line 2 do not depend on line 1."""
    table = clean(Fraction(quantity), Fraction(10))
    order_line = table["order"][0]["line"][0]
    table["order"][0]["line"] = [order_line, {**order_line, "line": 2, "item": "B"}]
    table["receipt"][0]["line"].append({"order": "PO", "order_line": 2, "quantity": str(50)})
    invoice = table["invoice"][0]
    second = {**invoice["line"][0], "line": 2, "order_line": 2}
    amount = decimal(quantity * price)
    first = {**invoice["line"][0], "price": decimal(price), "amount": amount}
    if kind == 1:
        first["order_line"] = 7
    if kind == 2:
        first["unit"] = "KGM"
    invoice["line"] = [first, second]
    invoice["net"] = invoice["gross"] = decimal(Fraction(amount) + quantity * 10)
    result = Case(table).play()["I"]
    over = max(0, quantity - 50)
    of_second = [(f.code, f.variance) for f in result.findings if f.line == 2]
    if over:
        assert [(code, str(variance)) for code, variance in of_second] == [
            ("match.quantity_over_received", f"{over * 10}.00")
        ]
    else:
        assert of_second == []


@SETTINGS
@given(st.integers(1, 10**9), st.integers(1, 10**6), st.integers(1, 1000))
def test_a_price_per_many_units_is_never_rounded(quantity: int, price: int, per: int) -> None:
    """S12: a bill of exactly quantity x price / per posts, whatever the digits."""
    exact = Fraction(quantity * price, per * 100)
    table = clean(Fraction(1), Fraction(1))
    table["order"][0]["line"][0].update(
        {"quantity": str(quantity), "price": decimal(Fraction(price, 100)), "price_per": str(per)}
    )
    table["receipt"][0]["line"][0]["quantity"] = str(quantity)
    invoice = table["invoice"][0]
    amount = decimal(exact)
    invoice["net"] = invoice["gross"] = amount
    invoice["line"][0].update(
        {"quantity": str(quantity), "price": decimal(Fraction(price, 100)), "price_per": str(per), "amount": amount}
    )
    assert Case(table).play()["I"].verdict == "post"
