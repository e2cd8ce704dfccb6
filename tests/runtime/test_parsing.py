"""A document that kills its parser is refused alone; everything else in its batch is read."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tripartite.core.codec import decode
from tripartite.core.objects import Invoice
from tripartite.runtime.parsing import Parsed, ParsingLimits, ParsingPool
from tripartite.runtime.protocol import Raw, Unreadable

# A worker whose reader does what the document says: the hostile documents of this test.
WORKER = """
import os, signal, sys, time
from tripartite.core.objects import Invoice
from tripartite.runtime.parsing import serve
from tripartite.runtime.protocol import ReadResult, Unreadable

def read(raw):
    word = raw.content.decode()
    if word == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "exit":
        os._exit(3)
    if word == "hang":
        time.sleep(60)
    if word == "spin":
        while True:
            pass
    if word == "eat":
        kept = bytearray(4_000_000_000)
    if word == "recurse":
        return read_again(raw)
    if word == "print":
        print("a library talks on standard output", flush=True)
    if word == "write":
        open("written.txt", "w").write("x" * 1000)
    if word == "refuse":
        return Unreadable("intake.malformed", "/here", "said so")
    if word == "secrets":
        word = ",".join(sorted(os.environ))
    return ReadResult("invoice", Invoice(number=word, kind="invoice", currency="EUR"), ("x",))

def read_again(raw):
    return read_again(raw)

serve({"test": read}, int(sys.argv[1]))
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    program = tmp_path / "worker.py"
    program.write_text(textwrap.dedent(WORKER))
    return [sys.executable, str(program)]


@pytest.fixture
async def pool(command: list[str]) -> AsyncIterator[ParsingPool]:
    limits = ParsingLimits(cpu_seconds=1, timeout_seconds=3.0, batch_documents=4)
    made = ParsingPool(command, limits=limits)
    yield made
    await made.close()


def said(answer: Parsed | Unreadable) -> str:
    return answer.head.number if isinstance(answer, Parsed) else answer.reason_code


async def outcome(pool: ParsingPool, *words: str) -> list[str]:
    return [said(answer) for answer in await pool.read_many([("test", Raw(word.encode(), "")) for word in words])]


async def test_documents_come_back_in_order_as_canonical_json_with_their_heads(pool: ParsingPool) -> None:
    words = [f"R-{number}" for number in range(11)]
    answers = await pool.read_many([("test", Raw(word.encode(), "")) for word in words])
    assert [said(answer) for answer in answers] == words
    first = answers[0]
    assert isinstance(first, Parsed)
    assert decode(first.payload, Invoice) == Invoice(number="R-0", kind="invoice", currency="EUR")
    assert (first.head.kind, first.head.currency, first.head.dropped) == ("invoice", "EUR", ("x",))
    assert pool.started == 1
    assert await pool.read_many([]) == []


@pytest.mark.parametrize(
    ("word", "code"),
    [("crash", "intake.malformed"), ("exit", "intake.malformed"), ("spin", "intake.too_large")],
)
async def test_what_kills_its_worker_is_refused_alone(pool: ParsingPool, word: str, code: str) -> None:
    assert await outcome(pool, "R-1", word, "R-2", "R-3", "R-4") == ["R-1", code, "R-2", "R-3", "R-4"]
    assert await outcome(pool, "R-5") == ["R-5"]


async def test_what_never_answers_is_refused_after_its_time(command: list[str]) -> None:
    pool = ParsingPool(command, limits=ParsingLimits(timeout_seconds=0.7, batch_documents=4))
    assert await outcome(pool, "R-1", "hang", "R-2") == ["R-1", "intake.too_large", "R-2"]
    await pool.close()


async def test_running_out_of_memory_or_depth_refuses_without_losing_the_worker(pool: ParsingPool) -> None:
    assert await outcome(pool, "eat", "R-1", "recurse", "R-2") == ["intake.too_large", "R-1", "intake.too_large", "R-2"]
    assert pool.started == 1


async def test_a_refusal_keeps_its_place_and_words(pool: ParsingPool) -> None:
    (answer,) = await pool.read_many([("test", Raw(b"refuse", ""))])
    assert answer == Unreadable("intake.malformed", "/here", "said so")
    (other,) = await pool.read_many([("unheard", Raw(b"x", ""))])
    assert other == Unreadable("intake.type_not_supported", "unheard", "no reader for this format")


async def test_what_a_library_prints_does_not_disturb_the_frames(pool: ParsingPool) -> None:
    assert await outcome(pool, "R-1", "print", "R-2") == ["R-1", "print", "R-2"]
    assert pool.started == 1


async def test_a_parser_writes_no_file(pool: ParsingPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    await outcome(pool, "write")
    assert (tmp_path / "written.txt").stat().st_size == 0


async def test_a_parser_has_none_of_our_secrets(pool: ParsingPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPARTITE_DATABASE_URL", "postgresql://secret")
    (names,) = await outcome(pool, "secrets")
    assert "TRIPARTITE_DATABASE_URL" not in names
    assert "PYTHONPATH" in names


async def test_two_workers_serve_many_callers_at_once(command: list[str]) -> None:
    pool = ParsingPool(command, workers=2, limits=ParsingLimits(batch_documents=3))
    groups = [[f"R-{group}-{number}" for number in range(7)] for group in range(6)]
    answers = await asyncio.gather(*(outcome(pool, *words) for words in groups))
    assert answers == groups
    assert pool.started == 2
    await pool.close()


async def test_a_caller_that_gives_up_leaves_a_pool_that_works(pool: ParsingPool) -> None:
    task = asyncio.create_task(outcome(pool, "hang"))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await outcome(pool, "R-1") == ["R-1"]


async def test_a_batch_is_cut_by_bytes_as_well_as_by_count(command: list[str]) -> None:
    pool = ParsingPool(command, limits=ParsingLimits(batch_bytes=10))
    assert await outcome(pool, "a" * 8, "b" * 8, "c" * 30, "d") == ["a" * 8, "b" * 8, "c" * 30, "d"]
    await pool.close()


async def test_closing_ends_the_processes(command: list[str]) -> None:
    pool = ParsingPool(command)
    await outcome(pool, "R-1")
    process = pool._workers[0]._process
    assert process is not None
    await pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, signal.SIGCONT)
