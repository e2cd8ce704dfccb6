"""A warehouse's receipts through the real door: webhook or poll, bytes kept, read, mapped, told, and matched against.

The warehouse is its simulator and the client is the real one; what the invoices component may release is compared with
what lies on the simulator's shelves.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from connectors.warehouse.warehouse_bench import SECRET, Line, delivery, going_back, line
from support.api import Api
from support.clones import Clones
from support.estates import without_publishing
from support.house import House
from support.papers import ORDER, invoice, order, supplier
from support.times import MORNING
from tripartite.components.gateway import flows
from tripartite.components.gateway.intake import Document
from tripartite.connectors.warehouse import client as warehouse_client
from tripartite.connectors.warehouse import simulator
from tripartite.core.estate import Estate, load_estate
from tripartite.runtime.protocol import ClientPorts, Connection, Secret

WMS = """
[[connection]]
name = "wms"
kind = "warehouse"
role = "warehouse"
companies = ["DE01"]
base_url = "http://127.0.0.1:20150"
modes = { DE01 = "act" }
own_words = ["order", "unit"]
settings = { time_zone = "Europe/Berlin" }

[connection.secrets]
client_id = "env:WMS_CLIENT_ID"
client_secret = "env:WMS_CLIENT_SECRET"
webhook_secret = "env:WMS_WEBHOOK_SECRET"

[[owner]]
object = "receipt"
fields = "*"
owner = "wms"
company = "DE01"
from = 2026-01-01
until = "open"
"""
CAME = "SELECT quantity FROM invoices.releasable WHERE receipt_number = '' AND order_number = %s"


def estate_with_a_warehouse() -> Estate:
    text = (resources.files("tripartite") / "cli" / "templates" / "estate.toml").read_text(encoding="utf-8")
    found = load_estate(text + WMS, "estate.toml")
    assert isinstance(found, Estate), found
    return found


class Site:
    """A house with a warehouse beside it."""

    def __init__(self, house: House, api: Api) -> None:
        self.house, self.api = house, api
        self.bench = simulator.build({"webhook_url": "us", "webhook_secret": SECRET}, seed=3)
        self.bench.clock = self.bench.wall = self._seconds
        self.bench.hooks.post = self._post
        self.answers: list[int] = []
        connection = Connection(
            name="wms",
            kind="warehouse",
            role="warehouse",
            base_url="http://127.0.0.1:20150",
            secrets={
                "client_id": Secret("tripartite"),
                "client_secret": Secret("warehouse-secret"),
                "webhook_secret": Secret(SECRET),
            },
        )
        self.line = Line(self.bench)
        ports = ClientPorts(self.line, house.clock.now, house.clock.sleep)
        house.remotes["wms"] = warehouse_client.connect(connection, ports)  # type: ignore[assignment]

    def _seconds(self) -> float:
        return self.house.clock.at.timestamp()

    async def _post(self, _: str, headers: dict[str, str], body: bytes) -> int:
        answer = await self.api.nobody.post("/v1/webhooks/wms", body, media="", headers=list(headers.items()))
        self.answers.append(answer.status)
        return answer.status if answer.status != 401 else 410

    async def happens(self, **wanted: Any) -> None:
        """Something happens in the warehouse; its webhooks come, what they tell of is fetched, and everybody reads."""
        self.bench.arrange(wanted)
        await self.bench.hooks.idle()
        await self.catch_up()

    async def catch_up(self) -> None:
        for _ in range(4):
            await flows.fetch_due(self.house.ports, self.house.door)
            await self.house.pump()
            await flows.ask_due(self.house.ports, self.house.door)
            await self.house.pump()

    async def poll(self) -> int:
        brought = await flows.pull_stream(self.house.ports, self.house.door, "wms", "receipt")
        await self.house.pump()
        return brought

    async def came(self, number: str = ORDER) -> Decimal:
        return Decimal(await self.house.value(CAME, number))

    def shelf(self, place: str = f"{ORDER}/10") -> Decimal:
        return Decimal(self.bench.truth()["shelves"][place]["good"])


@pytest_asyncio.fixture
async def site(clones: Clones, tmp_path: Path) -> AsyncIterator[Site]:
    house = House(clones, clones.fresh(MORNING), tmp_path, without_publishing(estate_with_a_warehouse()))
    await house.db.open()
    async with Api(house) as api:
        yield Site(house, api)
    await house.close()


async def test_a_partial_receipt_pays_its_good_part_and_the_rest_is_found_by_asking(site: Site) -> None:
    house = site.house
    await house.bring(supplier(), order(quantity="40"))
    await site.happens(receipts=[delivery("R-1", line(1, "30", qty_accepted="28", qty_damaged="2", qty_expected="40"))])
    assert site.answers == [202]
    assert await site.came() == 28 == site.shelf()
    await house.bring_invoice(invoice("RE-1", "28"))
    assert await house.state("RE-1") == "to_post"
    # The rest came, and no webhook told of it: the held invoice has the warehouse asked.
    site.bench.arrange({"receipts": [delivery("R-2", line(1, "12", of="R-2"))], "webhooks": False})
    await house.bring_invoice(invoice("RE-2", "12"))
    assert await house.state("RE-2") in ("held", "parked")
    await site.catch_up()
    assert ("receipts_of_order", "/receipts") in site.line.sent
    assert await house.state("RE-2") == "to_post"
    assert await site.came() == 40 == site.shelf()


async def test_a_reversed_receipt_takes_back_what_may_be_released_and_stops_the_payment(site: Site) -> None:
    house = site.house
    await house.bring(supplier(), order())
    await site.happens(receipts=[delivery("R-1", line(1, "10"))])
    await house.bring_invoice(invoice("RE-1"))
    assert await house.state("RE-1") == "to_post"
    await site.happens(reverse=["R-1"])
    assert await site.came() == 0
    assert await house.value("SELECT payment_block FROM invoices.invoice") is True
    await house.bring_invoice(invoice("RE-2", "3", issued_on=MORNING.date()))
    assert await house.state("RE-2") in ("held", "parked")


async def test_a_document_of_reversal_undoes_the_receipt_it_names(site: Site) -> None:
    await site.house.bring(supplier(), order())
    await site.happens(receipts=[delivery("R-1", line(1, "10")), going_back("RV-1", "REVERSAL", "R-1", "10")])
    assert await site.came() == 0 == site.shelf()


async def test_one_receipt_of_two_orders_counts_for_both(site: Site) -> None:
    await site.house.bring(supplier(), order(), order("4500000002"))
    await site.happens(receipts=[delivery("R-1", line(1, "4"), line(2, "6", po_line="10", po_number="4500000002"))])
    assert (await site.came(), await site.came("4500000002")) == (4, 6)


@pytest.mark.parametrize("turn", range(6))
async def test_any_order_of_arrival_and_doubled_documents_end_in_what_lies_on_the_shelf(site: Site, turn: int) -> None:
    story = [
        [delivery("R-1", line(1, "30", qty_damaged="2"))],
        [{"id": "R-1", "status": "CORRECTED", "lines": [line(1, "31", qty_damaged="2")]}],
        [going_back("RT-1", "RETURN", "R-1", "4"), going_back("RT-2", "RETURN", "R-1", "2", condition="DAMAGED")],
        [delivery("R-2", line(1, "10", of="R-2"))],
        [{"id": "R-2", "status": "REVERSED"}],
    ]
    seen = []
    for part in story:
        site.bench.arrange({"receipts": part, "webhooks": False})
        seen += [site.bench.shown(one["id"]) for one in part]
    order_of = list(itertools.permutations(range(len(seen))))[turn * 113]
    await site.house.bring(supplier(), order(quantity="60"))
    for place in (*order_of, *order_of[::2]):
        await site.house.door.accept(
            [
                Document(
                    connection="wms",
                    content=seen[place],
                    media_type="application/json",
                    caller="pull:wms",
                    kind="receipt",
                )
            ]
        )
        await site.house.pump()
    assert await site.came() == 25 == site.shelf()
    dispositions = {row[0] for row in await site.house.rows("SELECT DISTINCT disposition FROM gateway.intake")}
    assert dispositions <= {"applied", "duplicate", "stale"}


async def test_the_poll_brings_what_no_webhook_told_once_and_goes_on_where_it_stopped(site: Site) -> None:
    await site.house.bring(supplier(), order(quantity="60"))
    receipts = [delivery(f"R-{n}", line(1, "1", of=f"R-{n}")) for n in range(60)]
    site.bench.arrange({"receipts": receipts, "webhooks": False})
    assert flows.owns(site.house.ports, "wms", "receipt")
    assert await site.poll() == 60
    assert await site.came() == 60
    assert await site.poll() == 0
    site.house.clock.turn(3600)
    site.bench.arrange({"receipts": [delivery("R-99", line(1, "2", of="R-99"))], "webhooks": False})
    assert await site.poll() == 1
    assert await site.house.value("SELECT count(*) FROM receipts.receipt") == 61


async def test_a_doubled_and_reordered_webhook_is_one_receipt_in_its_newest_version(site: Site) -> None:
    await site.house.bring(supplier(), order())
    changes = [delivery("R-1", line(1, "4")), {"id": "R-1", "status": "CORRECTED", "lines": [line(1, "5")]}]
    await site.happens(receipts=changes, webhooks={"times": 3, "shuffle": True})
    assert set(site.answers) == {202}
    assert await site.came() == 5
    assert await site.house.value("SELECT version FROM receipts.receipt") == 2


async def test_a_webhook_with_a_wrong_signature_is_kept_and_believed_in_nothing(site: Site) -> None:
    await site.house.bring(supplier(), order())
    await site.happens(receipts=[delivery("R-1")], webhooks={"forged": True})
    assert site.answers == [401]
    rows = await site.house.rows("SELECT disposition, reason_code FROM gateway.intake")
    assert rows == [("quarantined", "intake.signature_invalid")]
    assert await site.came() == 0


async def test_a_line_that_names_no_order_line_waits_under_its_reason_and_place(site: Site) -> None:
    await site.house.bring(supplier(), order())
    await site.happens(receipts=[delivery("R-1", line(1, "4", po_line=None)), delivery("R-2", line(1, "3", of="R-2"))])
    rows = await site.house.rows(
        "SELECT disposition, reason_code, pointer FROM gateway.intake WHERE disposition <> 'applied'"
    )
    assert rows == [("quarantined", "integration.mapping_missing", "/lines/0/po_line")]
    assert await site.came() == 3


async def test_a_warehouse_that_is_away_is_asked_again_and_nothing_is_lost(site: Site) -> None:
    await site.house.bring(supplier(), order())
    site.line.refuse = True
    await site.happens(receipts=[delivery("R-1")])
    assert await site.came() == 0
    site.line.refuse = False
    site.house.clock.turn(3600)
    await site.catch_up()
    assert await site.came() == 10
