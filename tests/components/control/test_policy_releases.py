"""A change of policy takes two people and its back-test; in production nothing else runs."""

from __future__ import annotations

import random
from datetime import date

import psycopg
import pytest

from core.policy.test_slipping import changed
from support.house import House
from support.papers import invoice, order, receipt, supplier
from tripartite.components.control import releases
from tripartite.components.control.releases import NotAllowed
from tripartite.components.invoices import backtesting, history
from tripartite.core.policy import Pack
from tripartite.core.policy.backtest import Backtest
from tripartite.core.policy.release import ReleaseInvalid, content_of, pack_of
from tripartite.runtime.auth import Principal

BASE = changed("pack.toml")
EUR = 'currency = "EUR"\nfrom = 2020-01-01\nuntil = "open"\nupper_percent = '
HARSHER = changed("tolerances.toml", (f'{EUR}"2"', f'{EUR}"1"'))
OTHER = changed("tolerances.toml", (f'{EUR}"2"', f'{EUR}"1.5"'))
MIRA = Principal("mira", "person", frozenset({"policy.propose", "policy.approve"}), person="Mira Roth")
MIRA_TOO = Principal("m.roth", "person", frozenset({"policy.approve"}), person="mira roth ")
JAN = Principal("jan", "person", frozenset({"policy.propose", "policy.approve"}), person="Jan Novak")
CLERK = Principal("clerk", "person", frozenset({"policy.approve", "invoice.write"}), person="Ann Clerk")
ROBOT = Principal("robot", "machine", frozenset({"policy.approve"}))
CHANCE = random.Random(1).randbytes


async def start(house: House, pack: Pack, *, production: bool = True) -> tuple[Pack, str]:
    now = house.clock.now()
    return await house.db.transaction(
        lambda connection: releases.keep_running(connection, pack, now, CHANCE, production=production)
    )


async def tried(house: House, old: Pack, new: Pack) -> Backtest:
    on = house.clock.now().date()
    await history.prepare(house.db, house.ports.estate, old, lambda _: on)
    as_of = {company.code: on for company in house.ports.estate.companies}
    return await backtesting.backtest(house.db, house.ports.estate, old, new, on=on, as_of=as_of)


async def propose(house: House, pack: Pack, by: Principal, test: Backtest, why: str = "prices fell") -> None:
    now = house.clock.now()
    await house.db.transaction(lambda connection: releases.propose(connection, pack, by, why, test, now))


async def approve(house: House, pack: Pack, by: Principal, cited: str) -> int:
    now = house.clock.now()
    return await house.db.transaction(
        lambda connection: releases.approve(connection, pack.hash, by, cited, now, CHANCE)
    )


async def test_the_first_pack_is_release_one_and_another_does_not_start_in_production(house: House) -> None:
    assert await start(house, BASE) == (BASE, "")
    assert await start(house, BASE) == (BASE, "")
    with pytest.raises(NotAllowed, match="unknown; in force is release 1"):
        await start(house, HARSHER)
    pack, words = await start(house, HARSHER, production=False)
    assert (pack.hash, "in force is release 1" in words) == (HARSHER.hash, True)
    with pytest.raises(NotAllowed, match="unapproved"):
        await start(house, HARSHER)


async def test_a_change_is_proposed_with_its_back_test_and_approved_by_another_person(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice(price="4.06"))
    await start(house, BASE)
    test = await tried(house, BASE, HARSHER)
    assert len(test.shifts) == 1
    await propose(house, HARSHER, MIRA, test)
    with pytest.raises(NotAllowed, match="proposed; in force is release 1"):
        await start(house, HARSHER)
    for by in (MIRA, MIRA_TOO):
        with pytest.raises(NotAllowed, match="another person approves"):
            await approve(house, HARSHER, by, test.digest)
    with pytest.raises(NotAllowed, match="a limit could be made to fit"):
        await approve(house, HARSHER, CLERK, test.digest)
    with pytest.raises(NotAllowed, match="not for a machine"):
        await approve(house, HARSHER, ROBOT, test.digest)
    with pytest.raises(NotAllowed, match="not the back-test"):
        await approve(house, HARSHER, JAN, "0" * 64)
    assert await approve(house, HARSHER, JAN, test.digest) == 2
    leaf = await house.rows("SELECT object_id FROM audit.leaf WHERE kind = 'policy' ORDER BY correlation_id")
    assert [row[0] for row in leaf] == [BASE.hash, HARSHER.hash]
    # The release in force runs, whichever approved one lies on the disk.
    assert (await start(house, HARSHER))[0].hash == HARSHER.hash
    pack, words = await start(house, BASE)
    assert (pack.hash, "release 2 is in force" in words) == (HARSHER.hash, True)
    async with house.db.connection() as connection:
        kept = await releases.release_backtest(connection, HARSHER.hash)
    assert kept is not None
    assert kept.digest == test.digest


async def test_a_back_test_of_another_change_is_not_taken(house: House) -> None:
    await start(house, BASE)
    with pytest.raises(NotAllowed, match="not of this change"):
        await propose(house, HARSHER, MIRA, await tried(house, BASE, OTHER))
    with pytest.raises(NotAllowed, match="Say why"):
        await propose(house, HARSHER, MIRA, await tried(house, BASE, HARSHER), why=" ")
    first, second = await tried(house, BASE, HARSHER), await tried(house, BASE, OTHER)
    await propose(house, HARSHER, MIRA, first)
    await propose(house, OTHER, MIRA, second)
    assert await approve(house, HARSHER, JAN, first.digest) == 2
    with pytest.raises(NotAllowed, match="propose it again"):
        await approve(house, OTHER, JAN, second.digest)
    house.clock.turn(3600)
    again = await tried(house, HARSHER, OTHER)
    await propose(house, OTHER, MIRA, again)
    assert await approve(house, OTHER, JAN, again.digest) == 3


async def test_the_database_keeps_what_was_approved(house: House) -> None:
    await start(house, BASE)
    for statement in (
        "UPDATE control.policy_release SET why = 'other'",
        "DELETE FROM control.policy_release",
        """INSERT INTO control.policy_release (hash, content, name, release, state, number, proposed_by, proposed_at,
           why, approved_by) VALUES ('x', '', 'n', '2', 'approved', 2, 'A', now(), '', 'B')""",
        """INSERT INTO control.policy_release (hash, content, name, release, state, number, proposed_by, proposed_at,
           why, approved_by, backtest_digest) VALUES ('x', '', 'n', '2', 'approved', 2, 'A', now(), '', ' a', 'd')""",
    ):
        with pytest.raises(psycopg.Error):
            await house.rows(statement)


def test_a_kept_pack_is_the_same_pack_or_none() -> None:
    again = pack_of(content_of(HARSHER), HARSHER.hash)
    assert again.hash == HARSHER.hash
    assert again.match_policy("DE01", "s", "", "EUR", date(2026, 11, 20))[0].price.upper_percent == "1"
    with pytest.raises(ReleaseInvalid, match="altered"):
        pack_of(content_of(BASE), HARSHER.hash)
    with pytest.raises(ReleaseInvalid):
        pack_of(b"{}", HARSHER.hash)
    with pytest.raises(ReleaseInvalid):
        pack_of(b"[", HARSHER.hash)
