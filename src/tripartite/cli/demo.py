"""`tripartite demo`: the story on a simulated estate, with the real product in between.

The simulators run in a process of their own and speak the vendors' protocols over HTTP; Tripartite runs here with its
database, bus, deliveries and console. `--headless` plays a story to rest, compares what was planned with what came
about, checks every invariant against the simulators' own truth, and writes a report.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tripartite.cli.demo_report import Played, report
from tripartite.cli.outages import Outages
from tripartite.cli.running import say
from tripartite.cli.staging import PAYING, PERSON, RELEASER, Stage, staged
from tripartite.connectors.simulating import Fault
from tripartite.rehearsal.kinds import LATER
from tripartite.rehearsal.scenario import Story, plan
from tripartite.rehearsal.treasury import Treasury
from tripartite.rehearsal.world import World
from tripartite.runtime.auth import create_account
from tripartite.runtime.db import Database
from tripartite.runtime.settings import Settings

STUCK_SECONDS = 180.0  # a story in which nothing moved for so long, and which is not at rest, has failed
QUIET_SECONDS = 0.7  # nothing moved for so long
PATIENCE_SECONDS = 45.0  # for which a payment waits for you before the story releases it
POLL_SECONDS = 3.8  # by then every system was asked once more


# Playing


async def play(stage: Stage, story: Story, *, tell: Any = say, stops: Sequence[str] = ()) -> Played:
    """Play a story to rest."""
    outages = Outages(stage.vendors, stops)
    world = World(story, stage.vendors, stage.estate, stage.url, stage.token)
    first, second, third = story.waves()
    late = [each for each in first if each.trouble in LATER]
    in_time = [each for each in first if each.trouble not in LATER]
    here = await _moving(stage.db)

    async def come(**counts: int) -> None:
        """Wait until so much has come beside what was here before the story, and rest."""
        await rest(stage.db, Expected(**{name: getattr(here, name) + count for name, count in counts.items()}))

    try:
        await world.masters()
        suppliers = stage.met(story, "usual", "suspended")
        await come(suppliers=suppliers)
        tell(f"{len(story.suppliers)} suppliers known")
        wishes = await world.requisitions(in_time, story.today.year)
        await come(requisitions=wishes)
        tell(f"{wishes} requisitions, checked against the budget; approvals follow")
        approved = await world.approvals()
        await come(approved=approved)
        orders = await world.orders(in_time)
        await come(orders=orders)
        tell(f"{orders} orders approved and known to the ERP; goods arrive")
        outages.begin("goods")
        receipts = await world.goods(in_time)
        await outages.over()
        await come(receipts=receipts)
        for turn in (2, 3):
            if counted := await world.goods(in_time, turn):
                receipts += counted
                await come(receipts=receipts)
        tell(f"{receipts} receipts, in procurement and the ERP too; invoices arrive")
        await _some_answers_lost(stage, len(story.documents))
        outages.begin("invoices")
        intakes = await world.invoices(first)
        await outages.over()
        await come(documents=len(first))
        tell(f"{len(first)} documents decided; late receipts, late orders, twins, repeats and credits follow")
        await world.newcomers()
        suppliers += stage.met(story, "new")
        await come(suppliers=suppliers)
        wishes += await world.requisitions(late, story.today.year)
        await come(requisitions=wishes)
        approved += await world.approvals()
        await come(approved=approved)
        orders += await world.orders(late)
        await come(orders=orders)
        outages.begin("late")
        receipts += await world.goods(late) + await world.late_goods(first)
        intakes |= await world.invoices(second)
        await outages.over()
        await come(documents=len(first) + len(second), receipts=receipts)
        await stage.vendors.faults("sap_s4hana", [])
        receipts += await world.goods_sent_back(first)
        await come(receipts=receipts)
        treasury = Treasury(await stage.treasury(), stage.vendors, PAYING, story.today)
        await _paid(stage, story, treasury, outages, tell)
        intakes |= await world.invoices(third)
        await come(documents=len(story.documents))
        await _paid_again(stage, treasury, tell)
    finally:
        await world.close()
    return Played(intakes, world.wished)


async def _paid(stage: Stage, story: Story, treasury: Treasury, outages: Outages, tell: Any) -> None:
    """What is due is paid; some of it is refused, and some comes back."""
    returned = (await _moving(stage.db)).returned
    outages.begin("payments")
    ordered = await treasury.pay()
    await outages.over()
    tell(f"{ordered} payments released by two; the bank's day comes")
    await rest(stage.db, Expected(returned=returned))
    back = await treasury.send_back({each.account for each in story.suppliers if each.fate == "returned"})
    await rest(stage.db, Expected(returned=returned + back))
    tell(f"{back} payments came back")


async def _paid_again(stage: Stage, treasury: Treasury, tell: Any) -> None:
    """What came back is looked into and paid again; the bank ends its day."""
    reopened = await treasury.reopen()
    tell(f"{reopened} payments are opened again and paid")
    statements = (await _moving(stage.db)).statements
    await treasury.pay()
    await rest(stage.db, Expected(statements=statements))
    await treasury.end_day()
    await rest(stage.db, Expected(statements=statements + len(PAYING)))
    await rest(stage.db)


async def _some_answers_lost(stage: Stage, count: int) -> None:
    """The ERP commits and does not answer, answers 503 after committing, asks to come later: a known share of calls."""
    calls = max(1, count // 400)
    await stage.vendors.faults(
        "sap_s4hana",
        [
            Fault("batch|post_invoice", "commit_then_hang", times=calls),
            Fault("batch|post_invoice", "reply.429", times=calls, retry_after=1.0),
            Fault("batch|post_invoice", "commit_then_5xx", times=calls),
            Fault("batch|post_invoice", "commit_then_hang", times=calls, rate=0.2),
        ],
    )


class Expected(msgspec.Struct, frozen=True):
    """So much must be here before a part of the story is over; what is not said is not waited for."""

    suppliers: int = 0
    requisitions: int = 0
    approved: int = 0
    orders: int = 0
    receipts: int = 0
    documents: int = 0
    returned: int = 0
    statements: int = 0


class Moving(msgspec.Struct, frozen=True):
    """What is under way, and what is here."""

    unread_messages: int
    owed: int
    questions: int
    unread_documents: int
    on_its_way: int
    messages: int
    suppliers: int
    requisitions: int
    approved: int
    orders: int
    receipts: int
    documents: int
    returned: int
    statements: int

    @property
    def busy(self) -> bool:
        return any((self.unread_messages, self.owed, self.questions, self.unread_documents, self.on_its_way))

    def has(self, expected: Expected) -> bool:
        return all(getattr(self, name) >= getattr(expected, name) for name in Expected.__struct_fields__)


async def rest(db: Database, expected: Expected | None = None) -> None:
    """Wait until nothing moves any more: nothing unread, nothing owed, nothing asked, and no poll brings more.

    Where it was said how much must come, what came says that no poll brings more. Errors: `TimeoutError` with what was
    still moving.
    """
    quiet_seconds = QUIET_SECONDS if expected is not None else QUIET_SECONDS + POLL_SECONDS
    expected = expected or Expected()
    still = time.monotonic()
    before: Moving | None = None
    while True:
        asked = time.monotonic()
        now = await _moving(db)
        took = time.monotonic() - asked
        if now != before:
            before, still = now, time.monotonic()
        if not now.busy and now.has(expected) and time.monotonic() - still >= quiet_seconds:
            return
        if time.monotonic() - still > STUCK_SECONDS:
            raise TimeoutError(f"the story does not come to rest: {now}, expected {expected}")
        await asyncio.sleep(max(0.1, 5 * took))  # looking must not become the work


async def _moving(db: Database) -> Moving:
    rows = await db.rows(
        """SELECT (SELECT coalesce(sum(h.head - coalesce(c.position, 0)), 0)::bigint FROM bus.head h
            JOIN (SELECT DISTINCT consumer, topic FROM bus.cursor) k ON k.topic = h.topic
            LEFT JOIN bus.cursor c ON c.consumer = k.consumer AND c.topic = h.topic AND c.partition = h.partition),
        (SELECT count(*) FROM deliveries.delivery WHERE mode = 'act'
            AND state IN ('intended', 'sending', 'waiting', 'unknown', 'accepted')),
        (SELECT count(*) FROM gateway.ask) + (SELECT count(*) FROM gateway.fetch),
        (SELECT count(*) FROM gateway.intake WHERE disposition = 'waiting'),
        (SELECT count(*) FROM payments.payment WHERE state IN ('released', 'sent')),
        (SELECT coalesce(sum(head), 0)::bigint FROM bus.head),
        (SELECT count(*) FROM suppliers.supplier),
        (SELECT count(*) FROM orders.requisition),
        (SELECT count(*) FROM orders.requisition WHERE status IN ('approved', 'ordered')),
        (SELECT count(*) FROM orders.purchase_order),
        (SELECT count(*) FROM receipts.receipt),
        (SELECT count(*) FROM invoices.invoice)
            + (SELECT count(*) FROM gateway.intake WHERE disposition = 'rejected'),
        (SELECT count(*) FROM payments.payment WHERE state = 'returned'),
        (SELECT count(*) FROM gateway.intake WHERE object_kind = 'bank_statement')"""
    )
    return Moving(*rows[0])


async def headless(
    settings: Settings, count: int, seed: int, out: Path | None, stops: Sequence[str] = ()
) -> dict[str, Any]:
    """Play `count` documents from `seed`, check everything, write the report. `stops`: systems that go down."""
    started = time.monotonic()
    console = Console(stderr=True)
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console, transient=False
    ) as progress:
        task = progress.add_task("bringing up the estate", total=None)
        async with staged(settings, seed) as stage:
            story = plan(seed, count, date.today())  # noqa: DTZ011 - the story is told today

            def tell(words: str) -> None:
                progress.update(task, description=words)

            played = await play(stage, story, tell=tell, stops=stops)
            tell("checking every outcome and invariant")
            result = await report(stage, story, played, time.monotonic() - started)
    if out is not None:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2))
    return result


async def live(settings: Settings, seed: int) -> None:
    """Bring everything up, tell how to look at it, and keep the story going until stopped."""
    started = time.monotonic()
    async with staged(settings, seed) as stage:
        stage.patience = PATIENCE_SECONDS
        mira = await create_account(stage.db, name="mira", permissions=PERSON, person="Mira Roth")
        jonas = await create_account(stage.db, name="jonas", permissions=RELEASER, person="Jonas Adler")
        nadia = await create_account(stage.db, name="nadia", permissions=RELEASER, person="Nadia Kruse")
        say(
            f"""
Tripartite is up after {time.monotonic() - started:.1f} s: {stage.url}

  sign in as   password (once; you then choose your own)
  mira         {mira.reveal()}   accounts payable and buyer: reads everything, acts on what is held
  jonas        {jonas.reveal()}   may release payments, with another person
  nadia        {nadia.reveal()}   the same

Simulated: Coupa, a capture suite, SAP S/4HANA, a warehouse, AvaTax, a bank. People ask, approve, order and receive;
invoices arrive now, and some of it goes wrong on purpose.

  {stage.url}/invoices    open one that is posted: order, receipts and invoice side by side; History leads from
      its requisition to the posting and the payment, as each system said it
  {stage.url}/queue       what is held, why, who owns it and what would clear it
  {stage.url}/payments    what waits for two releases: sign in as jonas, release, sign in as nadia, release; for
      {PATIENCE_SECONDS:.0f} seconds each they are left to you, then the treasury of the story gives them
  {stage.url}/estate      every system: how far behind it is, what was set aside

Stop with Ctrl-C.
"""
        )
        traffic = asyncio.create_task(_keep_playing(stage, seed))
        stopping = asyncio.create_task(stage.running.process.wait_for_signal())
        done, _ = await asyncio.wait({traffic, stopping}, return_when=asyncio.FIRST_COMPLETED)
        traffic.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await traffic
        for task in done:
            task.result()


async def _keep_playing(stage: Stage, seed: int) -> None:
    first = 1
    while True:
        count = 60 if first == 1 else 20
        story = plan(seed + first, count, date.today(), first=first)  # noqa: DTZ011 - the story is told today
        await play(stage, story, tell=lambda words: say(f"  {words}"))
        first += count
        say(f"  {first - 1} documents so far")
        await asyncio.sleep(5)
