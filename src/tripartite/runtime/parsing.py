"""A pool of limited sub-processes that parse untrusted documents, fed in batches (security: "Files").

What a hostile document can do to its parser, it does to a process that holds no secret, no connection and no state,
under limits of memory, processor time and wall time. A batch that a worker does not survive is sent again document by
document to a fresh worker, so that only the culprit is refused and the others go on.

    ParsingPool(command, ...).read_many(items)    the parent's side
    serve(readers)                                the worker's side, called by the program that `command` starts

Between them go frames: the length of a JSON header, the header, then the bodies it counts, as raw bytes. No pickle. The
parent believes nothing a worker says beyond the shape of a frame. This module knows no document format: the command
and the readers are given.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import msgspec

from tripartite.core.codec import encode, plain
from tripartite.core.objects import Invoice, Order, Party, Receipt
from tripartite.runtime.protocol import ObjectKind, Raw, Reader, ReadResult, Trust, Unreadable

_LENGTH = struct.Struct(">I")
_LARGEST_HEADER = 64 * 1024 * 1024


class ParsingLimits(msgspec.Struct, frozen=True):
    """What one worker may use. `memory_bytes` is address space; processor seconds are per batch."""

    memory_bytes: int = 1024 * 1024 * 1024
    cpu_seconds: int = 10
    timeout_seconds: float = 20.0
    batch_documents: int = 64
    batch_bytes: int = 8 * 1024 * 1024
    result_bytes: int = 256 * 1024 * 1024


class ParsedHead(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the intake needs to route a document without reading it again.

    `gross` is the stated total with tax, in `currency`, as plain text; empty where none is stated. Keys are
    `scheme:value`, the strongest first: `tax:`, `endpoint:`, `id:`, `registration:`, `number:`, `name:`.
    """

    kind: ObjectKind
    number: str
    document_kind: str = ""  # of an invoice or receipt: credit_memo, return, ...
    currency: str = ""
    gross: str = ""
    issued_on: str = ""
    supplier_keys: tuple[str, ...] = ()
    buyer_keys: tuple[str, ...] = ()
    order_numbers: tuple[str, ...] = ()
    lines: int = 0
    dropped: tuple[str, ...] = ()
    format: str = ""  # of the document: ubl.invoice, cii.invoice, ...


class Parsed(msgspec.Struct, frozen=True):
    """One document read: its head, and its canonical JSON as `core.codec.encode` writes it."""

    head: ParsedHead
    payload: bytes


class _Asked(msgspec.Struct, frozen=True):
    """One document of a batch on its way to the worker; its bytes follow the header."""

    format: str
    media_type: str
    connection: str
    length: int
    trust: Trust | None = None


class _Answered(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer on its way back; a payload of `length` bytes follows where there is a head."""

    head: ParsedHead | None = None
    length: int = 0
    reason_code: str = ""
    pointer: str = ""
    detail: str = ""
    format: str = ""


class _Batch(msgspec.Struct, frozen=True):
    cpu_seconds: int
    items: tuple[_Asked, ...]


_batches = msgspec.json.Decoder(_Batch)
_answers = msgspec.json.Decoder(tuple[_Answered, ...])
_json = msgspec.json.Encoder()


# The worker's side.


def party_keys(party: Party | None) -> tuple[str, ...]:
    """The identifiers by which a party can be looked up, the strongest first."""
    if party is None:
        return ()
    keys: list[str] = []
    if party.tax_id:
        keys.append(f"tax:{party.tax_id}")
    if party.endpoint is not None:
        keys.append(f"endpoint:{party.endpoint.scheme}:{party.endpoint.value}")
    keys.extend(f"id:{entry.scheme}:{entry.value}" for entry in party.ids)
    if party.registration is not None:
        keys.append(f"registration:{party.registration.scheme}:{party.registration.value}")
    if party.name:
        keys.append(f"name:{party.name}")
    return tuple(keys)


def head_of(result: ReadResult) -> ParsedHead:
    """The head of a document that was read."""
    value = result.value
    if isinstance(value, Invoice):
        return ParsedHead(
            kind=result.kind,
            number=value.number,
            document_kind=value.kind,
            currency=value.currency,
            gross=plain(value.gross) if value.gross is not None else "",
            issued_on=value.issued_on.isoformat() if value.issued_on is not None else "",
            supplier_keys=(f"number:{value.supplier_number}",) * bool(value.supplier_number)
            + party_keys(value.supplier),
            buyer_keys=party_keys(value.buyer),
            order_numbers=value.order_numbers,
            lines=len(value.lines),
            dropped=result.dropped,
            format=result.format,
        )
    if isinstance(value, Order):
        return ParsedHead(
            kind=result.kind,
            number=value.number,
            currency=value.currency,
            gross=plain(value.gross) if value.gross is not None else "",
            issued_on=value.issued_on.isoformat() if value.issued_on is not None else "",
            supplier_keys=(f"number:{value.supplier_number}",) * bool(value.supplier_number)
            + party_keys(value.supplier),
            buyer_keys=party_keys(value.buyer),
            order_numbers=(value.number,),
            lines=len(value.lines),
            dropped=result.dropped,
            format=result.format,
        )
    if isinstance(value, Receipt):
        return ParsedHead(
            kind=result.kind,
            number=value.number,
            document_kind=value.kind,
            issued_on=value.posted_on.isoformat() if value.posted_on is not None else "",
            supplier_keys=party_keys(value.supplier),
            buyer_keys=party_keys(value.buyer),
            order_numbers=tuple(dict.fromkeys(line.order_number for line in value.lines if line.order_number)),
            lines=len(value.lines),
            dropped=result.dropped,
            format=result.format,
        )
    return ParsedHead(kind=result.kind, number=value.number, dropped=result.dropped, format=result.format)


def parse_one(readers: Mapping[str, Reader], format_: str, raw: Raw) -> Parsed | Unreadable:
    """Read one document in this process. A reader that runs out of memory or depth refuses; it does not raise."""
    reader = readers.get(format_)
    if reader is None:
        return Unreadable("intake.type_not_supported", format_, "no reader for this format")
    try:
        result = reader(raw)
        if isinstance(result, Unreadable):
            return result
        return Parsed(head_of(result), encode(result.value))
    except MemoryError:
        return Unreadable("intake.too_large", "", "more memory than a parser may use")
    except RecursionError:
        return Unreadable("intake.too_large", "", "nested too deep")


def serve(readers: Mapping[str, Reader], memory_bytes: int = 0) -> None:
    """Answer batches from standard input until it closes.

    Limits are set here, before the first byte of a document is read. What libraries print from then on goes nowhere:
    it must not stand between frames, and a stranger's text does not belong into our logs.
    """
    incoming = os.fdopen(os.dup(0), "rb", buffering=1 << 20)
    outgoing = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)  # a tree is freed by its counts; cycles are rare and small
    while True:
        header = _read_frame(incoming)
        if header is None:
            return
        batch = _batches.decode(header)
        _allow_seconds(batch.cpu_seconds)
        bodies = [incoming.read(item.length) for item in batch.items]
        answers: list[_Answered] = []
        payloads: list[bytes] = []
        for item, body in zip(batch.items, bodies, strict=True):
            answer = parse_one(readers, item.format, Raw(body, item.media_type, item.connection, item.trust))
            if isinstance(answer, Parsed):
                answers.append(_Answered(head=answer.head, length=len(answer.payload)))
                payloads.append(answer.payload)
            else:
                told = (answer.reason_code, answer.pointer, answer.detail, answer.format)
                answers.append(_Answered(None, 0, *told))
        reply = _json.encode(answers)
        outgoing.write(_LENGTH.pack(len(reply)))
        outgoing.write(reply)
        outgoing.writelines(payloads)
        outgoing.flush()


def _read_frame(stream: BinaryIO) -> bytes | None:
    size = stream.read(_LENGTH.size)
    if len(size) < _LENGTH.size:
        return None
    return stream.read(_LENGTH.unpack(size)[0])


def _allow_seconds(seconds: int) -> None:
    """From now on this process may use so much processor time more; then it is killed (SIGXCPU)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


# The parent's side.


class _WorkerLost(Exception):
    """A worker died or said nothing in time. `reason_code` and `detail` are what a single document is told."""

    def __init__(self, reason_code: str, detail: str) -> None:
        super().__init__(detail)
        self.reason_code = reason_code
        self.detail = detail


class _Worker:
    """One sub-process, or the place for one: it is started when first needed and after every loss."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], limits: ParsingLimits) -> None:
        self._command = command
        self._environment = environment
        self._limits = limits
        self._process: asyncio.subprocess.Process | None = None
        self.started = 0

    async def ask(self, items: Sequence[tuple[str, Raw]]) -> list[Parsed | Unreadable]:
        """The answers to one batch, in its order. Errors: `_WorkerLost`; the process is gone then."""
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                return await self._exchange(items)
        except TimeoutError:
            await self.stop()
            raise _WorkerLost("intake.too_large", "more time than a parser may use") from None
        except (OSError, EOFError, ValueError, msgspec.DecodeError):
            code = await self.stop()
            raise _lost(code) from None
        except BaseException:
            await self.stop()
            raise

    async def _exchange(self, items: Sequence[tuple[str, Raw]]) -> list[Parsed | Unreadable]:
        process = self._process
        if process is None:
            process = self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=dict(self._environment),
                start_new_session=True,
                limit=1 << 20,
            )
            self.started += 1
        assert process.stdin is not None
        assert process.stdout is not None
        header = _json.encode(
            _Batch(
                self._limits.cpu_seconds,
                tuple(_Asked(name, raw.media_type, raw.connection, len(raw.content), raw.trust) for name, raw in items),
            )
        )
        process.stdin.writelines([_LENGTH.pack(len(header)), header, *(raw.content for _, raw in items)])
        await process.stdin.drain()
        size = _LENGTH.unpack(await process.stdout.readexactly(_LENGTH.size))[0]
        if size > _LARGEST_HEADER:
            raise ValueError("a header beyond its limit")
        answers = _answers.decode(await process.stdout.readexactly(size))
        total = sum(answer.length for answer in answers)
        if len(answers) != len(items) or total > self._limits.result_bytes or any(a.length < 0 for a in answers):
            raise ValueError("answers that do not fit the batch")
        return [await _taken(answer, process.stdout) for answer in answers]

    async def stop(self) -> int | None:
        """End the process, if there is one, and answer how it ended."""
        process, self._process = self._process, None
        if process is None:
            return None
        died = process.returncode
        if died is None:
            # A worker that just died of a limit is given a moment, so that its own reason is what we see.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    died = await process.wait()
        if died is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        return died

    async def close(self) -> None:
        """Let an idle worker end by itself: its input closes."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        await self.stop()


async def _taken(answer: _Answered, stream: asyncio.StreamReader) -> Parsed | Unreadable:
    if answer.head is None:
        return Unreadable(answer.reason_code or "intake.malformed", answer.pointer, answer.detail, answer.format)
    return Parsed(answer.head, await stream.readexactly(answer.length))


def _lost(code: int | None) -> _WorkerLost:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return _WorkerLost("intake.too_large", "more time or memory than a parser may use")
    return _WorkerLost("intake.malformed", "the parser did not survive this document")


class ParsingPool:
    """Workers for untrusted documents. `command` starts one; it is to call `serve` with the readers it knows.

    `command` gets the memory limit in bytes as its last argument. The workers' environment is made here: the search
    paths and nothing else, so that no secret of ours is in a process that reads strangers' bytes.
    """

    def __init__(self, command: Sequence[str], *, workers: int = 1, limits: ParsingLimits = ParsingLimits()) -> None:  # noqa: B008 - frozen
        assert workers > 0
        self.limits = limits
        environment = {
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "LANG": "C.UTF-8",
        }
        self._workers = [_Worker([*command, str(limits.memory_bytes)], environment, limits) for _ in range(workers)]
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in reversed(self._workers):
            self._idle.put_nowait(worker)

    @property
    def started(self) -> int:
        """How many processes were started so far: a rise beyond the size of the pool counts the losses."""
        return sum(worker.started for worker in self._workers)

    async def read_many(self, items: Sequence[tuple[str, Raw]]) -> list[Parsed | Unreadable]:
        """Read documents, each `(format, raw)`; format empty: find out. One answer each, in the same order.

        Nothing is raised for a document: one that kills its worker or outlives its time is `Unreadable` with
        `intake.too_large` or `intake.malformed`, and the others of its batch are read all the same.
        """
        spans = self._spans(items)
        results = await asyncio.gather(*(self._read_span(items[start:end]) for start, end in spans))
        return [answer for part in results for answer in part]

    def _spans(self, items: Sequence[tuple[str, Raw]]) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        start = size = 0
        for place, (_, raw) in enumerate(items):
            full = place - start >= self.limits.batch_documents
            if place > start and (full or size + len(raw.content) > self.limits.batch_bytes):
                spans.append((start, place))
                start, size = place, 0
            size += len(raw.content)
        if start < len(items):
            spans.append((start, len(items)))
        return spans

    async def _read_span(self, items: Sequence[tuple[str, Raw]]) -> list[Parsed | Unreadable]:
        worker = await self._idle.get()
        try:
            try:
                return await worker.ask(items)
            except _WorkerLost as lost:
                if len(items) == 1:
                    return [Unreadable(lost.reason_code, "", lost.detail)]
            answers: list[Parsed | Unreadable] = []
            for item in items:
                try:
                    answers.extend(await worker.ask([item]))
                except _WorkerLost as lost:
                    answers.append(Unreadable(lost.reason_code, "", lost.detail))
            return answers
        finally:
            self._idle.put_nowait(worker)

    async def close(self) -> None:
        """End all workers."""
        await asyncio.gather(*(worker.close() for worker in self._workers))
