"""Evidence for chosen leaves: the leaf, its audit path, the checkpoint it leads to, and how earlier ones continue.

    pack = await find_evidence(connection, Choice(correlation_ids=("c_9QF",)))
    async for line in export_lines(connection, Choice()): ...        # the whole log, for the separate verifier

Everything is computed from stored tiles; nothing here is believed by whoever checks it.

The export is JSON, one value a line: a head (format, keys, newest checkpoint, complete or not), earlier checkpoints
with their consistency proofs, leaves in the order of the log with their paths, and a last line with their number. A
complete export has no paths and no proofs: it is rebuilt from its first leaf.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import msgspec

from tripartite.core.audit.checkpoint import read_note
from tripartite.core.audit.leaf import entry_of
from tripartite.core.audit.merkle import (
    consistency_ranges,
    hash_range,
    inclusion_ranges,
    leaf_hash,
    prove_consistency,
    tiles_of,
)
from tripartite.runtime.audit import AuditTrouble, last_checkpoint, read_tiles
from tripartite.runtime.db import Connection, execute

FORMAT = "tripartite-audit/1"
MOST_EARLIER = 100  # earlier checkpoints in one export, spread over the log's life
PAGE = 2_000  # leaves fetched at a time

_COLUMNS = """p.leaf_index, l.leaf_id, l.company_code, l.kind, l.object_id, l.correlation_id,
    (extract(epoch FROM l.recorded_at) * 1000000)::bigint, l.salt, l.record, l.commitment, coalesce(l.erased_by, '')"""


class NothingSealed(AuditTrouble):
    """There is no checkpoint yet, so there is nothing to prove."""


class Choice(msgspec.Struct, frozen=True):
    """Which leaves. No word at all is the whole log; several kinds of words narrow one another.

    `companies` bounds what may be seen; the erasures of chosen leaves come along by themselves.
    """

    leaf_ids: tuple[str, ...] = ()
    object_ids: tuple[str, ...] = ()
    correlation_ids: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    companies: tuple[str, ...] | None = None

    @property
    def everything(self) -> bool:
        """Is it the whole log?"""
        return self == Choice()


class LeafEvidence(msgspec.Struct, frozen=True):
    """One leaf as recorded, and its path to the root of the checkpoint of its pack."""

    index: int
    leaf_id: str
    company_code: str
    kind: str
    object_id: str
    correlation_id: str
    recorded_at: int  # microseconds since 1970, UTC
    salt: bytes | None
    record: bytes | None  # None: erased, by the leaf `erased_by`
    commitment: bytes
    erased_by: str
    path: tuple[bytes, ...]


class Evidence(msgspec.Struct, frozen=True):
    """Chosen leaves under one signed checkpoint."""

    note: str
    keys: tuple[str, ...]
    leaves: tuple[LeafEvidence, ...]


async def find_evidence(connection: Connection, choice: Choice, *, limit: int = 1_000) -> Evidence:
    """Evidence for up to `limit` leaves. Errors: `NothingSealed`."""
    size, _, note = await _newest(connection)
    leaves: list[LeafEvidence] = []
    async for page in _pages(connection, choice, size, prove=True):
        leaves += page
        if len(leaves) >= limit:
            break
    return Evidence(note, await _keys(connection), tuple(leaves[:limit]))


async def inclusion_of(connection: Connection, leaf_id: str) -> dict[str, Any] | None:
    """One leaf with all that is needed to check it, ready for JSON; None where there is no such leaf.

    `state` is `sealed`, or `pending` while the leaf waits for its checkpoint: then it has no index and no path. The
    leaf itself is written as in an export, hashes are hex, proofs base64. Who may see it is the caller's to judge.
    """
    row = await (
        await execute(
            connection,
            f"SELECT {_COLUMNS} FROM audit.leaf l LEFT JOIN audit.position p USING (leaf_no) WHERE l.leaf_id = %s",
            (leaf_id,),
        )
    ).fetchone()
    if row is None:
        return None
    size, _, note = await last_checkpoint(connection)
    # A leaf may be numbered after the checkpoint was read, or the other way round: it is sealed if both agree.
    sealed = row[0] is not None and int(row[0]) < size
    path = (await _paths(connection, [int(row[0])], size))[int(row[0])] if sealed else ()
    value = _leaf_value(LeafEvidence(*(*row, path)))
    return {
        **value,
        "index": value["index"] if sealed else None,
        "state": "sealed" if sealed else "pending",
        "erased_by": row[10],
        "leaf_hash": leaf_hash(entry_of(bytes(row[9]), int(row[6]))).hex(),
        "path": [_base64(step) for step in path],
        "checkpoint": note if sealed else "",
        "keys": await _keys(connection) if sealed else (),
    }


async def prove_growth(connection: Connection, earlier: int, later: int) -> list[bytes]:
    """The consistency proof between two sizes this log has had (for a witness). Errors: `TileMissing`."""
    spans = consistency_ranges(earlier, later)
    return prove_consistency(await read_tiles(connection, sorted(tiles_of(spans))), earlier, later)


async def export_lines(
    connection: Connection, choice: Choice, *, continue_from: Sequence[str] = ()
) -> AsyncIterator[bytes]:
    """The lines of an export. `continue_from`: checkpoints kept elsewhere that the export shall connect to.

    Call it in a repeatable-read transaction, so that all of it is one state of the log. Errors: `NothingSealed`;
    `NoteInvalid` for a checkpoint to continue from that is none.
    """
    size, _, note = await _newest(connection)
    whole = choice.everything
    head = {"format": FORMAT, "keys": await _keys(connection), "checkpoint": note, "complete": whole}
    yield _line(head)
    for earlier, text in await _earlier(connection, size, [read_note(each).checkpoint.size for each in continue_from]):
        proof = [] if whole else await prove_growth(connection, earlier, size)
        yield _line({"checkpoint": text, "consistency": [_base64(step) for step in proof]})
    count = 0
    async for page in _pages(connection, choice, size, prove=not whole):
        for leaf in page:
            yield _leaf_line(leaf, whole=whole)
        count += len(page)
    yield _line({"end": count})


async def _newest(connection: Connection) -> tuple[int, bytes, str]:
    newest = await last_checkpoint(connection)
    if newest[0] == 0:
        raise NothingSealed("the log has no checkpoint yet")
    return newest


async def _keys(connection: Connection) -> tuple[str, ...]:
    rows = await execute(connection, "SELECT verifying_key FROM audit.log_key ORDER BY since_size")
    return tuple(str(row[0]) for row in await rows.fetchall())


async def _earlier(connection: Connection, size: int, wanted: Iterable[int]) -> list[tuple[int, str]]:
    """Earlier checkpoints: those asked for, and a spread over the rest, in order."""
    rows = await execute(
        connection,
        """SELECT tree_size, note FROM (
            SELECT tree_size, note, row_number() OVER (ORDER BY tree_size) AS n, count(*) OVER () AS total
            FROM audit.checkpoint WHERE tree_size < %(size)s) AS earlier
        WHERE n %% greatest((total + %(most)s - 1) / %(most)s, 1) = 0 OR tree_size = ANY(%(wanted)s)
        ORDER BY tree_size""",
        {"size": size, "most": MOST_EARLIER, "wanted": sorted(set(wanted))},
    )
    return [(int(at), str(text)) for at, text in await rows.fetchall()]


async def _pages(
    connection: Connection, choice: Choice, size: int, *, prove: bool
) -> AsyncIterator[list[LeafEvidence]]:
    conditions, values = _conditions(choice)
    first = 0
    while True:
        bound = "AND p.leaf_index < %(end)s" if choice.everything else ""
        rows = await (
            await execute(
                connection,
                f"""SELECT {_COLUMNS} FROM audit.position p JOIN audit.leaf l USING (leaf_no)
                WHERE p.leaf_index >= %(first)s AND p.leaf_index < %(size)s {bound} {conditions}
                ORDER BY p.leaf_index LIMIT %(page)s""",
                {**values, "first": first, "end": first + PAGE, "size": size, "page": PAGE},
            )
        ).fetchall()
        if not rows:
            return
        paths = await _paths(connection, [int(row[0]) for row in rows], size) if prove else {}
        yield [LeafEvidence(*(*row, paths.get(int(row[0]), ()))) for row in rows]
        first = int(rows[-1][0]) + 1


def _conditions(choice: Choice) -> tuple[str, dict[str, Any]]:
    named = {
        "leaf_id": choice.leaf_ids,
        "object_id": choice.object_ids,
        "correlation_id": choice.correlation_ids,
        "kind": choice.kinds,
    }
    chosen = [f"l.{column} = ANY(%({column})s)" for column, words in named.items() if words]
    if choice.companies is not None:
        chosen.append("l.company_code = ANY(%(companies)s)")
    values: dict[str, Any] = {column: list(words) for column, words in named.items()}
    values["companies"] = list(choice.companies or ())
    if not chosen:
        return "", values
    both = " AND ".join(chosen)
    # By leaf numbers first, so that the indexes serve; the leaf that says a chosen one was erased comes along.
    return (
        f"""AND l.leaf_no IN (
            SELECT l.leaf_no FROM audit.leaf l WHERE {both}
            UNION SELECT e.leaf_no FROM audit.leaf l JOIN audit.leaf e ON e.leaf_id = l.erased_by WHERE {both})""",
        values,
    )


async def _paths(connection: Connection, indexes: Sequence[int], size: int) -> dict[int, tuple[bytes, ...]]:
    spans = {index: inclusion_ranges(index, size) for index in indexes}
    distinct = {span for path in spans.values() for span in path}
    tiles = await read_tiles(connection, sorted(tiles_of(distinct)))
    # Neighbours share most of their way up; each subtree is hashed once a page.
    hashes = {span: hash_range(tiles, span) for span in distinct}
    return {index: tuple(hashes[span] for span in path) for index, path in spans.items()}


def _leaf_line(leaf: LeafEvidence, *, whole: bool) -> bytes:
    value = _leaf_value(leaf)
    return _line({"leaf": value} if whole else {"leaf": value, "path": [_base64(step) for step in leaf.path]})


def _leaf_value(leaf: LeafEvidence) -> dict[str, Any]:
    return {
        "index": leaf.index,
        "leaf_id": leaf.leaf_id,
        "company_code": leaf.company_code,
        "kind": leaf.kind,
        "object_id": leaf.object_id,
        "correlation_id": leaf.correlation_id,
        "recorded_at": leaf.recorded_at,
        "salt": None if leaf.salt is None else leaf.salt.hex(),
        "record": _text_or_base64(leaf.record),
        "commitment": leaf.commitment.hex(),
    }


def _text_or_base64(record: bytes | None) -> str | dict[str, str] | None:
    if record is None:
        return None
    try:
        return record.decode()
    except UnicodeDecodeError:
        return {"base64": _base64(record)}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _line(value: dict[str, Any]) -> bytes:
    return msgspec.json.encode(value) + b"\n"
