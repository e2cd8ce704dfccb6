"""The log in PostgreSQL: written with the decision or not at all, numbered once, sealed, never to be tampered with."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import psycopg
import pytest

from runtime.audit_bench import SIGNER, Books, books, make_leaves, postgres, worker_id_or_main
from tripartite.components.control.sequencer import run_sequencer, sequence_once
from tripartite.core.audit import VerifyingKey, entry_of, extend, leaf_hash, make_leaf, read_note
from tripartite.runtime.audit import (
    ERASURE,
    KeyUnusable,
    LogBroken,
    ed25519_holds,
    erase_leaf,
    load_or_create_signer,
    pending_leaves,
    signer_from_seed,
    write_leaves,
)
from tripartite.runtime.audit_verify import Verification, verify_log
from tripartite.runtime.db import Connection

__all__ = ["books", "postgres", "worker_id_or_main"]


def tamper(books: Books, *statements: str) -> None:
    """What a database administrator can do: switch the triggers off and edit."""
    with psycopg.connect(books.superuser_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            assert connection.execute(statement.encode()).rowcount != 0, f"nothing was tampered with: {statement}"


async def verified(books: Books, **options: object) -> Verification:
    return await asyncio.to_thread(verify_log, books.database.url, **options)  # type: ignore[arg-type]


async def test_a_leaf_exists_exactly_if_its_decision_committed(books: Books) -> None:
    kept, lost = make_leaves(2)
    await books.write([kept])

    async def decide_and_fail(connection: Connection) -> None:
        await write_leaves(connection.cursor(), [lost])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await books.database.transaction(decide_and_fail)
    rows = await books.database.rows("SELECT leaf_id, salt, record, object_id FROM audit.leaf")
    assert rows == [(kept.leaf_id, kept.salt, kept.record, kept.object_id)]
    assert await books.database.rows("SELECT count(*) FROM audit.pending") == [(1,)]


async def test_pending_leaves_are_numbered_without_gaps_in_the_order_they_were_written(books: Books) -> None:
    leaves = make_leaves(700)
    await books.write(leaves[:300])
    assert await books.sequence(200) == 200
    await books.write(leaves[300:])
    assert [await books.sequence(400) for _ in range(3)] == [400, 100, 0]
    rows = await books.database.rows(
        "SELECT leaf_index, leaf_id FROM audit.position JOIN audit.leaf USING (leaf_no) ORDER BY leaf_index"
    )
    assert rows == [(index, leaf.leaf_id) for index, leaf in enumerate(leaves)]


async def test_each_batch_is_sealed_by_a_signed_checkpoint_over_all_leaves_so_far(books: Books) -> None:
    leaves = await books.fill(600, batch=250)
    rows = await books.database.rows("SELECT tree_size, root, note FROM audit.checkpoint ORDER BY tree_size")
    assert [size for size, _, _ in rows] == [250, 500, 600]
    times = await books.database.rows(
        "SELECT (extract(epoch FROM recorded_at) * 1000000)::bigint FROM audit.leaf ORDER BY leaf_no"
    )
    hashes = [leaf_hash(entry_of(leaf.commitment, at)) for leaf, (at,) in zip(leaves, times, strict=True)]
    for size, root, text in rows:
        note = read_note(text)
        assert note.signed_by(SIGNER.key, ed25519_holds)
        assert (note.checkpoint.origin, note.checkpoint.size) == ("books.example/audit", size)
        assert note.checkpoint.root == root == extend({}, 0, hashes[:size])[1]


async def test_nothing_pending_makes_no_checkpoint(books: Books) -> None:
    assert await books.sequence() == 0
    await books.fill(3)
    assert await books.sequence() == 0
    assert await books.database.rows("SELECT count(*) FROM audit.checkpoint") == [(1,)]


async def test_a_crash_between_tiles_and_checkpoint_loses_nothing_and_gives_the_same_root(books: Books) -> None:
    leaves = make_leaves(300)
    await books.write(leaves)

    def die(_: bytes) -> bytes:
        raise KeyboardInterrupt

    crashing = signer_from_seed("books.example/audit", bytes(range(32)))
    async with books.database.connection() as connection:
        with pytest.raises(KeyboardInterrupt):
            await sequence_once(connection, signer=type(crashing)(crashing.key, die))
    assert await books.database.rows("SELECT count(*) FROM audit.tile") == [(0,)]
    async with books.database.connection() as connection:
        assert await pending_leaves(connection) == 300
    assert await books.sequence() == 300
    assert (await verified(books)).ok


async def test_a_second_sequencer_steps_aside(books: Books) -> None:
    await books.write(make_leaves(10))
    async with books.database.connection() as holder, holder.transaction():
        assert await sequence_once(holder, signer=SIGNER) == 10
        assert await books.sequence() == 0
    assert await books.sequence() == 0
    assert (await verified(books)).tree_size == 10


async def test_leaves_that_commit_late_are_numbered_later_and_never_skipped(books: Books) -> None:
    early, late = make_leaves(2)
    async with books.database.connection() as slow:
        await write_leaves(slow.cursor(), [late])  # takes the lower leaf number, commits last
        await books.write([early])
        assert await books.sequence() == 1
    assert await books.sequence() == 1
    rows = await books.database.rows(
        "SELECT leaf_id FROM audit.position JOIN audit.leaf USING (leaf_no) ORDER BY leaf_index"
    )
    assert rows == [(early.leaf_id,), (late.leaf_id,)]
    assert (await verified(books)).ok


async def test_many_writers_and_a_running_sequencer_lose_no_leaf(books: Books) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(
        run_sequencer(books.database, signer=SIGNER, stop=stop, limit=100, pause_seconds=0.005)
    )
    leaves = make_leaves(1_000)

    async def write(part: int) -> None:
        for at in range(part * 250, part * 250 + 250, 10):
            await books.write(leaves[at : at + 10])

    await asyncio.gather(*(write(part) for part in range(3)), write(3))
    while (await books.database.rows("SELECT count(*) FROM audit.pending")) != [(0,)]:
        await asyncio.sleep(0.01)
    stop.set()
    await running
    result = await verified(books)
    assert (result.ok, result.tree_size, result.checked) == (True, 1_000, 1_000)


async def test_the_same_leaf_is_not_written_twice(books: Books) -> None:
    [leaf] = make_leaves(1)
    await books.write([leaf])
    with pytest.raises(psycopg.errors.UniqueViolation):
        await books.write([leaf])


# What the application's role, and the owner, are refused


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit.leaf SET record = 'x'",
        "UPDATE audit.leaf SET salt = NULL, record = NULL",
        "UPDATE audit.leaf SET salt = NULL, record = NULL, erased_by = 'x', kind = 'y'",
        "UPDATE audit.leaf SET recorded_at = recorded_at + interval '1 day'",
        "DELETE FROM audit.leaf",
        "TRUNCATE audit.leaf",
        "TRUNCATE audit.pending",
        "UPDATE audit.position SET leaf_index = leaf_index + 100",
        "DELETE FROM audit.position",
        "UPDATE audit.tile SET hashes = sha256('x')",
        "UPDATE audit.tile SET number = number + 1",
        "DELETE FROM audit.tile",
        "UPDATE audit.checkpoint SET root = sha256('x')",
        "DELETE FROM audit.checkpoint",
        "TRUNCATE audit.checkpoint",
        "DELETE FROM audit.log_key",
    ],
)
async def test_the_log_is_append_only_even_for_its_owner(books: Books, statement: str) -> None:
    await books.fill(5)
    refusals = (psycopg.errors.RestrictViolation, psycopg.errors.CheckViolation)
    with psycopg.connect(books.superuser_url) as connection, pytest.raises(refusals):  # triggers on: as any owner
        connection.execute(statement.encode())
    assert (await verified(books)).ok


# Verification


async def test_an_empty_log_is_good(books: Books) -> None:
    assert await verified(books) == Verification(True, 0, sha256(b"").hexdigest(), 0, None)


async def test_a_good_log_is_found_good_and_counted(books: Books) -> None:
    await books.fill(1_000, batch=300)
    await books.write(make_leaves(7, start=5_000))
    result = await verified(books, keys=[SIGNER.key])
    rows = await books.database.rows("SELECT root FROM audit.checkpoint WHERE tree_size = 1000")
    assert result == Verification(True, 1_000, rows[0][0].hex(), 1_000, None, "", 4, 0, 7)


VICTIM = "(SELECT leaf_no FROM audit.position WHERE leaf_index = 400)"


@pytest.mark.parametrize(
    ("what", "statements", "first_bad"),
    [
        ("a record", (f"UPDATE audit.leaf SET record = 'forged' WHERE leaf_no = {VICTIM}",), 400),
        ("one word", (f"UPDATE audit.leaf SET company_code = 'PL02' WHERE leaf_no = {VICTIM}",), 400),
        ("a salt", (f"UPDATE audit.leaf SET salt = '\\x{'11' * 16}' WHERE leaf_no = {VICTIM}",), 400),
        (
            "a time",
            (f"UPDATE audit.leaf SET recorded_at = recorded_at - interval '1 s' WHERE leaf_no = {VICTIM}",),
            400,
        ),
        ("a name", (f"UPDATE audit.leaf SET leaf_id = 'leaf_other' WHERE leaf_no = {VICTIM}",), 400),
        ("a commitment", (f"UPDATE audit.leaf SET commitment = sha256('x') WHERE leaf_no = {VICTIM}",), 400),
        ("a leaf removed", (f"DELETE FROM audit.leaf WHERE leaf_no = {VICTIM}",), 400),
        ("a place removed", ("DELETE FROM audit.position WHERE leaf_index = 400",), 400),
        ("the last place removed", ("DELETE FROM audit.position WHERE leaf_index = 999",), 999),
        (
            "two leaves swapped",
            (
                "UPDATE audit.position SET leaf_no = -1 WHERE leaf_index = 400",
                "UPDATE audit.position SET leaf_no = leaf_no - 1 WHERE leaf_index = 401",
                "UPDATE audit.position SET leaf_no = (SELECT leaf_no FROM audit.position WHERE leaf_index = 402) - 1 "
                "WHERE leaf_index = 400",
            ),
            400,
        ),
        (
            "a leaf erased without saying so",
            (f"UPDATE audit.leaf SET salt = NULL, record = NULL, erased_by = leaf_id WHERE leaf_no = {VICTIM}",),
            400,
        ),
        (
            "a hash in a tile",
            ("UPDATE audit.tile SET hashes = set_byte(hashes, 32 * 144, 7) WHERE (level, number) = (0, 1)",),
            400,
        ),
        (
            "a hash in an upper tile",
            ("UPDATE audit.tile SET hashes = set_byte(hashes, 33, get_byte(hashes, 33) # 1) WHERE level = 1",),
            256,
        ),
        ("a tile removed", ("DELETE FROM audit.tile WHERE (level, number) = (0, 2)",), 512),
        ("a tile too many", ("INSERT INTO audit.tile VALUES (0, 77, sha256('x'))",), None),
        ("a root", ("UPDATE audit.checkpoint SET root = sha256('x') WHERE tree_size = 600",), None),
        (
            "a note",
            ("UPDATE audit.checkpoint SET note = replace(note, E'\\n600\\n', E'\\n601\\n') WHERE tree_size = 600",),
            None,
        ),
        ("a note made unreadable", ("UPDATE audit.checkpoint SET note = 'gone' WHERE tree_size = 600",), None),
        ("the last checkpoint removed", ("DELETE FROM audit.checkpoint WHERE tree_size = 1000",), 900),
        (
            "a leaf slipped past the sequencer",
            (
                "INSERT INTO audit.leaf (leaf_id, company_code, kind, object_id, correlation_id, commitment, salt,"
                f" record) VALUES ('leaf_x', 'DE01', 'k', 'o', 'c', sha256('x'), '\\x{'00' * 16}', '')",
            ),
            None,
        ),
    ],
)
async def test_tampering_by_an_administrator_names_the_first_bad_leaf(
    books: Books, what: str, statements: tuple[str, ...], first_bad: int | None
) -> None:
    await books.fill(1_000, batch=300)
    assert (await verified(books)).ok
    tamper(books, *statements)
    result = await verified(books)
    assert not result.ok, what
    assert result.problem
    assert result.first_bad == first_bad
    assert first_bad is None or result.checked <= 1_000


async def test_a_leaf_rewritten_with_every_hash_above_it_still_breaks_its_checkpoint(books: Books) -> None:
    """The administrator knows Merkle trees: record, tiles and the last root are all made to agree; the earlier
    checkpoints are signed and cannot be."""
    leaves = await books.fill(300, batch=100)
    forged = make_leaf("decision", "inv_forged", "DE01", "c", b"{}", bytes(16))
    times = await books.database.rows(
        "SELECT (extract(epoch FROM recorded_at) * 1000000)::bigint FROM audit.leaf ORDER BY leaf_no"
    )
    leaves[150] = forged
    hashes = [leaf_hash(entry_of(leaf.commitment, at)) for leaf, (at,) in zip(leaves, times, strict=True)]
    tiles, _ = extend({}, 0, hashes)
    tamper(
        books,
        f"""UPDATE audit.leaf SET leaf_id = '{forged.leaf_id}', object_id = 'inv_forged', correlation_id = 'c',
            company_code = 'DE01', record = '{{}}', salt = '\\x{forged.salt.hex()}',
            commitment = '\\x{forged.commitment.hex()}'
        WHERE leaf_no = (SELECT leaf_no FROM audit.position WHERE leaf_index = 150)""",
        *(
            f"UPDATE audit.tile SET hashes = '\\x{tile.hex()}' WHERE (level, number) = ({level}, {number})"
            for (level, number), tile in tiles.items()
        ),
    )
    result = await verified(books)
    assert (result.ok, result.first_bad) == (False, 100)  # the change lies in what the second checkpoint sealed
    assert "100 to 199" in result.problem


async def test_a_whole_log_rewritten_under_another_key_is_not_believed(books: Books) -> None:
    await books.fill(50)
    assert not (await verified(books, keys=[signer_from_seed("books.example/audit", bytes(32)).key])).ok


async def test_a_log_cut_short_is_caught_by_a_checkpoint_kept_elsewhere(books: Books) -> None:
    await books.fill(100, batch=50)
    [(kept,)] = await books.database.rows("SELECT note FROM audit.checkpoint WHERE tree_size = 100")
    assert (await verified(books, outside=[kept])).ok
    tamper(
        books,
        "DELETE FROM audit.leaf WHERE leaf_no IN (SELECT leaf_no FROM audit.position WHERE leaf_index >= 50)",
        "DELETE FROM audit.position WHERE leaf_index >= 50",
        "DELETE FROM audit.checkpoint WHERE tree_size = 100",
        "UPDATE audit.tile SET hashes = substr(hashes, 1, 50 * 32)",
    )
    assert (await verified(books)).ok  # inside the database nothing shows it
    result = await verified(books, outside=[kept])
    assert (result.ok, result.first_bad) == (False, 50)


async def test_another_history_of_the_same_length_is_caught_by_a_checkpoint_kept_elsewhere(books: Books) -> None:
    from tripartite.core.audit import Checkpoint, write_note

    await books.fill(100, batch=50)
    other = write_note(Checkpoint("books.example/audit", 70, bytes(32)), [(SIGNER.key, SIGNER.sign)])
    result = await verified(books, outside=[other])
    assert (result.ok, result.first_bad) == (False, 50)


async def test_a_broken_log_is_not_continued(books: Books) -> None:
    await books.fill(300)
    tamper(books, "UPDATE audit.tile SET hashes = set_byte(hashes, 5, get_byte(hashes, 5) # 1) WHERE number = 1")
    await books.write(make_leaves(1, start=1_000))
    with pytest.raises(LogBroken):
        await books.sequence()
    assert await books.database.rows("SELECT count(*) FROM audit.pending") == [(1,)]
    tamper(books, "DELETE FROM audit.tile WHERE (level, number) = (0, 1)")
    with pytest.raises(LogBroken):
        await books.sequence()


# Erasure


async def test_erasing_a_record_leaves_a_log_that_still_verifies(books: Books) -> None:
    leaves = await books.fill(300)
    gone = leaves[123]
    erasure = make_leaf(ERASURE, gone.leaf_id, gone.company_code, "c_erase", b'{"rule":"retention"}', bytes(16))
    async with books.database.connection() as connection:
        assert await erase_leaf(connection, gone.leaf_id, erasure)
    async with books.database.connection() as connection:
        assert not await erase_leaf(connection, gone.leaf_id, erasure)
    await books.sequence()
    result = await verified(books)
    assert (result.ok, result.tree_size, result.erased) == (True, 301, 1)
    rows = await books.database.rows(
        "SELECT salt, record, commitment FROM audit.leaf WHERE leaf_id = %s", (gone.leaf_id,)
    )
    assert rows == [(None, None, gone.commitment)]


# Keys


def test_the_logs_key_is_made_once_and_only_its_owner_may_read_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("keys") / "below" / "audit.key"
    first = load_or_create_signer(path, "books.example/audit")
    assert path.stat().st_mode & 0o777 == 0o600
    again = load_or_create_signer(path, "books.example/audit")
    assert again.key == first.key == VerifyingKey.parse(first.key.text)
    assert again.sign(b"x") == first.sign(b"x")
    path.chmod(0o640)
    with pytest.raises(KeyUnusable, match="read by others"):
        load_or_create_signer(path, "books.example/audit")
    path.chmod(0o600)
    path.write_text("not a key")
    with pytest.raises(KeyUnusable, match="hex digits"):
        load_or_create_signer(path, "books.example/audit")
