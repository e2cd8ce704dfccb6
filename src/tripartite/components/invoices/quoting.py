"""Tax quotes are asked for, come, or do not come; who waits for one is decided again.

on_commands    a question is put: our own tables answer at once, or the gateway is told to ask the tax connection
on_quotes      an engine's answer is stored, and who asked is decided again
on_answers     nobody answered: who asked is decided again, and is told so
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from tripartite.components.invoices import quote_store
from tripartite.components.invoices.deciding import Decider
from tripartite.components.invoices.telling import Cause
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.events import ASKS, Answered, Ask, QuoteTax, TaxQuoteArrived
from tripartite.core.ids import digest
from tripartite.core.objects import TaxQuestion, TaxQuote
from tripartite.core.objects.tax_quote import TaxRounding
from tripartite.core.tax import BUILT_IN, TaxTables, contradiction
from tripartite.core.tax import quote as by_tables
from tripartite.runtime.bus import Batch, Outgoing, publish, told
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection

QUESTION = "tax_quote"
ROLES = ("tax",)
AGAIN_AFTER = timedelta(minutes=15)  # the gateway has tried five times by then


def engine_of(ports: Ports, company_code: str, on: datetime) -> tuple[str, TaxRounding]:
    """Who reckons the tax of a company, and how our own tables round: the policy's country row says it.

    Where no row speaks for the country: the company's tax connection if it has one, else our own tables.
    """
    company = ports.estate.company(company_code)
    row = ports.pack.country(company.country, on.date()) if company is not None else None
    if row is not None:
        return row.tax_service, row.tax_rounding
    return ("connection" if ports.estate.serving("tax", company_code) else BUILT_IN), "document"


def ask_of(number: str, question: TaxQuestion) -> Ask:
    """The question for the gateway: what its connector needs, as our JSON."""
    body = codec.encode(question).decode()
    return Ask(question.company_code, ROLES, QUESTION, number, {"number": number, "question": body})


class Quoting:
    def __init__(self, ports: Ports, decider: Decider) -> None:
        self._ports = ports
        self._decider = decider

    async def on_commands(self, connection: Connection, batch: Batch) -> None:
        """Put questions; each once, however many invoices ask it."""
        commands = [(message, codec.decode_own(message.payload, QuoteTax)) for message in batch.messages]
        outgoing = await self.put(connection, commands)
        causes = {each.invoice_id: _cause(message) for message, each in commands if each.invoice_id}
        outgoing += await self._decide(connection, [each.number for _, each in commands], causes)
        await publish(connection, outgoing)

    async def put(self, connection: Connection, commands: Sequence[tuple[Message, QuoteTax]]) -> list[Outgoing]:
        """Note the questions and answer those that our own tables answer; the messages that ask for the others.

        A quote that came before its question is the answer to it.
        """
        now = self._ports.clock.now()
        by_number = {each.number: (message, each) for message, each in commands}
        await quote_store.hold(connection, by_number)
        engines = {
            number: engine_of(self._ports, each.question.company_code, now) for number, (_, each) in by_number.items()
        }
        new = await quote_store.ask(
            connection,
            [
                (
                    *(number, each.question.company_code, engines[number][0], codec.encode(each.question)),
                    *(message.correlation_id, message.message_id),
                )
                for number, (message, each) in by_number.items()
            ],
            now,
            now + AGAIN_AFTER,
        )
        await quote_store.link(connection, [(each.number, each.invoice_id) for _, each in commands if each.invoice_id])
        tables = TaxTables.of(self._ports.estate)
        outgoing: list[Outgoing] = []
        for number, (message, each) in sorted(by_number.items()):
            engine, rounding = engines[number]
            if engine == BUILT_IN:  # again too: the tables may have changed since
                await self._store(connection, [(by_tables(each.question, tables, rounding), "", now)], now)
            elif number in new:
                outgoing.append(told(message, ASKS, "question.asked", codec.encode(ask_of(number, each.question))))
        await self._settle(connection, by_number, now)
        return outgoing

    async def on_quotes(self, connection: Connection, batch: Batch) -> None:
        """Keep engines' answers; decide again who waits for them."""
        arrived = [(message, codec.decode_own(message.payload, TaxQuoteArrived)) for message in batch.messages]
        now = self._ports.clock.now()
        numbers = [each.value.number for _, each in arrived]
        await quote_store.hold(connection, numbers)
        await self._store(
            connection, [(each.value, each.intake_id, message.occurred_at) for message, each in arrived], now
        )
        await self._settle(connection, numbers, now)
        await publish(connection, await self._decide(connection, numbers, {}, batch.messages[-1]))

    async def on_answers(self, connection: Connection, batch: Batch) -> None:
        """The tax connection was asked and did not answer: that is a fact too. An answer comes by its own message."""
        failed = [
            (message, answer)
            for message in batch.messages
            if (answer := codec.decode_own(message.payload, Answered)).question == QUESTION and answer.failed
        ]
        if not failed:
            return
        now = self._ports.clock.now()
        await quote_store.hold(connection, [answer.reference for _, answer in failed])
        for _, answer in failed:
            if not answer.found:
                await quote_store.fail(connection, answer.reference, answer.failed, now, now + AGAIN_AFTER)
        numbers = [answer.reference for _, answer in failed]
        await publish(connection, await self._decide(connection, numbers, {}, failed[-1][0]))

    async def _store(
        self, connection: Connection, quotes: Sequence[tuple[TaxQuote, str, datetime]], now: datetime
    ) -> None:
        rows = []
        for value, intake_id, at in quotes:
            raw = codec.encode(value)
            as_of = value.as_of or at
            rows.append((value.number, value.company_code, value.engine, as_of, digest(raw), raw, intake_id, now))
        await quote_store.keep(connection, rows)

    async def _settle(self, connection: Connection, numbers: Collection[str], now: datetime) -> None:
        """Whether what is stored answers what was asked: then it is not asked again. Something else is no answer."""
        stored = await quote_store.quotes(connection, numbers)
        asked = await quote_store.questions(connection, stored)
        good = []
        for number, question in asked.items():
            quote = stored[number].quote
            against = contradiction(question.question, quote)
            if not against:
                good.append(number)
            else:
                await quote_store.fail(
                    connection, number, f"{quote.engine} answered, and {against}", now, now + AGAIN_AFTER
                )
        await quote_store.answered(connection, good)

    async def _decide(
        self,
        connection: Connection,
        numbers: Collection[str],
        causes: Mapping[str, Cause],
        otherwise: Message | None = None,
    ) -> list[Outgoing]:
        """Decide again, company by company, who waits for these questions."""
        by_company: dict[str, list[str]] = {}
        for invoice_id, company, _ in await quote_store.waiting(connection, numbers):
            if invoice_id in causes or otherwise is not None:
                by_company.setdefault(company, []).append(invoice_id)
        messages: list[Outgoing] = []
        for company, ids in sorted(by_company.items()):
            why = {each: causes.get(each) or _cause(otherwise) for each in ids}
            messages += await self._decider.decide(connection, company, (), ids, why)
        return messages


def _cause(message: Message | None) -> Cause:
    assert message is not None
    return Cause(message.message_id, message.type, message.trace_id)
