"""People act on what holds an invoice: within their limit, with a reason, and never on what they began themselves."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from support.api import Api
from support.caller import Answer, Caller
from support.house import House, replaced
from support.papers import invoice, order, receipt, supplier
from tripartite.core import codec
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.objects.notice import HoldReported
from tripartite.core.objects.posting import Posting

BUYER = ("hold.release", "approval.decide", "invoice.refuse", "exception.work", "invoice.read", "role.buyer")
AP = ("hold.release", "approval.decide", "invoice.refuse", "exception.work", "invoice.read", "role.ap")


async def held_for_price(house: House, price: str = "4.40", *, source_document: str = "") -> ExceptionRecord:
    """An invoice whose price is above its limit, for the line and for the order as a whole; the buyer owns both."""
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice(price=price), source_document=source_document)
    return (await opened(house))[1]


async def opened(house: House) -> list[ExceptionRecord]:
    """The open exceptions, by reason."""
    rows = await house.rows("SELECT record FROM invoices.exception WHERE state = 'open' ORDER BY reason_code")
    return [codec.decode(row[0], ExceptionRecord) for row in rows]


async def only_open(house: House) -> ExceptionRecord:
    found = await opened(house)
    assert len(found) == 1, [each.reason_code for each in found]
    return found[0]


async def release_rest(house: House, caller: Caller) -> Answer:
    """Release whatever is still open; the last answer."""
    answer = None
    for record in await opened(house):
        answer = await act(caller, record, "release")
        assert answer.status == 200, answer
    assert answer is not None
    return answer


async def act(caller: Caller, record: ExceptionRecord, what: str, key: str = "", **told: Any) -> Answer:
    body = {"content_hash": record.content_hash, "why": "agreed with the supplier by telephone", **told}
    path = f"/v1/invoices/{record.object_id}/exceptions/{record.exception_id}/{what}"
    headers = [("idempotency-key", key)] if key else []
    return await caller.post(path, json.dumps(body).encode(), headers=headers)


async def leaves(house: House) -> list[str]:
    return [row[0] for row in await house.rows("SELECT kind FROM audit.leaf WHERE kind LIKE 'act.%' ORDER BY leaf_no")]


async def test_a_buyer_releases_a_price_within_the_limit_and_the_invoice_is_posted(house: House, api: Api) -> None:
    record = await held_for_price(house)
    assert record.reason_code == "match.price_over_limit"
    buyer = await api.person("bea", BUYER)
    answer = await act(buyer, record, "release")
    assert (answer.status, answer.json()["what"], answer.json()["state"]) == (200, "released", "held")
    answer = await release_rest(house, buyer)
    assert answer.json()["state"] == "to_post", "the last hold is lifted"
    await house.settle()
    assert (await house.state(), await house.codes()) == ("posted", [])
    booked = codec.decode(house.sap.calls[0][0].payload, Posting)
    assert [(str(line.quantity), str(line.amount)) for line in booked.lines] == [("10", "44.00")]
    assert await leaves(house) == ["act.released"] * 2
    allocated = await house.rows("SELECT quantity FROM invoices.allocation")
    assert [int(row[0]) for row in allocated] == [10], "what was released by hand takes of what came like any other"


async def test_above_the_limit_nothing_is_released_and_the_attempt_is_on_record(house: House, api: Api) -> None:
    record = await held_for_price(house)
    clerk = await api.person("ada", (*AP, "role.buyer"))
    await house.bring(order("4500000002", price="10.00"), receipt("GR-2", of="4500000002"))
    big = await house.bring_invoice(invoice("RE-2002", price="9000.00", of="4500000002"))
    costly = next(
        each for each in await opened(house) if (each.object_id, each.reason_code) == (big, record.reason_code)
    )
    answer = await act(clerk, costly, "release")
    assert (answer.status, answer.json()["reason_code"]) == (403, "control.override_over_limit")
    assert await house.state("RE-2002") == "held"
    assert await leaves(house) == ["act.denied"]
    assert (await act(clerk, record, "release")).status == 200, "the small one is within the limit"


async def test_only_the_team_that_owns_a_hold_may_lift_it(house: House, api: Api) -> None:
    record = await held_for_price(house)
    answer = await act(await api.person("ada", AP), record, "release")
    assert (answer.status, answer.json()["reason_code"]) == (403, "access.not_permitted")
    assert await house.state() == "held"


async def test_who_asked_for_the_goods_does_not_lift_the_hold_on_their_invoice(house: House, api: Api) -> None:
    await house.bring(supplier(), replaced(order(), requester="bea"), receipt())
    await house.bring_invoice(invoice(price="4.40"))
    record = (await opened(house))[0]
    answer = await act(await api.person("bea", BUYER), record, "release")
    assert (answer.status, answer.json()["reason_code"]) == (403, "control.duties_in_conflict")
    assert (await release_rest(house, await api.person("ben", BUYER))).json()["state"] == "to_post"


async def test_who_keyed_an_invoice_in_does_not_lift_its_hold(house: House, api: Api) -> None:
    await house.bring(supplier(), order(), receipt())
    ada = await api.person("ada", ("invoice.write", *BUYER), person="Ada Holm")
    taken = await ada.post("/v1/invoices", codec.encode(invoice(price="4.40")))
    assert taken.status == 202, taken
    await house.pump()
    record = (await opened(house))[0]
    other = await api.person("ada-2", BUYER, person="Ada Holm")
    answer = await act(other, record, "release")
    assert answer.json()["reason_code"] == "control.duties_in_conflict", "a second account is the same person"


async def test_a_service_account_releases_nothing(house: House, api: Api) -> None:
    record = await held_for_price(house)
    machine = await api.caller(("invoice.read",))
    assert (await act(machine, record, "release")).status == 403
    assert await house.state() == "held"


async def test_a_release_binds_to_the_content_that_was_seen(house: House, api: Api) -> None:
    record = await held_for_price(house)
    buyer = await api.person("bea", BUYER)
    answer = await act(buyer, record, "release", content_hash="0" * 64)
    assert (answer.status, answer.json()["reason_code"]) == (409, "approval.changed_after")
    answer = await act(buyer, record, "release", why="  ")
    assert (answer.status, answer.json()["pointer"]) == (422, "/why")


async def test_the_same_request_again_answers_as_before_and_acts_once(house: House, api: Api) -> None:
    record = await held_for_price(house)
    buyer = await api.person("bea", BUYER)
    first = await act(buyer, record, "release", key="k-1")
    again = await act(buyer, record, "release", key="k-1")
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["idempotency-replayed"] == "true"
    other = await act(buyer, record, "release", key="k-1", why="something else")
    assert (other.status, other.json()["reason_code"]) == (409, "intake.key_reused")
    assert await leaves(house) == ["act.released"]


async def test_of_many_who_release_at_once_one_does(house: House, api: Api) -> None:
    record = await held_for_price(house)
    people = [await api.person(f"buyer {place}", BUYER) for place in range(4)]
    answers = await asyncio.gather(*(act(each, record, "release") for each in people))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    await release_rest(house, people[0])
    await house.settle()
    assert await house.state() == "posted"
    assert list(house.sap.effects.values()) == [1]


async def test_a_released_hold_opens_again_when_more_is_at_risk(house: House, api: Api) -> None:
    """The order's price falls after the release but before the posting: what was released does not cover it."""
    record = await held_for_price(house)
    house.sap.script.append("reject")
    await release_rest(house, await api.person("bea", BUYER))
    await house.settle()
    await house.bring(order(price="2.00", version=2))
    await house.settle()
    assert await house.state() == "held"
    assert record.reason_code in await house.codes()
    again = await house.rows("SELECT record FROM invoices.exception WHERE reason_code = %s", record.reason_code)
    assert sorted(codec.decode(row[0], ExceptionRecord).opening for row in again) == [1, 2]


async def test_goods_that_did_not_come_are_released_against_the_order_and_take_only_what_came(
    house: House, api: Api
) -> None:
    await house.bring(supplier(), order(), receipt(quantity="6"))
    await house.bring_invoice(invoice())
    record = await only_open(house)
    assert (record.reason_code, record.owner_role) == ("match.quantity_over_received", "receiving")
    receiver = await api.person("rolf", (*BUYER, "role.receiving"))
    answer = await act(receiver, record, "release")
    assert answer.json()["state"] == "to_post", answer
    await house.settle()
    assert await house.state() == "posted"
    booked = codec.decode(house.sap.calls[0][0].payload, Posting)
    assert [(str(line.quantity), str(line.amount)) for line in booked.lines] == [("10", "40.00")]
    assert [int(row[0]) for row in await house.rows("SELECT quantity FROM invoices.allocation")] == [6]
    await house.bring(receipt("GR-2", "4"))
    await house.bring_invoice(invoice("RE-1002", quantity="4"))
    assert await house.state("RE-1002") == "held", "what comes later was released already"


async def test_a_refusal_ends_the_invoice_and_the_ap_side_reads_why(house: House, api: Api) -> None:
    record = await held_for_price(house, source_document="cap-9")
    await house.deliver("capture")
    answer = await act(await api.person("bea", BUYER), record, "refusal", why="Price was never agreed; send it anew.")
    assert (answer.status, answer.json()["state"]) == (200, "refused")
    await house.settle()
    assert (await house.state(), await house.codes()) == ("refused", [])
    notices = [codec.decode(item.payload, HoldReported) for call in house.remotes["capture"].calls for item in call]
    assert notices[-1].message == "Price was never agreed; send it anew."
    assert notices[-1].reason_codes == ("match.price_over_limit",)
    await house.bring(order(price="4.40", version=2))
    assert await house.state() == "refused", "what is refused stays so, whatever comes"
    assert await house.deliveries() == []


async def test_an_approval_that_is_missing_is_given_by_somebody_who_may(house: House, api: Api) -> None:
    """Without an order: the buyer lets it go without one, and somebody else approves it (C05)."""
    await house.bring(supplier())
    await house.bring_invoice(invoice(of=""))
    first, second = await api.person("first", BUYER), await api.person("second", BUYER)
    assert (await release_rest(house, first)).json()["state"] == "approval"
    missing = await only_open(house)
    assert missing.reason_code == "approval.missing"
    own = await act(first, missing, "approval")
    assert (own.status, own.json()["reason_code"]) == (403, "control.duties_in_conflict")
    stranger = await act(await api.person("ada", AP), missing, "approval")
    assert (stranger.status, stranger.json()["reason_code"]) == (403, "access.not_permitted")
    assert (await act(second, missing, "approval")).json()["state"] == "to_post"
    await house.settle()
    assert (await house.state(), await house.codes()) == ("posted", [])


async def test_taking_and_pausing_change_the_record_and_not_the_invoice(house: House, api: Api) -> None:
    record = await held_for_price(house)
    buyer = await api.person("bea", BUYER)
    assert (await act(buyer, record, "taking")).json()["exception"]["owner_person"] == "bea"
    assert (await act(buyer, record, "pause", reason="waiting_supplier")).status == 200
    assert (await act(buyer, record, "pause", reason="waiting_supplier")).status == 409
    assert (await act(buyer, record, "resumption")).status == 200
    await house.pump()
    assert (await house.state(), (await opened(house))[1].version) == ("held", 4)
    listed = (await buyer.get(f"/v1/invoices/{record.object_id}/acts")).json()["items"]
    assert [each["what"] for each in listed] == ["taken", "paused", "resumed"]
    shown = await house.value("SELECT record FROM control.exception WHERE exception_id = %s", record.exception_id)
    assert codec.decode(shown, ExceptionRecord).owner_person == "bea", "the queue shows who has it"


async def test_an_exception_of_another_company_does_not_exist_for_the_caller(house: House, api: Api) -> None:
    record = await held_for_price(house)
    stranger = await api.person("pola", BUYER, companies=["PL02"])
    answer = await act(stranger, record, "release")
    assert (answer.status, answer.json()["reason_code"]) == (404, "access.not_found")
