"""Whether the budget covers a wish: asked in procurement, decided by a pure function, kept as a fact.

open_checks          a requisition or a caller wants to know: answered from a fresh fact, or procurement is asked
on_budgets_received  budget lines came: what waits for them is decided, what they change is decided again
on_answers           procurement was asked: nothing new came, or nobody could answer
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from tripartite.components.orders import budget_store as store
from tripartite.components.orders.budget_store import Centre, Check
from tripartite.components.orders.judging import judge
from tripartite.connectors import registry
from tripartite.core import codec
from tripartite.core.budget import BudgetVerdict, Wanted, check_budget
from tripartite.core.envelope import Message
from tripartite.core.events import ASKS, ORDER_EVENTS, Answered, Ask, BudgetArrived, BudgetChecked
from tripartite.core.ids import stable_id
from tripartite.core.money import Amount
from tripartite.runtime.audit import Leaf, make_leaf, write_leaves
from tripartite.runtime.bus import Batch, Outgoing, publish
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection

QUESTION = "budget_check"
ROLES = ("procurement",)
FRESH = timedelta(minutes=5)  # an answer of procurement that is younger is not asked for again


def question(company_code: str, cost_centre: str) -> Ask:
    return Ask(company_code, ROLES, QUESTION, cost_centre, {"cost_centre": cost_centre})


def can_ask(ports: Ports, company_code: str, asked: str = QUESTION) -> bool:
    """Whether a procurement system of the company answers this question at all."""
    return any(asked in registry.manifest(each.kind).asks for each in ports.estate.serving(ROLES[0], company_code))


def today(ports: Ports, company_code: str) -> date:
    """The business date of a company now."""
    company = ports.estate.company(company_code)
    return ports.clock.now().astimezone(ZoneInfo(company.time_zone if company else "UTC")).date()


def new_check(
    check_id: str, wanted: Wanted, correlation_id: str, now: datetime, *, requisition: str = "", version: int = 0
) -> Check:
    """A check that has no answer yet."""
    return Check(
        check_id=check_id,
        company_code=wanted.company_code,
        requisition=requisition,
        version=version,
        cost_centre=wanted.cost_centre,
        currency=wanted.currency,
        amount=wanted.amount,
        needed_on=wanted.on,
        counted=wanted.counted,
        outcome="pending",
        words="",
        available=None,
        missing=None,
        as_of=None,
        correlation_id=correlation_id,
        asked_at=now,
    )


class Budgets:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def open_checks(self, connection: Connection, wanted: Sequence[tuple[Check, Message]]) -> list[Outgoing]:
        """Record new checks, each with what woke it. A fresh answer decides these at once, and no others: what is known
        has not changed. Else procurement is asked. Returns what to tell.
        """
        known = await store.known_checks(connection, {each.check_id for each, _ in wanted})
        causes = {each.check_id: cause for each, cause in wanted if each.check_id not in known}
        new = list({each.check_id: each for each, _ in wanted if each.check_id in causes}.values())
        await store.keep_checks(connection, new)
        outgoing: list[Outgoing] = []
        now = self._ports.clock.now()
        asked = []
        by_centre: dict[Centre, list[Check]] = {}
        for each in new:
            by_centre.setdefault((each.company_code, each.cost_centre), []).append(each)
        for centre in sorted(by_centre):
            mine = {each.check_id: causes[each.check_id] for each in by_centre[centre]}
            cause = next(iter(mine.values()))
            place = (centre[0], QUESTION, centre[1])
            answer = await store.answered(connection, place)
            if answer is not None and now - answer[0] <= FRESH and not answer[2]:
                outgoing += await self._decide(connection, centre, answer[0], "", cause, only=mine)
            elif can_ask(self._ports, centre[0]):
                asked.append(place)
                outgoing.append(self._asking(centre, cause))
            else:
                words = "no procurement system of the company can be asked"
                outgoing += await self._decide(connection, centre, now, words, cause, only=mine)
        await store.note_asked(connection, asked, now)
        return outgoing

    def _asking(self, centre: Centre, cause: Message) -> Outgoing:
        message = msgspec.structs.replace(
            cause,
            message_id=stable_id("msg", ASKS, *centre, cause.message_id),
            type="tripartite.question.asked.v1",
            company_code=centre[0],
            key=centre[1],
            causation_id=cause.message_id,
            payload=codec.encode(question(*centre)),
            source="",
        )
        return Outgoing(ASKS, message)

    async def on_budgets_received(self, connection: Connection, batch: Batch) -> None:
        """Keep the lines as of now, and decide what they decide."""
        lines = [
            (message.source, codec.decode_own(message.payload, BudgetArrived).value, message.occurred_at)
            for message in batch.messages
        ]
        await store.keep_lines(connection, lines)
        causes: dict[Centre, Message] = {}
        for message, (_, line, _) in zip(batch.messages, lines, strict=True):
            causes[line.company_code, line.cost_centre] = message
        outgoing: list[Outgoing] = []
        for centre in sorted(causes):
            outgoing += await self._decide(connection, centre, causes[centre].occurred_at, "", causes[centre])
        await publish(connection, outgoing)

    async def on_answers(self, connection: Connection, batch: Batch) -> None:
        """Note what was answered. What an answer brought decides when it has been read; where it brought nothing new,
        the lines that are known decide.
        """
        outgoing: list[Outgoing] = []
        for message in batch.messages:
            answer = codec.decode_own(message.payload, Answered)
            place = (answer.company_code, answer.question, answer.reference)
            await store.note_answered(connection, place, answer.as_of, answer.found, answer.failed)
            if answer.question != QUESTION:
                continue
            centre = (answer.company_code, answer.reference)
            read = any(as_of >= answer.as_of for _, as_of in await store.lines_of(connection, centre))
            if answer.failed or answer.found == 0 or read:
                outgoing += await self._decide(connection, centre, answer.as_of, answer.failed, message)
        await publish(connection, outgoing)

    async def _decide(
        self,
        connection: Connection,
        centre: Centre,
        as_of: datetime,
        failed: str,
        cause: Message,
        *,
        only: Mapping[str, Message] | None = None,
    ) -> list[Outgoing]:
        """Decide the live checks of a cost centre by the lines that are known. `failed`: nobody could answer. `only`:
        these checks, each with what woke it.
        """
        checks = await store.live_checks(connection, centre, only)
        lines = [line for line, _ in await store.lines_of(connection, centre)]
        changed: list[Check] = []
        same: list[Check] = []
        for check in checks:
            if failed:
                if check.outcome != "pending":
                    continue  # an older answer is better than none
                verdict = BudgetVerdict("not_checked", f"Procurement could not be asked: {failed}"[:500])
            else:
                verdict = check_budget(_wanted(check), lines)
            said = (verdict.outcome, verdict.words, verdict.available, verdict.missing)
            if (check.outcome, check.words, check.available, check.missing) == said:
                check.as_of = max(check.as_of or as_of, as_of)
                same.append(check)
                continue
            check.outcome, check.words, check.available, check.missing = said
            check.as_of = as_of
            changed.append(check)
        await store.keep_checks(connection, [*changed, *same])
        await write_leaves(connection.cursor(), [self._leaf(check) for check in changed])
        woke = {check.check_id: (only or {}).get(check.check_id, cause) for check in changed}
        keys: Mapping[tuple[str, str], Message] = {
            (check.company_code, check.requisition): woke[check.check_id] for check in changed if check.requisition
        }
        told = [_told(check, woke[check.check_id]) for check in changed]
        return [*told, *await judge(self._ports, connection, keys)]

    def _leaf(self, check: Check) -> Leaf:
        record = {
            "requisition": check.requisition,
            "version": check.version,
            "cost_centre": check.cost_centre,
            "outcome": check.outcome,
            "words": check.words,
            "as_of": check.as_of,
        }
        return make_leaf(
            "budget_check.decided",
            check.check_id,
            check.company_code,
            check.correlation_id,
            codec.encode(record),
            self._ports.chance.randbytes(16),
        )


def _wanted(check: Check) -> Wanted:
    return Wanted(
        company_code=check.company_code,
        cost_centre=check.cost_centre,
        currency=check.currency,
        amount=Amount(check.amount) if check.amount is not None else None,
        on=check.needed_on,
        counted=check.counted,
    )


def _told(check: Check, cause: Message) -> Outgoing:
    """The outcome, under the correlation of what was checked."""
    payload = BudgetChecked(
        check_id=check.check_id,
        company_code=check.company_code,
        outcome=check.outcome,
        words=check.words,
        requisition=check.requisition,
        as_of=check.as_of,
    )
    message = msgspec.structs.replace(
        cause,
        message_id=stable_id("msg", check.check_id, check.outcome, check.words, cause.message_id),
        type="tripartite.budget.checked.v1",
        company_code=check.company_code,
        key=check.requisition or check.check_id,
        correlation_id=check.correlation_id,
        causation_id=cause.message_id,
        payload=codec.encode(payload),
    )
    return Outgoing(ORDER_EVENTS, message)
