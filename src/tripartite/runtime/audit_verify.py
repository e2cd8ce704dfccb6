"""Verify the whole log from its tables: every record, every tile, every checkpoint, recomputed from nothing.

Two questions about each leaf: does its record still give its commitment, and does its commitment stand in the tree
where it should? Two about each checkpoint: is it signed, and do the leaves up to there give its root? All roots come
out of one pass over one sequence of leaves, which is what a consistency proof between any two of them would show.
The first place where the answer is no is named. This reads the tables of a running system; for an auditor who does not
trust that system there are exports and the separate verifier (`tripartite/verifier/verify_tripartite.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import msgspec
import psycopg

from tripartite.core.audit.checkpoint import NoteInvalid, VerifyingKey, read_note
from tripartite.core.audit.leaf import DOMAIN, leaf_id_of
from tripartite.core.audit.merkle import EMPTY_ROOT, HASH_LENGTH, TILE_WIDTH, extend, root_of
from tripartite.runtime.audit import ERASURE, ed25519_holds

BATCH = 64 * TILE_WIDTH  # leaves read at a time; whole tiles, so that a tile is compared once

# A row of a leaf in the order of the log: what is hashed, laid side by side by the database but hashed here.
_LEAVES = """
    SELECT p.leaf_index, l.leaf_id, l.commitment,
        int8send((extract(epoch FROM l.recorded_at) * 1000000)::bigint),
        l.salt
        || int2send(octet_length(l.company_code)::int2) || convert_to(l.company_code, 'UTF8')
        || int2send(octet_length(l.kind)::int2) || convert_to(l.kind, 'UTF8')
        || int2send(octet_length(l.object_id)::int2) || convert_to(l.object_id, 'UTF8')
        || int2send(octet_length(l.correlation_id)::int2) || convert_to(l.correlation_id, 'UTF8')
        || l.record,
        l.erased_by
    FROM audit.position p LEFT JOIN audit.leaf l USING (leaf_no)
    WHERE p.leaf_index >= %s AND p.leaf_index < %s ORDER BY p.leaf_index"""
_TILES = "SELECT level, number, hashes FROM audit.tile WHERE level = 0 AND number >= %s AND number < %s"


class Verification(msgspec.Struct, frozen=True):
    """What `tripartite audit verify --json` prints.

    `checked` counts leaves found good, `first_bad` is the index of the first leaf that is not (null where all are, or
    where the trouble is not at a leaf), `problem` says what is wrong, `erased` counts leaves whose record was erased.
    """

    ok: bool
    tree_size: int
    root: str
    checked: int
    first_bad: int | None
    problem: str = ""
    checkpoints: int = 0
    erased: int = 0
    pending: int = 0


class _Bad(Exception):
    def __init__(self, problem: str, index: int | None) -> None:
        super().__init__(problem)
        self.index = index


def verify_log(database_url: str, *, keys: Sequence[VerifyingKey] = (), outside: Sequence[str] = ()) -> Verification:
    """Recompute the log of a database as it stands in one snapshot.

    `keys`: the keys that checkpoints must be signed with; without any, those the database itself names (which proves
    less). `outside`: checkpoints kept elsewhere (mail, print, a witness); each must be a state this log went through.
    Errors: `NoteInvalid` for an outside checkpoint that is none; psycopg's own where the database does not answer.
    """
    with (
        psycopg.connect(database_url, options="-c search_path=runtime,public") as connection,
        ThreadPoolExecutor(1) as reader,
    ):
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return _Verifier(connection, reader, keys, outside).run()


class _Verifier:
    """One pass. The database lays out the next batch while this one is hashed."""

    def __init__(
        self,
        connection: psycopg.Connection[tuple[Any, ...]],
        reader: ThreadPoolExecutor,
        keys: Sequence[VerifyingKey],
        outside: Sequence[str],
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._keys = tuple(keys)
        self._outside = {note.checkpoint.size: note for note in map(read_note, outside)}
        self._edge: dict[tuple[int, int], bytes] = {}
        self._checked = 0
        self._sealed = 0  # size of the last checkpoint found good
        self._seals = 0
        self._erased: dict[str, int] = {}
        self._erasers: dict[str, str] = {}

    def run(self) -> Verification:
        rows = self._ask("SELECT tree_size, root, note FROM audit.checkpoint ORDER BY tree_size")
        size, root = (int(rows[-1][0]), bytes(rows[-1][1])) if rows else (0, EMPTY_ROOT)
        problem, first_bad = "", None
        try:
            self._find_keys()
            self._walk(size, {int(at): (bytes(hashed), str(note)) for at, hashed, note in rows})
            self._look_beyond(size)
        except _Bad as bad:
            problem, first_bad = str(bad), bad.index
        return Verification(
            not problem,
            *(size, root.hex(), self._checked, first_bad, problem, self._seals, len(self._erased)),
            int(self._ask("SELECT count(*) FROM audit.pending")[0][0]),
        )

    def _ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.cursor(binary=True).execute(query.encode(), values).fetchall()

    def _find_keys(self) -> None:
        if self._keys:
            return
        try:
            self._keys = tuple(
                VerifyingKey.parse(row[0]) for row in self._ask("SELECT verifying_key FROM audit.log_key")
            )
        except NoteInvalid as error:
            raise _Bad(f"a stored verifying key is unreadable: {error}", None) from None

    def _batches(self, size: int) -> Iterator[tuple[int, list[tuple[Any, ...]], dict[int, bytes]]]:
        def read(first: int) -> tuple[list[tuple[Any, ...]], dict[int, bytes]]:
            end = min(first + BATCH, size)
            leaves = self._ask(_LEAVES, first, end)
            tiles = self._ask(_TILES, first // TILE_WIDTH, -(-end // TILE_WIDTH))
            return leaves, {int(number): bytes(hashes) for _, number, hashes in tiles}

        ahead = self._reader.submit(read, 0)
        for first in range(0, size, BATCH):
            leaves, tiles = ahead.result()
            if first + BATCH < size:
                ahead = self._reader.submit(read, first + BATCH)
            yield first, leaves, tiles

    def _walk(self, size: int, seals: dict[int, tuple[bytes, str]]) -> None:
        if (ahead := max(self._outside, default=0)) > size:
            raise _Bad(f"a checkpoint of {ahead} leaves was seen outside; this log ends at {size}", size)
        stops = sorted(seals.keys() | self._outside.keys())
        for first, rows, tiles in self._batches(size):
            hashes = self._check_leaves(first, min(BATCH, size - first), rows, tiles)
            done = 0
            while stops and stops[0] <= first + len(hashes):
                stop = stops.pop(0)
                self._grow(first + done, hashes[done : stop - first])
                done = stop - first
                self._check_seal(stop, seals.get(stop))
            self._grow(first + done, hashes[done:])
        self._check_tiles(size)

    def _check_leaves(
        self, first: int, count: int, rows: list[tuple[Any, ...]], tiles: dict[int, bytes]
    ) -> list[bytes]:
        """The leaf hashes of a batch, each recomputed from its record and found in its tile."""
        result: list[bytes] = []
        index = first
        for at, leaf_id, stored, micros, preimage, erased_by in rows:
            if at != index:
                raise _Bad(f"the log has no leaf at {index}", index)
            if preimage is None:
                commitment = self._commitment_of_erased(index, leaf_id, stored, erased_by)
            else:
                commitment = sha256(DOMAIN + preimage).digest()
                if commitment != stored:
                    raise _Bad(f"the record of {leaf_id} or the words beside it were altered", index)
            if leaf_id != leaf_id_of(commitment):
                raise _Bad(f"the leaf at {index} does not bear the name {leaf_id}", index)
            hashed = sha256(b"\x00" + commitment + micros).digest()
            place = index % TILE_WIDTH * HASH_LENGTH
            if tiles.get(index // TILE_WIDTH, b"")[place : place + HASH_LENGTH] != hashed:
                raise _Bad(f"{leaf_id} is not what was sealed at {index}: altered, swapped, or put in later", index)
            result.append(hashed)
            index += 1
            self._checked = index
        if len(rows) != count:
            raise _Bad(f"the log has no leaf at {index}", index)
        return result

    def _commitment_of_erased(self, index: int, leaf_id: str | None, stored: bytes, erased_by: str | None) -> bytes:
        if leaf_id is None:
            raise _Bad(f"the leaf at {index} was removed", index)
        if erased_by is None:
            raise _Bad(f"the record of {leaf_id} was removed and no erasure says so", index)
        self._erased[leaf_id] = index
        self._erasers[leaf_id] = erased_by
        return stored

    def _grow(self, size: int, hashes: Sequence[bytes]) -> None:
        """Extend our own tree; compare every tile above the leaves with the stored one once it is whole."""
        if not hashes:
            return
        changed, _ = extend(self._edge, size, hashes)
        self._edge.update(changed)
        whole = [
            (place, tile) for place, tile in changed.items() if place[0] > 0 and len(tile) == TILE_WIDTH * HASH_LENGTH
        ]
        self._compare(whole)
        for place in [place for place, tile in self._edge.items() if len(tile) == TILE_WIDTH * HASH_LENGTH]:
            del self._edge[place]

    def _compare(self, ours: Sequence[tuple[tuple[int, int], bytes]]) -> None:
        for (level, number), tile in ours:
            rows = self._ask("SELECT hashes FROM audit.tile WHERE level = %s AND number = %s", level, number)
            stored = bytes(rows[0][0]) if rows else b""
            if stored == tile:
                continue
            wrong = next(
                at for at in range(0, len(tile) + 1, HASH_LENGTH) if stored[at : at + HASH_LENGTH] != tile[at : at + 32]
            )
            index = (number * TILE_WIDTH + wrong // HASH_LENGTH) * TILE_WIDTH**level
            raise _Bad(f"tile {level}/{number} does not belong to the leaves from {index} on", index)

    def _check_tiles(self, size: int) -> None:
        self._compare(sorted(self._edge.items()))
        rows = self._ask("SELECT level, sum(octet_length(hashes) / 32)::bigint FROM audit.tile GROUP BY level")
        for level, width in rows:
            if int(width) != size >> (8 * int(level)):
                raise _Bad(f"level {level} of the tree has {width} hashes, not {size >> (8 * int(level))}", None)

    def _check_seal(self, size: int, stored: tuple[bytes, str] | None) -> None:
        root = root_of(self._edge, size)
        if stored is not None:
            try:
                note = read_note(stored[1])
            except NoteInvalid as error:
                raise _Bad(f"the checkpoint of {size} leaves is unreadable: {error}", None) from None
            if (note.checkpoint.size, note.checkpoint.root) != (size, stored[0]):
                raise _Bad(f"the checkpoint of {size} leaves says one thing in its note and another beside it", None)
            if not any(note.signed_by(key, ed25519_holds) for key in self._keys):
                raise _Bad(f"the checkpoint of {size} leaves is not signed by a known key", None)
            if note.checkpoint.root != root:
                raise _Bad(
                    f"leaves {self._sealed} to {size - 1} do not give the root of the checkpoint of {size}",
                    self._sealed,
                )
            self._seals += 1
        if size in self._outside and self._outside[size].checkpoint.root != root:
            raise _Bad(
                f"leaves {self._sealed} to {size - 1} are not those of the outside checkpoint of {size}", self._sealed
            )
        self._sealed = size

    def _look_beyond(self, size: int) -> None:
        """What lies outside the sealed tree: places without a seal, leaves without a place, erasures without a leaf."""
        if (rows := self._ask("SELECT min(leaf_index) FROM audit.position WHERE leaf_index >= %s", size))[0][
            0
        ] is not None:
            raise _Bad(f"the leaves from {rows[0][0]} on have a place and no checkpoint", int(rows[0][0]))
        rows = self._ask(
            """SELECT leaf_id FROM audit.leaf l
            WHERE NOT EXISTS (SELECT 1 FROM audit.position p WHERE p.leaf_no = l.leaf_no)
            AND NOT EXISTS (SELECT 1 FROM audit.pending w WHERE w.leaf_no = l.leaf_no) LIMIT 1"""
        )
        if rows:
            raise _Bad(f"{rows[0][0]} has no place in the log and is not waiting for one", None)
        named = {
            (str(row[0]), str(row[1]))
            for row in self._ask("SELECT leaf_id, object_id FROM audit.leaf WHERE kind = %s", ERASURE)
        }
        for leaf_id, index in self._erased.items():
            if (self._erasers[leaf_id], leaf_id) not in named:
                raise _Bad(f"{leaf_id} was erased and the leaf that should say so does not", index)
