"""The audit log in PostgreSQL: leaves written inside business transactions, and what the sequencer reads and stores.

    async with database.connection() as tx:
        ...                                             # the decision and its rows
        await write_leaves(tx.cursor(), leaves)         # one COPY, in the same transaction

A leaf is nothing but rows until `components/control/sequencer.py` numbers, hashes and seals it. Nothing is hashed into
the tree here, and no business answer waits for a checkpoint. Whole-log verification is `audit_verify.py`; proofs and
evidence for chosen leaves are `audit_proofs.py`.

    AuditTrouble
      LogBroken      the stored tree contradicts its last checkpoint: nothing is appended to it any more
      KeyUnusable    the private key of the log cannot be read
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tripartite.core.audit.checkpoint import Checkpoint, Sign, VerifyingKey, write_note
from tripartite.core.audit.leaf import SALT_LENGTH, Leaf, make_leaf
from tripartite.core.audit.merkle import EMPTY_ROOT
from tripartite.runtime.db import Connection, Cursor, MigrationSet, execute

__all__ = ["SALT_LENGTH", "Leaf", "make_leaf", "write_leaves"]

MIGRATIONS = MigrationSet("audit", "tripartite.runtime.migrations.audit")
SEQUENCER_LOCK = 7_461_903  # one sequencer at a time, in this database

ERASURE = "leaf.erased"  # the kind of leaf that says another one's record was erased

_WRITE = """COPY audit.leaf (leaf_id, company_code, kind, object_id, correlation_id, commitment, salt, record)
FROM STDIN (FORMAT BINARY)"""
_TYPES = ("text", "text", "text", "text", "text", "bytea", "bytea", "bytea")


class AuditTrouble(RuntimeError):
    """Something is wrong with the log itself."""

    retryable = False


class LogBroken(AuditTrouble):
    """The stored tree contradicts its last checkpoint. `tripartite audit verify` names the place."""


class KeyUnusable(AuditTrouble):
    """The private key of the log cannot be read. The message never holds it."""


class Signer(msgspec.Struct, frozen=True):
    """Who signs checkpoints: the public key with its name, and the act of signing."""

    key: VerifyingKey
    sign: Sign


async def write_leaves(cursor: Cursor, leaves: Sequence[Leaf]) -> None:
    """Write pending leaves by one COPY inside the caller's transaction: they exist exactly if it commits."""
    if not leaves:
        return
    async with cursor.copy(_WRITE) as copy:
        copy.set_types(_TYPES)
        for leaf in leaves:
            await copy.write_row(
                (
                    *(leaf.leaf_id, leaf.company_code, leaf.kind, leaf.object_id, leaf.correlation_id),
                    *(leaf.commitment, leaf.salt, leaf.record),
                )
            )


async def erase_leaf(connection: Connection, leaf_id: str, erasure: Leaf) -> bool:
    """Take the salt and the record of a leaf away, in one transaction with the leaf that says so.

    `erasure` is a leaf of kind `ERASURE` whose object is `leaf_id`; its record names who asked and under which rule.
    The erased leaf keeps its commitment and its place, so every proof holds. False where there is nothing to erase.
    """
    assert (erasure.kind, erasure.object_id) == (ERASURE, leaf_id), "an erasure is a leaf about the erased leaf"
    done = await execute(
        connection,
        "UPDATE audit.leaf SET salt = NULL, record = NULL, erased_by = %s WHERE leaf_id = %s AND salt IS NOT NULL",
        (erasure.leaf_id, leaf_id),
    )
    if done.rowcount == 0:
        return False
    await write_leaves(connection.cursor(), [erasure])
    return True


async def pending_leaves(connection: Connection) -> int:
    """How many leaves wait for their place: the checkpoint lag of invariant I17."""
    row = await (await execute(connection, "SELECT count(*) FROM audit.pending")).fetchone()
    assert row is not None
    return int(row[0])


async def take_lock(connection: Connection) -> bool:
    """Become the one sequencer until the transaction ends. False where another is at work."""
    row = await (await execute(connection, "SELECT pg_try_advisory_xact_lock(%s)", (SEQUENCER_LOCK,))).fetchone()
    return row is not None and bool(row[0])


async def last_checkpoint(connection: Connection) -> tuple[int, bytes, str]:
    """Size, root and note of the newest checkpoint; (0, the empty root, "") before the first."""
    row = await (
        await execute(connection, "SELECT tree_size, root, note FROM audit.checkpoint ORDER BY tree_size DESC LIMIT 1")
    ).fetchone()
    return (0, EMPTY_ROOT, "") if row is None else (int(row[0]), bytes(row[1]), str(row[2]))


async def place_pending(connection: Connection, size: int, limit: int) -> tuple[int, bytes]:
    """Give the oldest pending leaves their indexes from `size` on; their number and their entries side by side.

    One statement; the records stay where they are and do not travel.
    """
    row = await (
        await execute(
            connection,
            """WITH taken AS (
                DELETE FROM audit.pending WHERE leaf_no <= (
                    SELECT max(leaf_no) FROM (SELECT leaf_no FROM audit.pending ORDER BY leaf_no LIMIT %s) AS oldest)
                RETURNING leaf_no, commitment, recorded_at
            ), placed AS (
                INSERT INTO audit.position (leaf_index, leaf_no)
                SELECT %s + row_number() OVER (ORDER BY leaf_no) - 1, leaf_no FROM taken
            )
            SELECT count(*), string_agg(
                commitment || int8send((extract(epoch FROM recorded_at) * 1000000)::bigint), ''::bytea ORDER BY leaf_no)
            FROM taken""",
            (limit, size),
        )
    ).fetchone()
    assert row is not None
    return int(row[0]), bytes(row[1] or b"")


async def read_tiles(connection: Connection, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """The stored tiles at these places (level, number); absent ones are absent."""
    if not places:
        return {}
    rows = await execute(
        connection,
        """SELECT level, number, hashes FROM audit.tile
        JOIN unnest(%s::smallint[], %s::bigint[]) AS wanted (level, number) USING (level, number)""",
        ([level for level, _ in places], [number for _, number in places]),
    )
    return {(int(level), int(number)): bytes(hashes) for level, number, hashes in await rows.fetchall()}


async def store_tiles(connection: Connection, tiles: dict[tuple[int, int], bytes]) -> None:
    """Write new and grown tiles; the database refuses one that does not begin as the stored one does."""
    await execute(
        connection,
        """INSERT INTO audit.tile (level, number, hashes)
        SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::bytea[])
        ON CONFLICT (level, number) DO UPDATE SET hashes = EXCLUDED.hashes""",
        ([level for level, _ in tiles], [number for _, number in tiles], list(tiles.values())),
    )


async def store_checkpoint(connection: Connection, checkpoint: Checkpoint, signer: Signer) -> None:
    """Sign and keep a checkpoint, and the public key it is signed with where that is new."""
    await execute(
        connection,
        "INSERT INTO audit.checkpoint (tree_size, root, note) VALUES (%s, %s, %s)",
        (checkpoint.size, checkpoint.root, write_note(checkpoint, [(signer.key, signer.sign)])),
    )
    await execute(
        connection,
        """INSERT INTO audit.log_key (verifying_key, since_size)
        SELECT %s, %s WHERE NOT EXISTS (SELECT 1 FROM audit.log_key WHERE verifying_key = %s)""",
        (signer.key.text, checkpoint.size, signer.key.text),
    )


# Keys


def ed25519_holds(public: bytes, signature: bytes, message: bytes) -> bool:
    """The check that `Note.signed_by` asks for."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def signer_from_seed(name: str, seed: bytes) -> Signer:
    """A signer from the 32 private bytes of an Ed25519 key. `name` is the log's origin, one word."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return Signer(VerifyingKey(name, private.public_key().public_bytes_raw()), private.sign)


def load_or_create_signer(path: Path, name: str) -> Signer:
    """The log's key from a file of 64 hex digits that only its owner may read; made where there is none.

    Errors: `KeyUnusable` where the file is readable by others or is not a key.
    """
    with contextlib.suppress(FileExistsError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(Ed25519PrivateKey.generate().private_bytes_raw().hex() + "\n")
            out.flush()
            os.fsync(out.fileno())
    if path.stat().st_mode & 0o077:
        raise KeyUnusable(f"{path} may be read by others; make it 0600")
    try:
        seed = bytes.fromhex(path.read_text().strip())
    except ValueError:
        raise KeyUnusable(f"{path} does not hold 64 hex digits") from None
    if len(seed) != 32:
        raise KeyUnusable(f"{path} does not hold 64 hex digits")
    return signer_from_seed(name, seed)
