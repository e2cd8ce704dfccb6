"""`tripartite policy propose`, `approve`, `releases`: a change of policy by two people, with its back-test attached.

Each of the two signs in with an account of their own; the password comes from the terminal, or in one line of standard
input where there is none. Exit: 0 done, 1 not allowed, 2 usage.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

from tripartite.cli.estate import toml_files
from tripartite.cli.letters import with_database
from tripartite.cli.running import NotReady, load, say
from tripartite.components.control import releases
from tripartite.components.control.releases import NotAllowed, Release
from tripartite.components.invoices import backtesting, history
from tripartite.core import codec
from tripartite.core.policy import Pack, check_pack, load_pack
from tripartite.core.policy.backtest import Backtest, first_day
from tripartite.runtime.auth import LoggedIn, Principal, log_in, log_out
from tripartite.runtime.clock import Clock, system_random
from tripartite.runtime.db import Connection, Database
from tripartite.runtime.settings import Settings

GOOD, FINDINGS, USAGE = 0, 1, 2
T = TypeVar("T")


def read_folder(folder: Path) -> Pack:
    """The pack in a folder. Errors: `NotReady` with everything that is wrong with it."""
    try:
        read = load_pack(toml_files(folder))
    except (OSError, ValueError) as error:
        raise NotReady(f"{folder}: {error}") from None
    if isinstance(read, list):
        raise NotReady("\n".join(f"{folder}: {entry}" for entry in read))
    return read


async def signed_in(db: Database, account: str, password: str) -> Principal:
    """Who acts. Errors: `NotAllowed`."""
    entered = await log_in(db, account, password, source="command line")
    if not isinstance(entered, LoggedIn):
        raise NotAllowed("Not signed in: the name or the password is wrong, or there were too many attempts.")
    async with db.connection() as connection:
        await log_out(connection, entered.session.reveal())
    if entered.must_choose_password:
        raise NotAllowed(f"{account} still has a one-time password: sign in to the console and choose one.")
    return entered.principal


def ask_password(account: str) -> str:
    """The password of an account, from the terminal or one line of standard input."""
    if sys.stdin.isatty():
        return getpass.getpass(f"Password of {account}: ")
    return sys.stdin.readline().rstrip("\n")


def propose(
    settings: Settings, folder: Path, account: str, why: str, today_of: Callable[[str], date], tell: history.Progress
) -> int:
    """Prove a pack, try it against the release in force, and keep it as proposed with what that gave."""
    estate, _ = load(settings.estate)
    pack = read_folder(folder)
    errors = [found for found in check_pack(pack, estate) if found.severity == "error"]
    if errors:
        raise NotReady("\n".join(f"{', '.join(found.rows)}: {found.words}" for found in errors))
    password = ask_password(account)

    async def work(db: Database) -> Backtest:
        by = await signed_in(db, account, password)
        async with db.connection() as connection:
            current = await releases.in_force(connection)
            before = await releases.release_pack(connection, current.hash) if current is not None else None
        if before is None:
            raise NotAllowed("Nothing is in force yet: `tripartite up` makes the pack beside the estate release 1.")
        await history.prepare(db, estate, before, today_of, progress=tell)
        as_of = {company.code: today_of(company.code) for company in estate.companies}
        on = first_day(before, pack, Clock().now().date())
        tried = await backtesting.backtest(db, estate, before, pack, on=on, as_of=as_of, progress=tell)

        async def keep(connection: Connection) -> None:
            await releases.propose(connection, pack, by, why, tried, Clock().now())

        await db.transaction(keep)
        return tried

    return _done(
        settings,
        work,
        lambda tried: (
            f"Proposed {pack.name} {pack.release} as {pack.hash}.\n"
            f"Of {tried.invoices} invoices {len(tried.shifts)} would come out otherwise (`policy backtest`).\n"
            f"Another person: tripartite policy approve {pack.hash} --backtest {tried.digest}"
        ),
    )


def approve(settings: Settings, named: str, cited: str, account: str) -> int:
    """Approve what another person proposed, citing the back-test that was read."""
    password = ask_password(account)

    async def work(db: Database) -> int:
        by = await signed_in(db, account, password)

        async def act(connection: Connection) -> int:
            return await releases.approve(connection, named, by, cited, Clock().now(), system_random().randbytes)

        return await db.transaction(act)

    return _done(settings, work, lambda number: f"Release {number} is in force from the next start of each process.")


def listed(settings: Settings, *, json: bool) -> int:
    """Print every release, the latest first."""

    async def work(db: Database) -> list[Release]:
        async with db.connection() as connection:
            return await releases.releases(connection)

    found = with_database(settings, work)
    if json:
        sys.stdout.write(codec.encode(found).decode() + "\n")
        return GOOD
    force = max((each.number or 0 for each in found), default=0)
    for each in found:
        state = f"release {each.number}" if each.number else each.state
        mark = " (in force)" if each.number and each.number == force else ""
        by = f"proposed by {each.proposed_by}" + (f", approved by {each.approved_by}" if each.approved_by else "")
        tried = f", back-test {each.backtest_digest[:12]}" if each.backtest_digest else ""
        sys.stdout.write(f"{each.hash[:12]}  {state}{mark}: {each.name} {each.release}, {by}{tried}. {each.why}\n")
    return GOOD


def _done(settings: Settings, work: Callable[[Database], Awaitable[T]], words: Callable[[T], str]) -> int:
    try:
        result = with_database(settings, work)
    except NotAllowed as error:
        say(str(error))
        return FINDINGS
    sys.stdout.write(words(result) + "\n")
    return GOOD
