"""UBL orders and receipt advices become canonical orders and receipts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from connectors.documents.builder import ubl
from tripartite.connectors.documents import read_any
from tripartite.core.objects import Order, Receipt
from tripartite.runtime.protocol import Raw, ReadResult, Unreadable

ORDER_LINE = """<cac:OrderLine><cbc:Note>beside</cbc:Note><cac:LineItem><cbc:ID>{id}</cbc:ID>
<cbc:Quantity unitCode="EA">{quantity}</cbc:Quantity>
<cac:Delivery><cac:RequestedDeliveryPeriod><cbc:EndDate>2026-04-01</cbc:EndDate></cac:RequestedDeliveryPeriod></cac:Delivery>
<cac:Price><cbc:PriceAmount currencyID="EUR">{price}</cbc:PriceAmount>
<cbc:BaseQuantity unitCode="EA">{per}</cbc:BaseQuantity>
</cac:Price><cac:Item><cbc:Name>Bolt</cbc:Name></cac:Item></cac:LineItem></cac:OrderLine>"""


def order(*lines: str, head: str = "") -> Order:
    content = ubl(
        "<cbc:ID>4500000123</cbc:ID><cbc:IssueDate>2026-03-01</cbc:IssueDate>"
        f"<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>{head}{''.join(lines)}",
        "Order",
    )
    answer = read_any(Raw(content, ""))
    assert isinstance(answer, ReadResult), answer
    assert isinstance(answer.value, Order)
    return answer.value


def test_an_order_arrives_with_its_lines() -> None:
    found = order(ORDER_LINE.format(id=10, quantity="5", price="4.00", per="1"))
    assert (found.number, found.currency, found.issued_on) == ("4500000123", "EUR", date(2026, 3, 1))
    (only,) = found.lines
    assert (only.line, only.foreign_id, only.quantity, only.unit) == (10, "10", Decimal(5), "EA")
    assert (only.price, only.price_per, only.due_on) == (Decimal("4.00"), 1, date(2026, 4, 1))
    assert found.extra == {"/Order/cac:OrderLine/cbc:Note": "beside"}


def test_a_price_per_a_part_of_a_unit_becomes_exact() -> None:
    hundred = order(ORDER_LINE.format(id=1, quantity="5", price="4.00", per="100")).lines[0]
    assert (hundred.price, hundred.price_per) == (Decimal("4.00"), 100)
    half = order(ORDER_LINE.format(id=1, quantity="5", price="4.00", per="2.5")).lines[0]
    assert (half.price, half.price_per) == (Decimal("8.00"), 5)


def test_lines_without_usable_numbers_are_counted() -> None:
    lines = [ORDER_LINE.format(id=name, quantity="1", price="1", per="1") for name in ("1a", "1b")]
    assert [(entry.line, entry.foreign_id) for entry in order(*lines).lines] == [(1, "1a"), (2, "1b")]
    twice = [ORDER_LINE.format(id=7, quantity="1", price="1", per="1")] * 2
    assert [entry.line for entry in order(*twice).lines] == [1, 2]


def receipt(lines: str, head: str = "") -> Receipt | Unreadable:
    content = ubl(f"<cbc:ID>GR-7</cbc:ID><cbc:IssueDate>2026-03-05</cbc:IssueDate>{head}{lines}", "ReceiptAdvice")
    answer = read_any(Raw(content, ""))
    if isinstance(answer, Unreadable):
        return answer
    assert isinstance(answer.value, Receipt)
    return answer.value


RECEIPT_LINE = """<cac:ReceiptLine><cbc:ID>1</cbc:ID>
<cbc:ReceivedQuantity unitCode="EA">{received}</cbc:ReceivedQuantity>
{more}</cac:ReceiptLine>"""
ORDER_REFERENCE = "<cac:OrderReference><cbc:ID>4500000123</cbc:ID></cac:OrderReference>"


def test_a_receipt_advice_says_what_came_and_what_passed() -> None:
    more = """<cbc:RejectedQuantity unitCode="EA">2</cbc:RejectedQuantity>
    <cac:OrderLineReference><cbc:LineID>20</cbc:LineID></cac:OrderLineReference>"""
    found = receipt(RECEIPT_LINE.format(received="10", more=more), ORDER_REFERENCE)
    assert isinstance(found, Receipt)
    (only,) = found.lines
    assert (only.order_number, only.order_line, only.quantity, only.unit) == ("4500000123", 20, Decimal(10), "EA")
    assert (only.accepted, only.rejected) == (Decimal(8), Decimal(2))
    assert (found.number, found.kind, found.posted_on) == ("GR-7", "receipt", date(2026, 3, 5))


def test_a_line_that_names_no_order_line_is_not_given_one() -> None:
    found = receipt(RECEIPT_LINE.format(received="10", more=""), ORDER_REFERENCE)
    assert isinstance(found, Receipt)
    assert (found.lines[0].order_line, found.lines[0].accepted) == (0, None)
    named = "<cac:OrderLineReference><cbc:LineID>A.1</cbc:LineID></cac:OrderLineReference>"
    other = receipt(RECEIPT_LINE.format(received="10", more=named))
    assert isinstance(other, Receipt)
    assert (other.lines[0].order_line, other.lines[0].order_line_ref) == (0, "A.1")


def test_a_receipt_that_cannot_be_is_refused_where_it_says_so() -> None:
    negative = receipt(RECEIPT_LINE.format(received="-1", more=""))
    assert isinstance(negative, Unreadable)
    assert (negative.reason_code, negative.pointer) == ("intake.value_out_of_range", "/ReceiptAdvice/cac:ReceiptLine")
    empty = receipt("<cac:ReceiptLine><cbc:ID>1</cbc:ID></cac:ReceiptLine>")
    assert isinstance(empty, Unreadable)
    assert empty.reason_code == "intake.malformed"


def test_a_rejection_in_another_unit_is_kept_and_not_calculated_with() -> None:
    found = receipt(
        RECEIPT_LINE.format(received="1", more='<cbc:RejectedQuantity unitCode="BX">1</cbc:RejectedQuantity>')
    )
    assert isinstance(found, Receipt)
    assert (found.lines[0].accepted, found.lines[0].rejected) == (None, None)
    assert found.extra == {
        "/ReceiptAdvice/cac:ReceiptLine/cbc:RejectedQuantity": "1",
        "/ReceiptAdvice/cac:ReceiptLine/cbc:RejectedQuantity/@unitCode": "BX",
    }


def test_a_despatch_advice_is_no_receipt() -> None:
    answer = read_any(Raw(ubl("<cbc:ID>1</cbc:ID>", "DespatchAdvice"), ""))
    assert isinstance(answer, Unreadable)
    assert (answer.reason_code, answer.pointer) == ("intake.type_not_supported", "/DespatchAdvice")
