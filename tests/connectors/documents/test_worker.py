"""The real readers in the real sub-process: the same answers as here, and hostile documents stay alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from connectors.documents.builder import invoice, line
from connectors.documents.samples import documents
from tripartite.connectors.documents import read_any
from tripartite.connectors.documents.worker import COMMAND
from tripartite.core.codec import encode
from tripartite.runtime.parsing import Parsed, ParsingLimits, ParsingPool, head_of
from tripartite.runtime.protocol import Raw, ReadResult, Unreadable


@pytest.fixture
async def pool() -> AsyncIterator[ParsingPool]:
    made = ParsingPool(COMMAND, limits=ParsingLimits(memory_bytes=512 * 1024 * 1024))
    yield made
    await made.close()


def here(content: bytes) -> Parsed | Unreadable:
    answer = read_any(Raw(content, ""))
    return Parsed(head_of(answer), encode(answer.value)) if isinstance(answer, ReadResult) else answer


async def test_the_worker_answers_as_the_readers_do(pool: ParsingPool) -> None:
    contents = [invoice(), b"<a>", invoice(currency="XXX"), invoice(root="CreditNote", type_code="381"), b"%PDF"]
    assert await pool.read_many([("", Raw(content, "")) for content in contents]) == [here(c) for c in contents]


async def test_the_head_says_who_claims_how_much_of_whom(pool: ParsingPool) -> None:
    (answer,) = await pool.read_many([("ubl.invoice", Raw(invoice(), ""))])
    assert isinstance(answer, Parsed)
    head = answer.head
    assert (head.kind, head.document_kind, head.number, head.currency, head.gross) == (
        "invoice",
        "invoice",
        "R-1",
        "EUR",
        "47.60",
    )
    assert head.supplier_keys == ("tax:DE111111111", "endpoint:EM:ar@bolt.example", "name:Bolt GmbH")
    assert head.buyer_keys == ("tax:DE222222222", "endpoint:EM:ap@mill.example", "name:Mill AG")
    assert (head.order_numbers, head.lines, head.issued_on) == (("4500000123",), 1, "2026-03-09")


async def test_a_hostile_document_does_not_hold_up_the_others(pool: ParsingPool) -> None:
    laughs = b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    wide = b"<a>" + b"<b c='d'/>" * 390_000 + b"</a>"
    many = invoice(lines="".join(line(number) for number in range(1, 3000)))
    contents = [invoice(), laughs, wide, many, b"<a>" * 100_000, invoice(number="R-2")]
    answers = await pool.read_many([("", Raw(content, "")) for content in contents])
    codes = [answer.reason_code if isinstance(answer, Unreadable) else answer.head.lines for answer in answers]
    assert codes == [1, "intake.doctype_refused", "intake.type_not_supported", 2999, "intake.too_large", 1]


@pytest.mark.samples
async def test_every_sample_reads_the_same_in_the_worker(pool: ParsingPool) -> None:
    contents = [content for _, content in documents()]
    assert await pool.read_many([("", Raw(content, "")) for content in contents]) == [here(c) for c in contents]
    assert pool.started == 1
