"""Tax variances meet their quotes: what the decider looks up, adds to a match and asks for.

    evaluate -> a tax reason that a quote may clear -> its question, by content -> a stored quote?
        yes, and it answers the question    the match runs again with it
        no, or it is no answer              held; the question is put (QuoteTax), once for the same question
        asked, and nobody answered          `tax.not_validated` beside the variance: never posted unvalidated

Nothing is looked up for an invoice without such a reason, so the plain path pays for none of this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec

from tripartite.components.invoices import quote_store
from tripartite.components.invoices.store import Row
from tripartite.components.invoices.telling import Cause, event
from tripartite.core import codec
from tripartite.core.estate import Estate
from tripartite.core.events import TAX_COMMANDS, QuoteTax
from tripartite.core.exceptions.reasons import reason
from tripartite.core.findings import Finding
from tripartite.core.ids import stable_id
from tripartite.core.matching.engine import PolicyOf, evaluate
from tripartite.core.matching.result import MatchResult
from tripartite.core.objects import TaxQuestion, TaxQuote
from tripartite.core.tax import BUILT_IN, Figure, contradiction, figures, question_number, question_of
from tripartite.core.tax.tables import TaxTables
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.db import Connection

if TYPE_CHECKING:
    from tripartite.components.invoices.gathering import Neighbourhood

QUOTED = "tax_quoted"


class Quoted(msgspec.Struct, frozen=True):
    """What is known of the tax quotes of some invoices, by invoice id. Empty for an invoice without a tax reason."""

    quotes: dict[str, TaxQuote] = {}
    raw: dict[str, bytes] = {}  # the quote that was used, for the decision's digest
    questions: dict[str, TaxQuestion] = {}
    silence: dict[str, str] = {}  # why there is no answer, in a sentence
    linked: set[str] = set()  # whose question is put already

    def findings(self, invoice_id: str) -> tuple[Finding, ...]:
        """`tax.not_validated` where the question was put and nobody answered it."""
        why = self.silence.get(invoice_id)
        if why is None:
            return ()
        return (Finding(code="tax.not_validated", words=f"The tax is not validated: {why}.", rule="S25"),)

    def digest_parts(self, invoice_id: str) -> tuple[bytes, ...]:
        """What a decision's digest is taken over beside the documents: the quote it rests on."""
        return (self.raw[invoice_id],) if invoice_id in self.raw else ()

    def commands(self, row: Row, cause: Cause, now: datetime) -> tuple[Outgoing, ...]:
        """The question to be put for an invoice that was just held for its tax; none where it is put already."""
        question = self.questions.get(row.invoice_id)
        if question is None or row.state != "held" or row.invoice_id in self.quotes or row.invoice_id in self.linked:
            return ()
        payload = codec.encode(QuoteTax(question_number(question), question, row.invoice_id))
        message_id = stable_id("msg", row.decision_id, TAX_COMMANDS)
        return (event(TAX_COMMANDS, "tax_quote.seek", row, payload, message_id, cause, now, row.connection),)


async def evaluated(
    connection: Connection,
    estate: Estate,
    around: Neighbourhood,
    ids: Sequence[str],
    policy_of: PolicyOf,
    as_of: date,
) -> tuple[dict[str, MatchResult], Quoted]:
    """The match of these invoices, run again with their tax quotes where there are any."""
    results = {one.invoice_id: one for one in evaluate(around.book, ids, policy_of=policy_of, as_of=as_of)}
    quoted = await look(connection, estate, around, results)
    if quoted.quotes:
        again = evaluate(around.book, ids, policy_of=policy_of, as_of=as_of, quotes=quoted.quotes)
        results = {one.invoice_id: one for one in again}
    return results, quoted


def figures_of(estate: Estate, around: Neighbourhood, row: Row, quoted: Quoted) -> list[Figure]:
    """The figures that finance review compares, of an invoice whose tax is in question; nothing for any other."""
    if row.invoice_id not in quoted.questions:
        return []
    bill = next(bill for bill in around.book.bills if bill.id == row.invoice_id)
    words = [
        (each.foreign, each.ours)
        for each in estate.mappings
        if each.connection == row.connection and each.kind == "tax_code"
    ]
    return figures(bill, around.book, quoted.quotes.get(row.invoice_id), words)


async def look(
    connection: Connection, estate: Estate, around: Neighbourhood, results: Mapping[str, MatchResult]
) -> Quoted:
    """The quotes that answer the tax questions of these results, and what stands in place of the missing ones."""
    wanted = [one for one in results.values() if any(QUOTED in reason(each.code).recheck_on for each in one.findings)]
    if not wanted:
        return Quoted()
    bills = {bill.id: bill for bill in around.book.bills}
    quoted = Quoted({}, {}, {}, {}, set())
    for result in wanted:
        bill = bills[result.invoice_id]
        company = estate.company(bill.doc.company_code)
        if company is not None:
            supplier = around.suppliers.get(bill.doc.supplier_id)
            quoted.questions[bill.id] = question_of(
                bill, around.book, result.pairs, around.by_number, supplier, company
            )
    numbers = {each: question_number(question) for each, question in quoted.questions.items()}
    stored = await quote_store.quotes(connection, numbers.values())
    current = TaxTables.of(estate).version
    stored = {  # what our own tables said before they were changed is asked again
        number: each
        for number, each in stored.items()
        if each.quote.engine != BUILT_IN or each.quote.engine_version == current
    }
    asked = await quote_store.questions(connection, numbers.values())
    links = await quote_store.linked(connection, numbers.values())
    for invoice_id, number in numbers.items():
        if (number, invoice_id) in links and (
            number in stored or (number in asked and asked[number].engine != BUILT_IN)
        ):
            quoted.linked.add(invoice_id)
        found = stored.get(number)
        against = contradiction(quoted.questions[invoice_id], found.quote) if found else ""
        if found is not None and not against:
            quoted.quotes[invoice_id], quoted.raw[invoice_id] = found.quote, found.raw
        elif found is not None:
            quoted.silence[invoice_id] = f"{found.quote.engine} answered, and {against}"
        elif number in asked and asked[number].failed:
            quoted.silence[invoice_id] = asked[number].failed
    return quoted
