"""Each part runs alone, is stopped, upgraded and started again while documents come; the end is as if nothing had been.

Real processes, real HTTP, one database. Twice the same documents: once with everything in one undisturbed process, once
with every part in a process of its own that is stopped in turn, by SIGTERM or SIGKILL, and comes back as the next
release with a migration more. Meanwhile the others read all that there is for them.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from parts.fleet import NEXT, Fleet, free_ports, next_release, until
from parts.traffic import Sender, batch, late_goods, masters
from support.receiver import Receiver
from tripartite.cli.demo import rest
from tripartite.cli.running import COMPONENTS
from tripartite.cli.staging import SECRETS, demo_estate
from tripartite.rehearsal.simulators import Spec
from tripartite.rehearsal.vendors import Vendors
from tripartite.runtime.audit_verify import verify_log
from tripartite.runtime.auth import create_token
from tripartite.runtime.db import Database
from tripartite.runtime.postgres import OWNER

SYSTEMS = ("coupa", "capture", "sap_s4hana")
SECRET = "whsec_" + "cGFydHMnIHNlY3JldCBvZiAyNCBieXRlcyE="
WRITES = ("supplier.write", "order.write", "receipt.write", "invoice.write", "intake.write")
# The console reads nothing from the bus: it asks, and is asked.
SILENT = frozenset({"console"})

pytestmark = pytest.mark.parts


class Run:
    """One run: the fleet, the systems around it, who brings documents, who hears of events."""

    def __init__(self, fleet: Fleet, vendors: Vendors, db: Database, sender: Sender, hears: Receiver) -> None:
        self.fleet, self.vendors, self.db, self.sender, self.hears = fleet, vendors, db, sender, hears

    async def unread(self) -> dict[str, int]:
        """How many messages wait, by the part that has not read them."""
        rows = await self.db.rows(
            """SELECT k.consumer, sum(h.head - coalesce(c.position, 0))::bigint
            FROM (SELECT DISTINCT consumer, topic FROM bus.cursor) k JOIN bus.head h USING (topic)
            LEFT JOIN bus.cursor c ON c.consumer = k.consumer AND c.topic = h.topic AND c.partition = h.partition
            GROUP BY 1"""
        )
        found: dict[str, int] = {}
        for consumer, count in rows:
            part = "subscriptions" if consumer.startswith("subscriber ") else consumer
            found[part] = found.get(part, 0) + count
        return found

    async def truth(self) -> dict[str, Any]:
        """What there is in the end: by ourselves, by the systems around us, and by who was told."""
        rows = self.db.rows
        sap = await self.vendors.truth("sap_s4hana")
        suite = await self.vendors.truth("capture")
        heard = [event for event in self.hears.events if event["type"] == "tripartite.invoice.posted.v1"]
        return {
            "suppliers": await rows("SELECT number, name FROM suppliers.supplier ORDER BY 1"),
            "orders": await rows("SELECT number, version FROM orders.purchase_order ORDER BY 1"),
            "receipts": await rows("SELECT number FROM receipts.receipt ORDER BY 1"),
            "invoices": await rows("SELECT number, state, reason_codes FROM invoices.invoice ORDER BY 1"),
            "to pay": await rows("SELECT count(*) FROM payments.item"),
            "open": await rows(
                "SELECT reason_code, count(*) FROM control.exception WHERE state = 'open' GROUP BY 1 ORDER BY 1"
            ),
            "deliveries": await rows(
                "SELECT operation, state, count(*) FROM deliveries.delivery WHERE operation IN "
                "('post_invoice', 'report_posting', 'publish_order') GROUP BY 1, 2 ORDER BY 1, 2"
            ),
            "booked": sorted((row["reference"], row["gross"]) for row in sap["invoices"]),
            "told": sorted((name, bool(each["voucher_number"])) for name, each in suite["documents"].items()),
            "heard": sorted(event["data"]["number"] for event in heard),
            "quarantined": await rows("SELECT consumer, reason_code FROM bus.quarantine"),
        }


@asynccontextmanager
async def running(folder: Path, parts: list[str]) -> AsyncIterator[Run]:
    """A whole run from nothing: `parts` alone, or all in one process where none is named."""
    ports = free_ports(len(SYSTEMS) + len(parts or ["up"]))
    systems = dict(zip(SYSTEMS, ports, strict=False))
    first = ports[len(SYSTEMS)]  # of the gateway, which comes first
    async with Receiver(SECRET, lambda: datetime.now(UTC)) as hears:
        estate = demo_estate(folder / "estate", systems)
        with (estate / "estate.toml").open("a") as file:
            file.write(
                f'\n[[subscriber]]\nname = "books"\nurl = "{hears.url}"\nevents = ["*"]\ncompanies = ["*"]\n'
                'secrets = ["env:BOOKS"]\nfrom = 2026-01-01\n'
            )
        webhook = {
            "webhook_url": f"http://127.0.0.1:{first}/v1/webhooks/capture",
            "webhook_secret": SECRETS["TRIPARTITE_CAPTURE_WEBHOOK_SECRET"],
        }
        vendors = Vendors([Spec(kind, port, webhook if kind == "capture" else {}) for kind, port in systems.items()])
        fleet = Fleet(folder / "home", estate, {"BOOKS": SECRET})
        for name, port in zip(parts or ["up"], ports[len(SYSTEMS) :], strict=True):
            fleet.add(name, ["serve", name] if parts else ["up"], port)
        db = Database(fleet.server.url(OWNER))
        try:
            await vendors.start()
            await fleet.start()
            await db.open()
            async with db.connection() as connection:
                token = await create_token(connection, name="systems", permissions=WRITES)
            sender = Sender(f"http://127.0.0.1:{first}", token.reveal())
            yield Run(fleet, vendors, db, sender, hears)
            await sender.close()
        finally:
            await db.close()
            fleet.end()
            await vendors.stop()


async def undisturbed(folder: Path, batches: int) -> dict[str, Any]:
    async with running(folder, []) as run:
        await masters(run.vendors, run.sender)
        for number in range(batches):
            await batch(run.vendors, run.sender, number)
        await rest(run.db)
        await late_goods(run.sender, batches)
        await rest(run.db)
        return await run.truth()


async def replaced(run: Run, name: str, how: signal.Signals, release: Path, number: int) -> None:
    """Stop a part, bring documents, see the others go on, start the part again as the next release."""
    part = run.fleet.parts[name]
    status = await part.stop(how)
    assert status == (0 if how is signal.SIGTERM else -signal.SIGKILL), f"{name} ended with {status}"
    others = [other for other in run.fleet.parts if other != name]
    coming = asyncio.create_task(batch(run.vendors, run.sender, number))
    if name == "gateway":
        refused = run.sender.refused

        async def at_the_door() -> bool:
            return run.sender.refused > refused

        await until(at_the_door, "somebody finds the door closed")
    else:
        await coming

        async def others_have_read() -> bool:
            unread = await run.unread()
            return all(unread.get(other, 0) == 0 for other in others)

        await until(others_have_read, f"the others have read all, without {name}")
        assert name in SILENT or (await run.unread())[name] > 0, f"nothing waits for {name}"
    for other in others:
        found = await run.fleet.parts[other].health()
        assert found is not None, f"{other} does not answer while {name} is away"
        assert found["parts"] == [other]
    part.launch(release)
    await part.answers()
    await coming
    found = await part.health()
    assert found is not None
    assert found["version"] == NEXT

    async def caught_up() -> bool:
        return (await run.unread()).get(name, 0) == 0

    await until(caught_up, f"{name} has caught up")


async def test_each_part_is_replaced_while_documents_come_and_the_end_is_the_same(tmp_path: Path) -> None:
    names = list(COMPONENTS)
    wanted = await undisturbed(tmp_path / "one", len(names))
    states = [state for _, state, _ in wanted["invoices"]]
    assert states.count("posted") == len(names) * 3, wanted["invoices"]
    assert states.count("held") == len(names)
    assert wanted["quarantined"] == []
    assert len(wanted["booked"]) == len(wanted["heard"]) == len(names) * 3

    release = next_release(tmp_path / "next")
    async with running(tmp_path / "many", names) as run:
        await masters(run.vendors, run.sender)
        for number, name in enumerate(names):
            how = signal.SIGKILL if number % 2 else signal.SIGTERM
            await replaced(run, name, how, release, number)
        await rest(run.db)
        await late_goods(run.sender, len(names))
        # And back: the release before still runs on the schema of the next.
        decider = run.fleet.parts["invoices"]
        await decider.stop(signal.SIGTERM)
        decider.launch()
        await decider.answers()
        await rest(run.db)
        found = await run.truth()
        sealed = await asyncio.to_thread(verify_log, run.db.url)
        migrated = await run.db.rows("SELECT component FROM runtime.migration WHERE name LIKE '%%next_release%%'")
    assert found == wanted
    assert sealed.ok, sealed.problem
    assert len(migrated) == 7
