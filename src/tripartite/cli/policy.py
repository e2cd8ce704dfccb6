"""`tripartite policy`: prove a pack, say what a change changes, try it on history.

Packs are folders of TOML files. `check` and `diff` need no database; `prepare` and `backtest` read the estate's.
Results go to standard output, progress to standard error. Exit: 0 nothing to say, 1 findings or differences, 2 usage.
"""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from cyclopts import App, Parameter

from tripartite.cli import estate as estate_command
from tripartite.cli import policy_releases
from tripartite.cli.letters import with_database
from tripartite.cli.policy_releases import read_folder
from tripartite.cli.running import NotReady, load, say
from tripartite.components.invoices import backtesting, history
from tripartite.core import codec
from tripartite.core.estate import Estate
from tripartite.core.policy import diff_packs
from tripartite.core.policy.backtest import IN_WORDS, Backtest, Shift, Sum, first_day
from tripartite.runtime.clock import Clock
from tripartite.runtime.db import Database
from tripartite.runtime.settings import load_settings

GOOD, FINDINGS, USAGE = 0, 1, 2
Json = Annotated[bool, Parameter(name="--json", negative="", help="one JSON document on standard output")]

policy = App(name="policy", help="Policy packs: prove one, compare two, try a change on history.")


@policy.command(name="check")
def check(path: Path = Path(), *, json: Json = False) -> int:
    """Prove the policy pack of an estate: gaps, overlaps, shadowed rows, bounds nothing can meet."""
    return estate_command.check(path, json=json)


@policy.command(name="diff")
def diff(old: Path, new: Path, *, json: Json = False) -> int:
    """Say in words what differs between two policy packs, row by row."""
    try:
        packs = [read_folder(folder) for folder in (old, new)]
    except NotReady as trouble:
        say(str(trouble))
        return USAGE
    changes = diff_packs(*packs)
    if json:
        whole = {"old": packs[0].hash, "new": packs[1].hash, "changes": [msgspec.to_builtins(c) for c in changes]}
        print(json_module.dumps(whole, indent=2))
    else:
        for change in changes:
            what = f"{change.row} {change.key}".strip()
            print(f"{change.kind:8} {what}: {change.before or 'nothing'} -> {change.after or 'nothing'}")
        print(f"{len(changes)} differences.")
    return FINDINGS if changes else GOOD


@policy.command(name="prepare")
def prepare() -> int:
    """Make history ready for back-tests: whatever came or changed since the last time. Best at night."""
    settings = load_settings()
    estate, pack = load(settings.estate)

    async def work(db: Database) -> int:
        return await history.prepare(db, estate, pack, _today_of(estate), progress=_progress("made ready"))

    say(f"{with_database(settings, work)} invoices made ready.")
    return GOOD


@policy.command(name="backtest")
def backtest(
    old: Path,
    new: Path,
    *,
    since: Annotated[date | None, Parameter(help="only invoices that arrived on this day or later")] = None,
    on: Annotated[
        date | None, Parameter(help="the day on which both are read; else the first on which they differ")
    ] = None,
    most: Annotated[int, Parameter(help="how many invoices are listed; the JSON has all")] = 20,
    json: Json = False,
) -> int:
    """Replay history under two packs: what would be newly held, newly let through, with amounts, down to the invoices.

    Releases and approvals that people gave count on neither side. The estate is TRIPARTITE_ESTATE.
    """
    settings = load_settings()
    estate, _ = load(settings.estate)
    before, after = read_folder(old), read_folder(new)
    today_of = _today_of(estate)
    day = on or first_day(before, after, Clock().now().date())

    async def work(db: Database) -> Backtest:
        await history.prepare(db, estate, before, today_of, since=since, progress=_progress("made ready"))
        as_of = {company.code: today_of(company.code) for company in estate.companies}
        return await backtesting.backtest(
            db, estate, before, after, on=day, as_of=as_of, since=since, progress=_progress("decided again")
        )

    found = with_database(settings, work)
    if json:
        sys.stdout.write(codec.encode(found).decode() + "\n")
    else:
        sys.stdout.write("\n".join(told(found, most)) + "\n")
    return FINDINGS if found.shifts else GOOD


@policy.command(name="propose")
def propose(
    folder: Path,
    *,
    account: Annotated[str, Parameter(help="who proposes; the password is asked for")],
    why: Annotated[str, Parameter(help="what the approver must know")],
) -> int:
    """Propose a pack: it is proved, tried on history against the release in force, and kept with what that gave."""
    settings = load_settings()
    estate, _ = load(settings.estate)
    return policy_releases.propose(settings, folder, account, why, _today_of(estate), _progress("looked at"))


@policy.command(name="approve")
def approve(
    named: Annotated[str, Parameter(help="the hash of the proposed pack")],
    *,
    backtest: Annotated[str, Parameter(help="the digest of the back-test that you read")],
    account: Annotated[str, Parameter(help="who approves: another person than proposed it")],
) -> int:
    """Approve a proposed pack. It is in force from the next start of each process."""
    return policy_releases.approve(load_settings(), named, backtest, account)


@policy.command(name="releases")
def list_releases(*, json: Json = False) -> int:
    """Every policy release: who proposed and approved it, and which is in force."""
    return policy_releases.listed(load_settings(), json=json)


def _today_of(estate: Estate) -> Callable[[str], date]:
    now: datetime = Clock().now()
    zones = {company.code: ZoneInfo(company.time_zone) for company in estate.companies}
    return lambda company: now.astimezone(zones.get(company, ZoneInfo("UTC"))).date()


def _progress(what: str) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        say(f"{done} of {total} {what}")

    return tell


# In words


def told(found: Backtest, most: int) -> list[str]:
    """A back-test as a person reads it: the sums, by supplier, by reason, then the largest invoices."""
    since = f" since {found.since}" if found.since else ""
    lines = [
        f"Policy {found.old[:12]} -> {found.new[:12]}, both as of {found.on}, over {found.invoices} invoices{since}.",
        f"{found.looked_at} were decided again; the others gave no other answer to what changes.",
    ]
    lines += [f"  {_sum(one)}" for one in found.sums] or ["Nothing would come out otherwise."]
    before, after = found.touchless_before, found.touchless_before + found.touchless_gained - found.touchless_lost
    lines.append(
        f"Touchless: {_share(before, found.invoices)} as recorded, {_share(after, found.invoices)} with the change "
        f"(+{found.touchless_gained} -{found.touchless_lost})."
    )
    for title, sums in (("By supplier", found.by_supplier), ("By reason", found.by_reason)):
        if sums:
            lines += [f"{title}:", *(f"  {one.name}: {_sum(one)}" for one in sums[:most])]
    if found.shifts:
        lines += ["Invoices:", *(f"  {_shift(one)}" for one in found.shifts[:most])]
        if len(found.shifts) > most:
            lines.append(f"  and {len(found.shifts) - most} more; --most lists them, --json has all.")
    return [*lines, f"Back-test {found.digest}"]


def _sum(one: Sum) -> str:
    risk = f", of which {one.at_risk} {one.currency} were held back as too much" if one.at_risk else ""
    return f"{IN_WORDS[one.effect]}: {one.invoices} of {one.gross} {one.currency}{risk}"


def _shift(one: Shift) -> str:
    invoice = one.invoice
    ends = " -> ".join(_outcome(side) for side in (one.before, one.after))
    who = invoice.supplier_name or invoice.supplier or "a supplier nobody knows"
    return f"{invoice.company} {invoice.number} of {who}, {invoice.gross} {invoice.currency}: {ends}"


def _outcome(side: Any) -> str:
    words = {"post": "posted", "hold": "held", "ask": "approval", "refuse": "refused"}[side.kind]
    words += ", payment blocked" if side.blocked else ""
    return f"{words} ({side.asks or ', '.join(side.codes)})" if side.asks or side.codes else words


def _share(part: int, whole: int) -> str:
    return f"{part * 1000 // whole / 10:.1f} %" if whole else "none"
