"""Policy releases: proposed by one person with its back-test, approved by another, kept whole under their hash.

    keep_running   the pack that a process runs under: the first one is release 1; in production no other may run
    propose        a pack, with why, and its back-test against the release in force
    approve        by another person, while what it was tried against is still in force
    release_pack   the pack of a hash that a decision cites

Approving takes effect when processes start: what runs keeps the pack it began with, and every decision says which.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from tripartite.core import codec
from tripartite.core.policy import Pack
from tripartite.core.policy.backtest import Backtest
from tripartite.core.policy.release import content_of, pack_of
from tripartite.runtime.audit import make_leaf, write_leaves
from tripartite.runtime.auth import Principal, conflicting
from tripartite.runtime.db import Connection, execute

PROPOSE, APPROVE = "policy.propose", "policy.approve"
_LOCK = 7461906
_COLUMNS = (
    *("hash", "name", "release", "state", "number", "proposed_by", "proposed_at", "why", "follows"),
    *("backtest_digest", "approved_by", "approved_at"),
)
RandomBytes = Callable[[int], bytes]


class NotAllowed(Exception):
    """A release that may not be proposed, approved or run; the message says why and what to do."""


class Release(msgspec.Struct, frozen=True):
    """One release as it is listed. `number` of an approved one: the highest is in force."""

    hash: str
    name: str
    release: str
    state: str
    number: int | None
    proposed_by: str
    proposed_at: datetime
    why: str
    follows: str
    backtest_digest: str
    approved_by: str
    approved_at: datetime | None


async def releases(connection: Connection) -> list[Release]:
    """Every release, the latest first."""
    found = await execute(
        connection,
        f"SELECT {', '.join(_COLUMNS)} FROM control.policy_release ORDER BY proposed_at DESC, hash",
    )
    return [Release(*row) for row in await found.fetchall()]


async def in_force(connection: Connection) -> Release | None:
    """The approved release with the highest number; None before anything ran."""
    found = await execute(
        connection,
        f"""SELECT {", ".join(_COLUMNS)} FROM control.policy_release WHERE state = 'approved'
        ORDER BY number DESC LIMIT 1""",
    )
    row = await found.fetchone()
    return Release(*row) if row else None


async def release_pack(connection: Connection, named: str) -> Pack | None:
    """The pack of a hash; None where it never ran here. Errors: `ReleaseInvalid` where its content is another's."""
    found = await execute(connection, "SELECT content FROM control.policy_release WHERE hash = %s", (named,))
    row = await found.fetchone()
    return pack_of(bytes(row[0]), named) if row else None


async def release_backtest(connection: Connection, named: str) -> Backtest | None:
    """The back-test that a release was approved with."""
    found = await execute(
        connection,
        """SELECT b.backtest FROM control.policy_release r
        JOIN control.policy_backtest b ON b.digest = r.backtest_digest WHERE r.hash = %s""",
        (named,),
    )
    row = await found.fetchone()
    return codec.decode_own(bytes(row[0]), Backtest) if row else None


async def keep_running(
    connection: Connection, pack: Pack, at: datetime, chance: RandomBytes, *, production: bool
) -> tuple[Pack, str]:
    """The pack to run under, given the one beside the estate, and what to say about it (empty: nothing).

    The first pack of a database is release 1, with the two people that its file names. Later, in production: an
    approved pack may be started, and then the release in force runs, whichever of them lies on the disk; any other
    is refused. In development the pack on the disk runs as it is, and is kept so that its decisions can be repeated.
    Errors: `NotAllowed`.
    """
    await execute(connection, "SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    current = await in_force(connection)
    if current is None:
        await _insert(connection, pack, "unapproved", pack.proposed_by, at, "the first pack of this database", "")
        await _approved(connection, pack.hash, 1, pack.approved_by, at, chance)
        return pack, ""
    if current.hash == pack.hash:
        return pack, ""
    found = await execute(connection, "SELECT state FROM control.policy_release WHERE hash = %s", (pack.hash,))
    row = await found.fetchone()
    state = row[0] if row else "unknown"
    if not production:
        if row is None:
            await _insert(connection, pack, "unapproved", pack.proposed_by, at, "run in development", current.hash)
        return pack, f"The policy on the disk ({pack.hash[:12]}) is {state}; in force is release {current.number}."
    if state != "approved":
        raise NotAllowed(
            f"The policy on the disk ({pack.name} {pack.release}, {pack.hash[:12]}) is {state}; in force is release "
            f"{current.number} ({current.hash[:12]}). A change is proposed by one person and approved by another: "
            "`tripartite policy propose FOLDER`, then `tripartite policy approve HASH`."
        )
    running = await release_pack(connection, current.hash)
    assert running is not None, "the release in force is kept whole"
    return running, f"The policy on the disk is an earlier release; release {current.number} is in force and runs."


async def propose(connection: Connection, pack: Pack, by: Principal, why: str, tried: Backtest, at: datetime) -> None:
    """Keep a pack as proposed, with its back-test; proposed again it carries the newer one. Errors: `NotAllowed`."""
    _check_duty(by, PROPOSE)
    await execute(connection, "SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    current = await in_force(connection)
    if current is None:
        raise NotAllowed("Nothing is in force yet: the first start makes the pack beside the estate release 1.")
    if (tried.old, tried.new) != (current.hash, pack.hash):
        raise NotAllowed("The back-test is not of this change: it must compare the release in force with this pack.")
    if not why.strip():
        raise NotAllowed("Say why: who approves must be able to judge it.")
    found = await execute(connection, "SELECT state FROM control.policy_release WHERE hash = %s", (pack.hash,))
    row = await found.fetchone()
    if row is not None and row[0] == "approved":
        raise NotAllowed("This very pack was approved before; a return to it is a new release, with its own number.")
    if row is None:
        await _insert(connection, pack, "proposed", by.person or by.name, at, why, current.hash)
    await execute(
        connection,
        """UPDATE control.policy_release SET state = 'proposed', proposed_by = %s, proposed_at = %s, why = %s,
            follows = %s, backtest_digest = %s WHERE hash = %s""",
        (by.person or by.name, at, why, current.hash, tried.digest, pack.hash),
    )
    await execute(
        connection,
        "INSERT INTO control.policy_backtest (digest, hash, backtest) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (tried.digest, pack.hash, codec.encode(tried)),
    )


async def approve(
    connection: Connection, named: str, by: Principal, cited: str, at: datetime, chance: RandomBytes
) -> int:
    """Approve a proposed release, citing the back-test that was read; its number. Errors: `NotAllowed`."""
    _check_duty(by, APPROVE)
    await execute(connection, "SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    found = await execute(
        connection,
        f"SELECT {', '.join(_COLUMNS)} FROM control.policy_release WHERE hash = %s FOR UPDATE",
        (named,),
    )
    row = await found.fetchone()
    if row is None or row[3] != "proposed":
        raise NotAllowed(f"{named[:12]} is not proposed.")
    release, person = Release(*row), by.person or by.name
    current = await in_force(connection)
    assert current is not None, "what is proposed follows something"
    assert current.number is not None, "what is in force has a number"
    if release.proposed_by.strip().casefold() == person.strip().casefold():
        raise NotAllowed(f"{person} proposed this release; another person approves it (C02).")
    if release.follows != current.hash:
        raise NotAllowed(
            f"It was tried against {release.follows[:12]}, and release {current.number} came into force since: "
            "propose it again, so that its back-test is of what it would change."
        )
    tried = await release_backtest(connection, named)
    if release.backtest_digest != cited or tried is None or tried.digest != cited:
        raise NotAllowed("That is not the back-test that it was proposed with: read it again, then cite its digest.")
    number = current.number + 1
    await _approved(connection, named, number, person, at, chance)
    return number


def _check_duty(by: Principal, duty: str) -> None:
    if not by.may(duty):
        raise NotAllowed(f"{by.name} may not: {duty} is missing, or is not for a machine.")
    if others := conflicting(by.permissions, duty):
        raise NotAllowed(f"{by.name} holds {', '.join(others)}: a limit could be made to fit (segregation of duties).")


async def _insert(
    connection: Connection, pack: Pack, state: str, person: str, at: datetime, why: str, follows: str
) -> None:
    values: tuple[Any, ...] = (pack.hash, content_of(pack), pack.name, pack.release, state, person, at, why, follows)
    await execute(
        connection,
        """INSERT INTO control.policy_release
            (hash, content, name, release, state, proposed_by, proposed_at, why, follows)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        values,
    )


async def _approved(
    connection: Connection, named: str, number: int, person: str, at: datetime, chance: RandomBytes
) -> None:
    """The release comes into force; its leaf is in the same transaction."""
    found = await execute(
        connection,
        "SELECT proposed_by, follows, backtest_digest FROM control.policy_release WHERE hash = %s",
        (named,),
    )
    row = await found.fetchone()
    assert row is not None, "only what is kept is approved"
    record = {
        "release": number,
        "policy": named,
        "follows": row[1],
        "proposed_by": row[0],
        "approved_by": person,
        "backtest": row[2],
        "at": at,
    }
    leaf = make_leaf("policy", named, "*", f"policy/{number}", codec.encode(record), chance(16))
    await write_leaves(connection.cursor(), [leaf])
    await execute(
        connection,
        """UPDATE control.policy_release SET state = 'approved', number = %s, approved_by = %s, approved_at = %s,
            leaf_id = %s WHERE hash = %s""",
        (number, person, at, leaf.leaf_id, named),
    )
