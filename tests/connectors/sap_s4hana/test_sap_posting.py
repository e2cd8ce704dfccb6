"""Supplier invoices go to SAP once: what each answer means, and what a batch says of each of its invoices."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from connectors.sap_s4hana.sap_bench import Answer as Reached
from connectors.sap_s4hana.sap_bench import Sap, line, outbound, posting, ten
from tripartite.connectors.sap_s4hana.client import batch
from tripartite.connectors.simulating import Reply
from tripartite.core.money import Amount
from tripartite.core.objects import PostingTax
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import Accepted, Answer, Rejected, RetryLater, Settled, Unknown


async def one(sap: Sap, **changes: object) -> Answer:
    (answer,) = await sap.client.submit([outbound(posting(**changes))])
    return answer


async def test_a_posted_invoice_comes_back_with_its_document_number_and_year(sap: Sap) -> None:
    assert await one(sap) == Settled("5105600001/2026", "")
    (booked,) = sap.ledger()
    assert booked["company"] == "1010"
    assert booked["supplier"] == "10300080"
    assert booked["reference"] == "RW-2026-00417"
    assert booked["gross"] == "1190.00"
    assert booked["date"] == "2026-11-12"
    assert booked["text"] == "dlv_RW-2026-00417"
    assert booked["lines"] == [
        {"order": "4500001234", "item": 10, "amount": "1000.00", "quantity": "10.000", "receipt": ""}
    ]


async def test_a_batch_posts_every_invoice_in_one_call(sap: Sap) -> None:
    answers = await sap.client.submit(ten())
    assert [answer.remote_ref for answer in answers if isinstance(answer, Settled)] == [
        f"{5105600000 + place}/2026" for place in range(1, 11)
    ]
    assert sap.http.calls == ["csrf", "post_invoices"]


async def test_items_three_and_seven_of_ten_fail_and_the_others_are_posted(sap: Sap) -> None:
    items = ten()
    items[2] = outbound(posting("N-3", gross=Amount("1191.00")))
    items[6] = outbound(posting("N-7", lines=(line(order_line=90),)))
    answers = await sap.client.submit(items)
    assert answers[2] == Rejected("M8/534", "Balance not zero: -1.00 debits: 1190.00 credits: 1191.00")
    assert isinstance(answers[6], Rejected)
    assert answers[6].code == "06/011"
    assert sum(isinstance(answer, Settled) for answer in answers) == 8
    assert [row["reference"] for row in sap.ledger()] == [f"N-{n}" for n in (1, 2, 4, 5, 6, 8, 9, 10)]


async def test_a_batch_answered_in_another_order_gives_each_invoice_its_own_number(sap: Sap) -> None:
    sap.fault("batch", "batch.reorder")
    answers = await sap.client.submit(ten())
    numbers = {row["reference"]: f"{row['document']}/{row['year']}" for row in sap.ledger()}
    assert [answer.remote_ref for answer in answers if isinstance(answer, Settled)] == [
        numbers[f"N-{place}"] for place in range(1, 11)
    ]


async def test_errors_of_a_reordered_batch_are_not_pinned_on_the_wrong_invoice(sap: Sap) -> None:
    items = ten()
    items[2] = outbound(posting("N-3", gross=Amount("1191.00")))
    items[6] = outbound(posting("N-7", lines=(line(order_line=90),)))
    sap.fault("batch", "batch.reorder")
    answers = await sap.client.submit(items)
    assert isinstance(answers[2], Unknown)
    assert isinstance(answers[6], Unknown)
    assert sum(isinstance(answer, Settled) for answer in answers) == 8


async def test_a_refusal_is_not_believed_beside_an_unknown_that_may_have_changed_places(sap: Sap) -> None:
    items = [outbound(posting(f"N-{place}")) for place in range(3)]
    items[2] = outbound(posting("N-2", lines=(line(order_line=90),)))
    sap.fault("post_invoice", "commit_then_5xx")  # strikes the first, which is booked
    sap.fault("batch", "batch.reorder")  # the posted one in the middle stands where it should
    answers = await sap.client.submit(items)
    assert [type(answer) for answer in answers] == [Unknown, Settled, Unknown]
    assert [row["reference"] for row in sap.ledger()] == ["N-0", "N-1"]
    assert isinstance(await sap.client.probe(items[0]), Settled)


async def test_repeated_content_ids_name_the_failed_invoices_in_any_order(sap: Sap) -> None:
    items = ten()
    items[2] = outbound(posting("N-3", gross=Amount("1191.00")))
    items[6] = outbound(posting("N-7", lines=(line(order_line=90),)))
    sap.fault("batch", "batch.reorder")
    sap.fault("batch", "batch.echo")
    answers = await sap.client.submit(items)
    assert [answer.code for answer in answers if isinstance(answer, Rejected)] == ["M8/534", "06/011"]
    assert isinstance(answers[2], Rejected)
    assert isinstance(answers[6], Rejected)
    assert sum(isinstance(answer, Settled) for answer in answers) == 8


async def test_an_invoice_missing_in_the_reply_is_unknown_and_the_probe_finds_it(sap: Sap) -> None:
    sap.fault("batch", "batch.omit")
    answers = await sap.client.submit(ten())
    assert sum(isinstance(answer, Settled) for answer in answers) == 9
    assert isinstance(answers[9], Unknown)
    assert await sap.client.probe(ten()[9]) == Settled("5105600010/2026", "")


async def test_with_a_missing_part_an_error_is_not_believed_by_its_place(sap: Sap) -> None:
    items = ten()
    items[2] = outbound(posting("N-3", gross=Amount("1191.00")))
    sap.fault("batch", "batch.omit")
    answers = await sap.client.submit(items)
    assert isinstance(answers[2], Unknown)
    assert isinstance(answers[9], Unknown)


def test_a_truncated_batch_leaves_out_the_part_that_is_cut() -> None:
    body = b'{"d":{}}'
    part = b"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 400 Bad Request\r\nContent-Length: 8\r\n\r\n" + body
    whole = part + b"\r\n" + part + b"\r\n--b--"
    assert [found.status for found in batch.parse(whole, "multipart/mixed; boundary=b")] == [400, 400]
    assert [found.status for found in batch.parse(whole[: len(part) + 60], "multipart/mixed; boundary=b")] == [400]
    assert [found.body for found in batch.parse(whole[: len(part) * 2], "multipart/mixed; boundary=b")] == [body]
    assert batch.parse(whole, "text/html") == []


async def test_a_locked_order_is_tried_again_later_and_not_refused(sap: Sap) -> None:
    sap.fault("post_invoice", "lock")
    answer = await one(sap)
    assert isinstance(answer, RetryLater)
    assert "locked by user" in answer.reason
    assert isinstance(await one(sap), Settled)


async def test_too_many_requests_waits_as_long_as_sap_says(sap: Sap) -> None:
    sap.fault("post_invoice", "reply.429", retry_after=17.0)
    assert await one(sap) == RetryLater("too many requests (429)", 17.0)
    sap.fault("batch", "reply.429")
    assert set(await sap.client.submit(ten())) == {RetryLater("too many requests (429)", None)}
    assert sap.ledger() == []


async def test_a_server_error_before_or_after_the_commit_is_unknown(sap: Sap) -> None:
    sap.fault("post_invoice", "reply.5xx", status=503)
    assert await one(sap) == Unknown("answer 503")
    assert sap.ledger() == []
    sap.fault("post_invoice", "commit_then_5xx", status=504)
    assert await one(sap) == Unknown("answer 504")
    assert len(sap.ledger()) == 1


async def test_a_login_page_is_never_taken_for_a_posting(sap: Sap) -> None:
    sap.fault("post_invoice", "lie_html")
    assert isinstance(await one(sap), Unknown)
    sap.fault("batch", "lie_html")
    assert {type(answer) for answer in await sap.client.submit(ten())} == {Unknown}
    assert sap.ledger() == []


@pytest.mark.parametrize("fault", ["commit_then_hang", "commit_then_cut", "hang"])
async def test_an_answer_that_never_came_is_unknown(sap: Sap, fault: str) -> None:
    sap.fault("post_invoice", fault)
    answer = await one(sap)
    assert isinstance(answer, Unknown)
    assert len(sap.ledger()) == (0 if fault == "hang" else 1)


class Scripted:
    """The http port of a bench, with the next answers to posts replaced by these."""

    def __init__(self, sap: Sap, *replies: Reply) -> None:
        self.request_of_bench = sap.http.request
        self.replies = list(replies)
        sap.http.request = self.request  # type: ignore[method-assign,assignment]

    async def request(self, method: str, url: str, **rest: Any) -> Reached:
        if method == "POST" and self.replies:
            return Reached(self.replies.pop(0))
        return await self.request_of_bench(method, url, **rest)


async def test_a_batch_too_large_for_a_proxy_is_sent_in_halves(sap: Sap) -> None:
    Scripted(sap, Reply(413, b"too large", {}))
    answers = await sap.client.submit(ten())
    assert all(isinstance(answer, Settled) for answer in answers)
    assert [row["reference"] for row in sap.ledger()] == [f"N-{place}" for place in range(1, 11)]
    assert sap.http.calls == ["csrf", "post_invoices", "post_invoices"]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(400, b"<html>bad gateway</html>", {}), Unknown),
        (Reply(400, b"", {}), Unknown),
        (Reply(408, b"", {}), Unknown),
        (Reply(302, b"", {"location": "https://login.example"}), Unknown),
        (Reply(200, b'{"d":{}}', {}), Unknown),
        (Reply(201, b'{"d":{}}', {}), Unknown),
        (Reply(201, b"{", {}), Unknown),
        (Reply(405, b"", {}), Unknown),
        (Reply(405, b'{"error":{"code":"/IWFND/CM_BEC/026","message":{"value":"not allowed"}}}', {}), Rejected),
        (Reply(404, b'{"error":{"code":"/IWFND/MED/170","message":{"value":"no service"}}}', {}), RetryLater),
        (Reply(429, b"", {"Retry-After": "Fri, 20 Nov 2026 08:01:00 GMT"}), RetryLater),
        (Reply(429, b"", {"Retry-After": "soon"}), RetryLater),
        (Reply(429, b"", {"Retry-After": "²"}), RetryLater),
    ],
)
async def test_only_an_explicit_yes_is_yes(sap: Sap, reply: Reply, kind: type) -> None:
    Scripted(sap, reply)
    answer = await one(sap)
    assert isinstance(answer, kind)
    assert sap.ledger() == []


async def test_a_date_in_retry_after_is_counted_from_now(sap: Sap) -> None:
    Scripted(sap, Reply(429, b"", {"Retry-After": "Fri, 20 Nov 2026 08:01:00 GMT"}))
    assert await one(sap) == RetryLater("too many requests (429)", 60.0)


async def test_a_batch_refused_as_a_whole_may_still_have_posted_some(sap: Sap) -> None:
    body = b'{"error":{"code":"/IWFND/CM_MGW/515","message":{"value":"bad part"}}}'
    Scripted(sap, Reply(400, body, {}))
    assert {type(answer) for answer in await sap.client.submit(ten())} == {Unknown}


async def test_an_error_is_told_with_what_its_details_add(sap: Sap) -> None:
    details = [
        {"code": "M8/534", "message": "Balance not zero", "severity": "error"},
        {"code": "FF/713", "message": "Tax code missing", "severity": "error"},
        {"code": "/IWBEP/CX_MGW_BUSI_EXCEPTION", "message": "An exception was raised", "severity": "error"},
    ]
    error = {"code": "M8/534", "message": {"lang": "en", "value": "Balance not zero"}}
    body = msgspec.json.encode({"error": {**error, "innererror": {"errordetails": details}}})
    Scripted(sap, Reply(400, body, {}))
    assert await one(sap) == Rejected("M8/534", "Balance not zero; FF/713 Tax code missing")


async def test_nothing_left_means_nothing_was_done(sap: Sap) -> None:
    sap.http.down = True
    assert isinstance(await one(sap), RetryLater)
    sap.http.down = False
    assert isinstance(await one(sap), Settled)
    sap.http.down = True
    assert await one(sap) == RetryLater("not sent: connection refused", None)


async def test_a_number_longer_than_sixteen_characters_is_refused_before_sending(sap: Sap) -> None:
    items = ten()
    items[4] = outbound(posting("LONG-2026-0000017"))
    answers = await sap.client.submit(items)
    assert answers[4] == Rejected(
        "posting.unwritable", "/invoice_number: 'LONG-2026-0000017' has 17 characters and SAP takes 16"
    )
    assert len(sap.ledger()) == 9


async def test_an_answer_that_names_another_document_is_not_a_yes(sap: Sap) -> None:
    original = sap.http.request

    async def forged(method: str, url: str, **rest: object) -> object:
        answer = await original(method, url, **rest)
        answer.content = re.sub(rb'"CompanyCode":"1010"', b'"CompanyCode":"9999"', answer.content)
        return answer

    sap.http.request = forged  # type: ignore[method-assign,assignment]
    answer = await one(sap)
    assert isinstance(answer, Unknown)
    assert answer.reason.startswith("outbound.answer_foreign")


async def test_a_price_outside_tolerance_posts_with_a_payment_block(sap: Sap) -> None:
    answer = await one(sap, gross=Amount("1785.00"), net=Amount("1500.00"), lines=(line(amount=Amount("1500.00")),))
    assert isinstance(answer, Settled)
    assert "payment block R" in answer.detail
    assert sap.ledger()[0]["payment_block"] == "R"


async def test_our_own_payment_block_stands(sap: Sap) -> None:
    answer = await one(sap, payment_block="A")
    assert answer == Settled("5105600001/2026", "payment block A")


async def test_a_credit_memo_has_positive_amounts_and_its_flag(sap: Sap) -> None:
    assert isinstance(await one(sap), Settled)
    answer = await one(sap, credit=True, original_document="5105600001/2026")
    assert isinstance(answer, Settled)
    invoice, credit = sap.ledger()
    assert (invoice["credit"], credit["credit"]) == (False, True)
    assert credit["gross"] == "1190.00"
    assert credit["reference"] == invoice["reference"]  # the two may share one number


async def test_yen_have_no_decimals(sap: Sap) -> None:
    answer = await one(
        sap,
        company_code="2010",
        currency="JPY",
        gross=Amount("15000"),
        lines=(line(amount=Amount("15000"), order_number="4500001235", tax_code="V0"),),
    )
    assert isinstance(answer, Settled)
    assert sap.ledger()[0]["gross"] == "15000"


async def test_kuwaiti_dinars_have_three_decimals(sap: Sap) -> None:
    answer = await one(
        sap,
        currency="KWD",
        gross=Amount("1.235"),
        lines=(line(amount=Amount("1.235"), order_number="", account="61010000", tax_code=""),),
    )
    assert isinstance(answer, Settled)
    assert sap.ledger()[0]["gross"] == "1.235"


async def test_goods_receipt_based_lines_name_their_receipt(sap: Sap) -> None:
    receipt = line(
        order_line=20,
        unit="H87",
        quantity=Quantity("40"),
        amount=Amount("200.00"),
        receipt_number="5000000891/2026",
        receipt_line=1,
    )
    assert isinstance(await one(sap, gross=Amount("238.00"), lines=(receipt,)), Settled)
    assert sap.ledger()[0]["lines"][0]["receipt"] == "5000000891/2026/1"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"order_line": 20, "unit": "H87"}, "Fill in mandatory field"),
        ({"receipt_number": "5000000891/2026", "receipt_line": 1}, "Only fill ReferenceDocument"),
        (
            {"order_line": 20, "unit": "H87", "receipt_number": "4500001234/2026", "receipt_line": 20},
            "Goods receipt item 4500001234 2026 0020 is invalid",
        ),
    ],
)
async def test_a_wrong_receipt_reference_is_refused_in_saps_words(
    sap: Sap, changes: dict[str, object], words: str
) -> None:
    answer = await one(sap, lines=(line(**changes),))
    assert isinstance(answer, Rejected)
    assert words in answer.detail


async def test_an_invoice_without_an_order_goes_to_its_account(sap: Sap) -> None:
    account = line(order_number="", order_line=0, quantity=None, account="61010000", cost_centre="10101301")
    assert isinstance(await one(sap, supplier_number="LIEF-7", lines=(account,)), Settled)
    assert sap.ledger()[0]["supplier"] == "LIEF-7"


async def test_taxes_as_stated_are_sent_and_not_calculated_again(sap: Sap) -> None:
    stated = (PostingTax("V1", Amount("189.99"), Amount("1000.00")),)
    assert isinstance(await one(sap, gross=Amount("1189.99"), taxes=stated), Settled)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"company_code": "9999"}, "F5/165"),
        ({"supplier_number": "4711"}, "06/025"),
        ({"company_code": "2010", "supplier_number": "LIEF-7"}, "F5/104"),
        ({"lines": (line(order_number="4500009999"),)}, "06/019"),
        ({"lines": (line(tax_code="ZZ"),)}, "FF/713"),
    ],
)
async def test_sap_refuses_with_its_message_class_and_number(sap: Sap, changes: dict[str, object], code: str) -> None:
    answer = await one(sap, **changes)
    assert isinstance(answer, Rejected)
    assert answer.code == code


async def test_a_parked_document_is_taken_in_and_not_posted(sap: Sap) -> None:
    original = sap.http.request

    async def parking(method: str, url: str, **rest: object) -> object:
        content = rest.get("content")
        if isinstance(content, bytes) and content.startswith(b"{"):
            rest["content"] = b'{"SupplierInvoiceStatus":"A",' + content[1:]
        return await original(method, url, **rest)

    sap.http.request = parking  # type: ignore[method-assign,assignment]
    assert await one(sap) == Accepted("5105600001/2026", "status A")
