"""Streams: no gap while records change, restart from a cursor, doubles, and what a failing pull says."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.coupa.support import Answer, World, norddal, order_form
from tripartite.connectors.coupa.client.answers import AnswerInvalid, CredentialsRefused, Throttled, Unreachable
from tripartite.connectors.coupa.transform import SettingInvalid, readers_for
from tripartite.core.objects import Order, Receipt
from tripartite.runtime.protocol import HttpFailure, Pulled, Raw, ReadResult, Unreadable

JSON = {"content-type": "application/json"}


def keys(items: list[Pulled]) -> list[str]:
    return [item.key for item in items]


async def test_a_pass_brings_every_order_once_in_pages_of_fifty() -> None:
    world = World()
    norddal(world, orders=120)
    items, _ = await world.pull_all("order")
    assert keys(items) == [f"PO-{number:04}" for number in range(1, 121)]
    assert len(world.http.asked("/api/purchase_orders")) == 3


@pytest.mark.parametrize(("paging", "order_by"), [("id", "honoured"), ("offset", "ignored"), ("offset", "honoured")])
async def test_no_order_is_skipped_while_orders_change_between_pages(paging: str, order_by: str) -> None:
    world = World(settings={"paging": paging}, order_by=order_by)
    norddal(world, orders=180)
    world.clock.seconds += 1000
    items: list[Pulled] = []
    cursor = ""
    for page_number in range(60):
        page = await world.client.pull("order", cursor, 50)
        items += page.items
        cursor = page.cursor
        world.clock.seconds += 5
        if page_number < 3:
            # Twenty-five orders of the page just read change: by offset, as many unread ones slip past the mark.
            first = 1 + 50 * page_number
            world.arrange(orders=[{"number": f"PO-{n:04}", "status": "closed"} for n in range(first, first + 25)])
        if not page.more and page_number >= 3:
            break
    items += (await world.pull_all("order", cursor))[0]
    latest = {item.key: json.loads(item.content)["status"] for item in items}
    assert len(latest) == 180
    truth = {number: row["status"] for number, row in world.bench.truth()["orders"].items()}
    assert latest == truth


async def test_the_next_pass_brings_only_what_changed() -> None:
    world = World()
    norddal(world, orders=60)
    world.clock.seconds += 3600
    _, cursor = await world.pull_all("order")
    assert await world.pull_all("order", cursor) == ([], cursor)
    world.arrange(orders=[{"number": "PO-0007", "lines": [{"line": 1, "quantity": "12"}]}])
    items, _ = await world.pull_all("order", cursor)
    assert keys(items) == ["PO-0007"]


async def test_a_change_that_becomes_visible_late_is_inside_the_overlap() -> None:
    world = World()
    norddal(world, orders=2)
    world.clock.seconds += 3600
    _, cursor = await world.pull_all("order")
    world.bench.arrange({"orders": [{"number": "PO-0001", "status": "closed"}]})
    changed_at = world.clock.seconds
    world.clock.seconds += 200
    _, cursor = await world.pull_all("order", cursor)
    world.clock.seconds = changed_at + 250
    items, _ = await world.pull_all("order", cursor)
    assert items == [], "already brought, byte for byte"
    fresh, _ = await world.pull_all("order", json.dumps({"since": json.loads(cursor)["since"]}))
    assert keys(fresh) == ["PO-0001"], "a cursor that forgot brings the overlap again"


async def test_a_pull_that_was_not_committed_is_simply_repeated() -> None:
    world = World()
    norddal(world, orders=70)
    first = await world.client.pull("order", "", 50)
    again = await world.another_client().pull("order", "", 50)
    assert again.items == first.items
    rest = await world.another_client().pull("order", first.cursor, 50)
    assert len(rest.items) == 20
    assert not rest.more


async def test_a_caller_may_ask_for_small_pages() -> None:
    world = World()
    norddal(world, orders=7)
    page = await world.client.pull("order", "", 3)
    assert (len(page.items), page.more) == (3, True)
    items, _ = await world.pull_all("order", page.cursor, limit=3)
    assert keys(items) == ["PO-0004", "PO-0005", "PO-0006", "PO-0007"]


async def test_two_changes_in_one_second_are_both_brought() -> None:
    world = World()
    norddal(world)
    world.arrange(orders=[{"number": "PO-0001", "status": "buyer_hold"}])
    _, cursor = await world.pull_all("order")
    world.arrange(orders=[{"number": "PO-0001", "status": "closed"}])
    items, _ = await world.pull_all("order", cursor)
    assert [json.loads(item.content)["status"] for item in items] == ["closed"]


async def test_a_removed_line_arrives_as_cancelled_and_does_not_vanish() -> None:
    world = World()
    norddal(world)
    world.arrange(orders=[{"number": "PO-0001", "lines": [{"line": 2, "quantity": "1", "price": "5"}]}])
    world.arrange(orders=[{"number": "PO-0001", "lines": [{"line": 2, "deleted": True}]}])
    items, _ = await world.pull_all("order")
    answer = readers_for({})["order"](Raw(items[0].content, items[0].media_type))
    assert isinstance(answer, ReadResult)
    assert isinstance(answer.value, Order)
    assert [line.status for line in answer.value.lines] == ["open", "cancelled"]


async def test_every_stream_brings_what_its_reader_understands_and_nothing_else() -> None:
    world = World(settings={"company_from": "account-type", "company_map": "same"})
    norddal(world)
    lines = [{"quantity": "2", "price": "10", "supplier": "10300080"}]
    world.arrange(requisitions=[{"requested_by": "jdoe", "approved_by": "boss", "lines": lines}])
    world.arrange(receipts=[{"order": "PO-0001", "line": 1, "quantity": "4", "on": "2026-11-01T10:00:00+01:00"}])
    for stream in ("supplier", "requisition", "order", "receipt"):
        items, _ = await world.pull_all(stream)
        assert len(items) == 1
        answer = readers_for(world.connection.settings)[stream](Raw(items[0].content, items[0].media_type, "coupa"))
        assert isinstance(answer, ReadResult)
        assert answer.dropped == (), "we asked for what we read"
        assert answer.kind == items[0].kind == stream


@pytest.mark.parametrize(
    ("drift", "code"),
    [
        ("drift_word", "integration.contract_drifted"),
        ("drift_rename", "integration.schema_violated"),
        ("drift_type", "integration.schema_violated"),
    ],
)
async def test_a_drifted_record_is_unreadable_and_its_neighbours_are_read(drift: str, code: str) -> None:
    world = World()
    norddal(world, orders=3)
    world.fault("order.list", drift)
    items, _ = await world.pull_all("order")
    answers = [readers_for({})["order"](Raw(item.content, item.media_type)) for item in items]
    assert isinstance(answers[0], Unreadable)
    assert answers[0].reason_code == code
    assert all(isinstance(answer, ReadResult) for answer in answers[1:])


async def test_the_bytes_are_those_coupa_sent() -> None:
    world = World()
    body = b'[{"id": 5,  "updated-at":"2026-11-02T08:00:00+00:00", "po-number":"PO-5", "total":"1.0000"}]'
    world.http.instead.append(Answer(200, JSON, body))
    page = await world.client.pull("order", "", 50)
    assert page.items[0].content == body[1:-1]


async def test_a_query_spells_plus_and_colon_so_that_coupa_reads_them() -> None:
    world = World()
    norddal(world)
    _, cursor = await world.pull_all("order")
    await world.client.pull("order", cursor, 50)
    last = world.http.urls[-1]
    assert "+" not in last
    assert ":" not in urlsplit(last).query
    since = parse_qs(urlsplit(last).query)["updated_at[gt_or_eq]"][0]
    assert since.endswith("+00:00")


async def test_the_next_pass_starts_by_coupas_clock_not_by_ours() -> None:
    world = World()
    norddal(world)
    ours = world.clock.now
    client = world.another_client()
    client._ports = type(client._ports)(world.http, lambda: ours() + timedelta(hours=1), world.clock.sleep)
    page = await client.pull("order", "", 50)
    assert json.loads(page.cursor)["since"] == "2026-11-02T07:55:00+00:00"


# What a failing pull says


@pytest.mark.parametrize("after", [7.0, None])
async def test_a_throttled_pull_says_how_long_to_wait_where_coupa_did(after: float | None) -> None:
    world = World()
    world.fault("order.list", "reply.429", retry_after=after)
    with pytest.raises(Throttled) as failure:
        await world.client.pull("order", "", 50)
    assert isinstance(failure.value, HttpFailure), "whoever pulls knows only the port's failure"
    assert failure.value.retryable
    assert failure.value.after_seconds == after
    assert (await world.client.pull("order", "", 50)).items == ()


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [("Mon, 02 Nov 2026 08:00:30 GMT", 30.0), ("soon", None), ("inf", None), ("nan", None), ("-5", 0.0)],
)
async def test_a_retry_after_is_a_number_or_a_date_and_never_nonsense(stated: str, seconds: float | None) -> None:
    world = World()
    world.http.instead.append(Answer(429, {"Retry-After": stated}, b""))
    with pytest.raises(Throttled) as failure:
        await world.client.pull("order", "", 50)
    assert failure.value.after_seconds == seconds


async def test_silence_and_server_errors_are_worth_another_try() -> None:
    world = World()
    world.fault("order.list", "reply.5xx")
    with pytest.raises(Unreachable):
        await world.client.pull("order", "", 50)
    world.fault("order.list", "hang")
    with pytest.raises(Unreachable):
        await world.client.pull("order", "", 50)
    world.http.instead.append(Answer(200, JSON, b'[{"id": 5, "upda'))
    with pytest.raises(Unreachable):
        await world.client.pull("order", "", 50)


async def test_a_login_page_with_200_is_never_an_empty_list() -> None:
    world = World()
    world.fault("order.list", "lie_html")
    with pytest.raises(AnswerInvalid):
        await world.client.pull("order", "", 50)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": 1}',
        b'[{"updated-at":"2026-11-02T08:00:00+00:00"}]',
        b'[{"id": 1, "updated-at": "lately"}]',
        b'[{"id": 1, "updated-at": "0001-01-01T00:00:00+05:00"}]',
        b'[{"id": 1}]',
        b'[{"id": 2, "updated-at":"2026-11-02T08:00:00Z"},{"id": 1, "updated-at":"2026-11-02T08:00:00Z"}]',
    ],
)
async def test_a_page_that_breaks_the_contract_stops_the_stream_instead_of_losing_records(body: bytes) -> None:
    world = World()
    world.http.instead.append(Answer(200, JSON, body))
    with pytest.raises(AnswerInvalid) as failure:
        await world.client.pull("order", "", 50)
    assert failure.value.reason_code == "integration.contract_drifted"


async def test_a_tenant_that_ignores_the_order_is_noticed_and_told_what_to_set() -> None:
    world = World(order_by="ignored")
    norddal(world, orders=3)
    world.clock.seconds += 10
    world.arrange(orders=[{"number": "PO-0001", "status": "closed"}])
    with pytest.raises(AnswerInvalid, match='paging = "offset"'):
        await world.client.pull("order", "", 50)


async def test_a_missing_scope_needs_a_person() -> None:
    world = World(settings={"scopes": "core.common.read core.purchase_order.read"})
    norddal(world)
    assert (await world.client.pull("order", "", 50)).items
    with pytest.raises(CredentialsRefused, match=r"core\.supplier\.read"):
        await world.client.pull("supplier", "", 50)


async def test_a_list_under_a_wrong_address_is_not_an_empty_list() -> None:
    world = World()
    world.http.instead.append(Answer(404, {"content-type": "text/html"}, b"<html>no such page</html>"))
    with pytest.raises(AnswerInvalid):
        await world.client.pull("order", "", 50)


# Questions


async def test_an_order_is_found_by_its_number_and_an_unknown_one_is_an_empty_answer() -> None:
    world = World()
    norddal(world, orders=2)
    assert keys(list(await world.client.ask("order_by_number", {"number": "PO-0002"}))) == ["PO-0002"]
    assert await world.client.ask("order_by_number", {"number": "PO-9999"}) == ()
    assert await world.client.ask("supplier_by_number", {"number": "10300081"}) == ()
    assert keys(list(await world.client.ask("supplier_by_number", {"number": "10300080"}))) == ["10300080"]


async def test_open_orders_of_a_supplier_are_candidates_and_closed_ones_are_not() -> None:
    world = World()
    norddal(world, orders=120)
    world.arrange(suppliers=[{"number": "20", "name": "Other"}])
    world.arrange(orders=[order_form("PO-9001", supplier="20"), {"number": "PO-0003", "status": "closed"}])
    found = keys(list(await world.client.ask("orders_of_supplier", {"supplier_number": "10300080"})))
    assert len(found) == 119
    assert "PO-0003" not in found
    assert "PO-9001" not in found


async def test_a_late_receipt_of_an_order_line_is_found_afresh() -> None:
    world = World()
    norddal(world, orders=2)
    world.arrange(orders=[{"number": "PO-0001", "lines": [{"line": 2, "quantity": "5", "price": "1"}]}])
    assert await world.client.ask("receipts_of_order", {"order_number": "PO-0001"}) == ()
    world.arrange(receipts=[{"order": "PO-0001", "line": 1, "quantity": "6"}])
    world.arrange(receipts=[{"order": "PO-0001", "line": 2, "quantity": "5"}, {"order": "PO-0002", "quantity": "1"}])
    both = await world.client.ask("receipts_of_order", {"order_number": "PO-0001"})
    second = await world.client.ask("receipts_of_order", {"order_number": "PO-0001", "order_line": "2"})
    assert (len(both), len(second)) == (2, 1)
    answer = readers_for({})["receipt"](Raw(second[0].content, second[0].media_type))
    assert isinstance(answer, ReadResult)
    assert isinstance(answer.value, Receipt)
    assert (answer.value.lines[0].order_number, answer.value.lines[0].order_line) == ("PO-0001", 2)
    assert await world.client.ask("receipts_of_order", {"order": "PO-9999"}) == ()


async def test_single_documents_are_fetched_by_their_key() -> None:
    world = World()
    norddal(world)
    receipt_id = world.arrange(receipts=[{"order": "PO-0001", "quantity": "1"}])["receipts"][0]
    unnumbered = world.arrange(suppliers=[{"name": "Draft GmbH", "status": "draft"}])["suppliers"][0]
    for kind, key in (("order", "PO-0001"), ("supplier", "10300080"), ("receipt", str(receipt_id))):
        found = await world.client.fetch(kind, key)  # type: ignore[arg-type]
        assert found is not None
        assert found.key == key
    draft = await world.client.fetch("supplier", f"#{unnumbered}")
    assert draft is not None
    assert draft.key == f"#{unnumbered}"
    assert await world.client.fetch("receipt", "1") is None
    assert await world.client.fetch("receipt", "../suppliers") is None
    assert await world.client.fetch("order", "PO-9999") is None


async def test_a_question_with_too_many_answers_is_refused_rather_than_cut_short() -> None:
    world = World()
    norddal(world, orders=1001)
    with pytest.raises(AnswerInvalid, match="1000"):
        await world.client.ask("orders_of_supplier", {"supplier_number": "10300080"})


@pytest.mark.parametrize(
    "settings", [{"paging": "cursor"}, {"overlap_seconds": "-1"}, {"timeout_seconds": "a while"}, {"time_zone": "X/Y"}]
)
def test_a_connection_with_impossible_settings_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(SettingInvalid):
        World(settings=settings)


async def test_a_lost_connection_is_told_without_secrets() -> None:
    world = World()
    world.http.instead.append(HttpFailure("refused s3cr3t-never-shown", sent=False))
    with pytest.raises(Unreachable) as failure:
        await world.client.pull("order", "", 50)
    assert "s3cr3t" not in str(failure.value)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("paging", "order_by"), [("id", "honoured"), ("offset", "ignored")])
async def test_whatever_changes_meanwhile_the_last_state_of_every_order_arrives(
    seed: int, paging: str, order_by: str
) -> None:
    world = World(seed, settings={"paging": paging}, order_by=order_by)
    norddal(world, orders=130)
    world.clock.seconds += 1000
    latest: dict[str, bytes] = {}
    cursor = ""
    for turn in range(60):
        page = await world.client.pull("order", cursor, 50)
        latest |= {item.key: item.content for item in page.items}
        cursor = page.cursor
        world.clock.seconds += world.bench.random.randrange(0, 40)
        if turn < 20:
            changed = world.bench.random.sample(range(1, 131), world.bench.random.randrange(0, 45))
            state = f"turn-{turn}"
            world.arrange(orders=[{"number": f"PO-{n:04}", "payment_term": state} for n in changed])
            if turn % 5 == 0:
                world.arrange(orders=[order_form(f"PO-9{turn:03}")])
        elif not page.more:
            break
    latest |= {item.key: item.content for item in (await world.pull_all("order", cursor))[0]}
    rows = world.bench.arrange.__self__.records.tables["purchase_orders"].values()  # type: ignore[attr-defined]
    assert len(latest) == len(rows) == 134
    for row in rows:
        known = json.loads(latest[row["po-number"]])
        assert (known["internal-revision"], known["payment-term"]) == (row["internal-revision"], row["payment-term"])
