"""The engine as the runtime asks it: a neighbourhood of canonical objects, and what is known of each invoice."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest

from tripartite.core.matching.billed import Arrived
from tripartite.core.matching.charges import spread_by_value
from tripartite.core.matching.engine import evaluate
from tripartite.core.matching.evidence import Book, SupplierFacts, book_from_objects
from tripartite.core.matching.policy import MatchPolicy
from tripartite.core.matching.result import MatchResult
from tripartite.core.money import Amount, Money, Price, Rate
from tripartite.core.objects import (
    Allowance,
    Invoice,
    InvoiceLine,
    Order,
    OrderLine,
    Receipt,
    ReceiptLine,
    TaxCode,
    TaxSubtotal,
)
from tripartite.core.quantity import Quantity

DAY = date(2026, 6, 1)
AS_OF = date(2026, 6, 30)


def order(price: str = "10.00", version: int = 1, **more: object) -> Order:
    line = OrderLine(1, item="VALVE", quantity=Quantity("100"), price=Price(price))
    return msgspec.structs.replace(
        Order("PO-1", "EUR", version=version, supplier_id="OAK", issued_on=DAY, lines=(line,)), **more
    )


def receipt(quantity: str = "100", number: str = "GR-1", version: int = 1) -> Receipt:
    return Receipt(number, version=version, posted_on=DAY, lines=(ReceiptLine("PO-1", 1, Quantity(quantity)),))


def invoice(number: str, quantity: str = "50", price: str = "10.00", **more: object) -> Invoice:
    amount = Amount((Decimal(quantity) * Decimal(price)).quantize(Decimal("0.01")))
    line = InvoiceLine(
        1, order_line=1, item="VALVE", quantity=Quantity(quantity), unit="EA", price=Price(price), amount=amount
    )
    base = Invoice(
        number,
        "invoice",
        "EUR",
        DAY,
        company_code="1000",
        supplier_id="OAK",
        order_numbers=("PO-1",),
        net=amount,
        tax=Amount("0"),
        gross=amount,
        lines=(line,),
    )
    return msgspec.structs.replace(base, **more)


def arrived(one: Invoice, sequence: int, **life: object) -> Arrived:
    return Arrived(one.number, one, DAY, sequence, **life)  # type: ignore[arg-type]


def ask(invoices: list[Arrived], *, orders: list[Order] | None = None, **more: object) -> dict[str, MatchResult]:
    book = book_from_objects(orders or [order()], [receipt()], invoices, **more)  # type: ignore[arg-type]
    return {one.invoice_id: one for one in evaluate(book, as_of=AS_OF)}


def codes(result: MatchResult) -> list[tuple[str, int]]:
    return [(one.code, one.line) for one in result.findings]


def test_a_subset_is_answered_and_all_invoices_count() -> None:
    book = book_from_objects([order()], [receipt()], [arrived(invoice("A", "80"), 1), arrived(invoice("B", "30"), 2)])
    (only,) = evaluate(book, ["B"], as_of=AS_OF)
    assert only.invoice_id == "B"
    assert codes(only) == [("match.quantity_over_received", 1)]
    assert only.money_at_risk == Money(100_00, "EUR")


def test_the_order_of_arrival_decides_whatever_the_order_of_gathering() -> None:
    first, second = arrived(invoice("A", "80"), 1), arrived(invoice("B", "30"), 2)
    assert ask([second, first])["A"].verdict == "post"
    assert ask([second, first])["B"].verdict == "hold"


def test_what_was_post_and_no_longer_is_is_held_as_changed_after() -> None:
    result = ask([arrived(invoice("A", "120"), 1, decided=True, was_post=True)])["A"]
    assert codes(result)[0] == ("approval.changed_after", 0)
    assert result.payable_now == Money(0, "EUR")


def test_what_was_post_and_still_is_says_nothing() -> None:
    result = ask([arrived(invoice("A"), 1, decided=True, was_post=True)])["A"]
    assert (result.verdict, result.findings) == ("post", ())


def test_a_paid_invoice_keeps_its_result_and_claims_what_was_lost() -> None:
    kept = ask([arrived(invoice("A", "100"), 1)])["A"]
    book = book_from_objects([order()], [receipt("90")], [arrived(invoice("A", "100"), 1, decided=True, kept=kept)])
    (result,) = evaluate(book, as_of=AS_OF)
    assert (result.verdict, result.payable_now) == ("post", Money(1000_00, "EUR"))
    assert [(one.code, str(one.variance)) for one in result.findings] == [("match.quantity_returned", "100.00")]


def test_a_dropped_invoice_counts_for_nothing() -> None:
    results = ask([arrived(invoice("A", "80"), 1, dropped=True), arrived(invoice("B", "100"), 2)])
    assert list(results) == ["B"]
    assert results["B"].verdict == "post"


def test_a_correction_replaces_a_held_invoice_even_in_one_batch() -> None:
    results = ask([arrived(invoice("A", price="11.00"), 1), arrived(invoice("B", replaces="A"), 2)])
    assert (results["A"].verdict, results["A"].replaced, results["A"].findings) == ("reject", True, ())
    assert results["B"].verdict == "post"


def test_a_correction_of_what_was_post_is_void_even_in_one_batch() -> None:
    results = ask([arrived(invoice("A-1"), 1), arrived(invoice("A-01", replaces="A-1"), 2)])
    assert results["A-1"].verdict == "post"
    assert codes(results["A-01"]) == [("duplicate.probable", 0)]


def test_the_highest_version_of_order_and_receipt_stands() -> None:
    book = book_from_objects(
        [order("12.00", version=2), order("10.00", version=1)],
        [receipt("100", version=3), receipt("10", version=2)],
        [arrived(invoice("A", price="12.00"), 1)],
    )
    assert evaluate(book, as_of=AS_OF)[0].verdict == "post"


def test_a_credit_without_header_order_finds_a_later_original() -> None:
    credit = invoice("C", "10", kind="credit_memo", original="A", order_numbers=())
    item_only = msgspec.structs.replace(credit.lines[0], order_line=None)
    results = ask([arrived(msgspec.structs.replace(credit, lines=(item_only,)), 1), arrived(invoice("A"), 2)])
    assert (results["C"].verdict, results["C"].payable_now) == ("post", Money(-100_00, "EUR"))
    assert results["A"].pairs[0].billed == 40


def test_an_amount_without_quantity_proves_nothing_on_a_line_ordered_by_quantity() -> None:
    bare = InvoiceLine(1, order_line=1, amount=Amount("500.00"))
    policy = MatchPolicy(price=msgspec.structs.replace(MatchPolicy().price, upper_percent="ignore"))
    book = book_from_objects([order()], [receipt()], [arrived(invoice("A", lines=(bare,)), 1)])
    (result,) = evaluate(book, policy_of=lambda _bill: policy, as_of=AS_OF)
    assert [(one.code, str(one.variance)) for one in result.findings] == [("match.amount_over_line", "500.00")]


def test_a_line_allowance_is_part_of_the_line() -> None:
    line = msgspec.structs.replace(
        invoice("A").lines[0], amount=Amount("490.00"), allowances=(Allowance(Amount("-10.00"), "discount"),)
    )
    result = ask([arrived(invoice("A", lines=(line,), net=Amount("490.00"), gross=Amount("490.00")), 1)])["A"]
    assert [(one.code, str(one.variance)) for one in result.findings] == [("match.price_under_limit", "-10.00")]


def test_totals_that_are_not_stated_disagree_with_nothing() -> None:
    result = ask([arrived(invoice("A", net=None, gross=None), 1)])["A"]
    assert (result.verdict, result.payable_now) == ("post", Money(500_00, "EUR"))


def test_an_order_without_tax_codes_is_compared_unless_policy_says_otherwise() -> None:
    taxed = invoice(
        "A",
        tax=Amount("95.00"),
        gross=Amount("595.00"),
        taxes=(TaxSubtotal(Amount("95.00"), "V19"),),
        lines=(msgspec.structs.replace(invoice("A").lines[0], tax_codes=("V19",)),),
    )
    book = Book([order()], [receipt()], [arrived(taxed, 1)], taxes=[TaxCode("V19", Rate("19"))])
    assert codes(evaluate(book, as_of=AS_OF)[0]) == [("tax.code_differs", 1)]
    lax = MatchPolicy(order_tax_codes="if_stated")
    assert evaluate(book, policy_of=lambda _bill: lax, as_of=AS_OF)[0].verdict == "post"


def test_suppliers_that_share_an_account_are_one_group_for_duplicates() -> None:
    suppliers = [SupplierFacts("OAK", accounts=("X1",)), SupplierFacts("ASH", accounts=("X1",), tax_id="T")]
    other = invoice("A-7a", supplier_id="ASH")
    results = ask([arrived(invoice("A-7"), 1), arrived(other, 2)], suppliers=suppliers)
    assert codes(results["A-7a"]) == [("duplicate.probable", 0)]


def test_pairs_and_allocations_show_what_was_compared() -> None:
    book = book_from_objects(
        [order()],
        [receipt("30"), receipt("70", "GR-2")],
        [arrived(invoice("A", "40"), 1), arrived(invoice("B", "50", "10.50"), 2)],
    )
    first, second = evaluate(book, as_of=AS_OF)
    assert [(part.receipt_number, part.quantity) for part in first.allocations] == [("GR-1", 30), ("GR-2", 10)]
    assert [(part.receipt_number, part.quantity) for part in second.allocations] == [("GR-2", 50)]
    (pair,) = second.pairs
    assert (pair.ordered, pair.received, pair.billed_before, pair.billed, pair.bound) == (100, 100, 40, 50, 100)
    assert (pair.order_price, pair.invoice_price, pair.variance) == (10, Fraction(21, 2), 25)


def test_the_same_inputs_have_the_same_digest_and_others_another() -> None:
    def digest(*invoices: Arrived, price: str = "10.00") -> str:
        return ask(list(invoices), orders=[order(price)])["A"].inputs_digest

    one, two = arrived(invoice("A"), 1), arrived(invoice("B", "20"), 2)
    assert digest(one, two) == digest(two, one)
    assert digest(one, two) != digest(one)
    assert digest(one) != digest(one, price="10.50")


def test_findings_say_it_in_words_with_numbers() -> None:
    (finding,) = ask([arrived(invoice("A", "103"), 1)])["A"].findings
    assert finding.words == (
        "Line 1 bills 103 EA of order PO-1 line 1; received net is 100, billed before 0: 3 EA too many."
    )
    assert (finding.breach, finding.limit, finding.unit, finding.rule) == ("3", "100", "EA", "S2")


@pytest.mark.parametrize(
    ("total", "values", "parts"),
    [(4500, [600, 400], [2700, 1800]), (1000, [1, 1, 1], [334, 333, 333]), (7, [0, 0], [4, 3]), (5, [], [])],
)
def test_an_accepted_charge_is_spread_without_losing_a_cent(total: int, values: list[int], parts: list[int]) -> None:
    assert spread_by_value(total, [Fraction(value) for value in values]) == parts
