"""The sequencer: numbers pending leaves, extends the Merkle tree, seals it with a signed checkpoint.

One at a time in a database, in batches, each batch one transaction: after a crash the leaves are still pending, the
tree still ends where its last checkpoint says, and the next run makes the same root. No business transaction waits for
it. Before it appends it checks that the tree's edge gives the root of the last checkpoint: a log that was tampered with
is not continued as if nothing had happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from tripartite.core.audit.checkpoint import Checkpoint
from tripartite.core.audit.leaf import ENTRY_LENGTH
from tripartite.core.audit.merkle import TileMissing, edge_of, extend, leaf_hash, root_of
from tripartite.runtime.audit import (
    LogBroken,
    Signer,
    last_checkpoint,
    place_pending,
    read_tiles,
    store_checkpoint,
    store_tiles,
    take_lock,
)
from tripartite.runtime.db import Connection, Database, DatabaseGone

log = logging.getLogger(__name__)

LIMIT = 10_000  # leaves of one batch
PAUSE_SECONDS = 0.25  # between looks while nothing is pending; bounds the checkpoint lag (I17)


async def sequence_once(connection: Connection, *, limit: int = LIMIT, signer: Signer) -> int:
    """Number, hash and seal up to `limit` pending leaves in one transaction; how many they were.

    0 where nothing is pending or another sequencer is at work. Errors: `LogBroken` where the stored tree does not give
    the root of its last checkpoint; nothing is written then.
    """
    async with connection.transaction():
        if not await take_lock(connection):
            return 0
        size, root, _ = await last_checkpoint(connection)
        count, entries = await place_pending(connection, size, limit)
        if count == 0:
            return 0
        assert len(entries) == count * ENTRY_LENGTH, "an entry is a commitment and a time"
        edge = await read_tiles(connection, edge_of(size))
        try:
            if root_of(edge, size) != root:
                raise LogBroken(f"the tree of {size} leaves does not give the root of its checkpoint")
            hashes = [leaf_hash(entries[at : at + ENTRY_LENGTH]) for at in range(0, len(entries), ENTRY_LENGTH)]
            changed, grown_root = extend(edge, size, hashes)
        except TileMissing as missing:
            raise LogBroken(f"the tree of {size} leaves has lost a part: {missing}") from None
        await store_tiles(connection, changed)
        await store_checkpoint(connection, Checkpoint(signer.key.name, size + count, grown_root), signer)
    return count


async def run_sequencer(
    database: Database,
    *,
    signer: Signer,
    stop: asyncio.Event,
    limit: int = LIMIT,
    pause_seconds: float = PAUSE_SECONDS,
    on_batch: Callable[[int], Awaitable[None]] | None = None,
) -> None:
    """Sequence until `stop` is set: batch after batch while they are full, else a look every `pause_seconds`.

    A database that is away is waited for; `LogBroken` ends it, because a person must look.
    """
    while not stop.is_set():
        try:
            count = await database.transaction(partial(sequence_once, limit=limit, signer=signer))
        except DatabaseGone as error:
            log.warning("the sequencer waits for the database: %s", error)
            count = 0
        if count and on_batch is not None:
            await on_batch(count)
        if count < limit:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_seconds)
