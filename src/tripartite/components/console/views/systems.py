"""Where each system stands with one object: what it must have, what it said it has, and how long that took.

Read from the deliveries that are owed about the object, and from whoever told us of it. The lag is the time between
our owing a version and the system's saying that it has it; of what is not there yet, the time until now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tripartite.components.console import words
from tripartite.components.console.formats import Formats, instant
from tripartite.components.console.words import Mark


class System(msgspec.Struct, frozen=True):
    """One system and one object. `wanted` and `known` are versions, empty where nothing is numbered."""

    name: str
    what: str
    mark: Mark
    wanted: str
    known: str
    reference: str
    sentence: str
    lag: str
    late: bool
    tries: tuple[Mapping[str, Any], ...] = ()
    key: str = ""
    mode: str = "act"


def told_us(source: str, version: int | str, at: str | datetime | None, formats: Formats) -> System:
    """The system that the object comes from: its own version is the one that counts."""
    return System(
        name=source or "api",
        what="told us",
        mark=Mark("agree", "Owns it"),
        wanted=str(version),
        known=str(version),
        reference="",
        sentence=f"Its version {version} came {formats.clock(at)} and counts." if at else "Its word counts.",
        lag="",
        late=False,
    )


def systems(deliveries: Sequence[Mapping[str, Any]], formats: Formats, *, versions: bool = True) -> list[System]:
    """One row for each connection and kind of write, from all that was ever owed about the object."""
    grouped: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for each in deliveries:
        grouped.setdefault((each["connection"], each["operation"], each["object_id"]), []).append(each)
    return [_system(parts, formats, versions=versions) for parts in grouped.values()]


def _system(parts: Iterable[Mapping[str, Any]], formats: Formats, *, versions: bool) -> System:
    ordered = sorted(parts, key=lambda each: (each["object_version"], each["created_at"]))
    newest = ordered[-1]
    settled = [each for each in ordered if each["state"] == "settled"]
    done = newest["state"] == "settled"
    observed = newest["mode"] != "act" and not done
    mark = words.mark(words.DELIVERY_STATES, newest["state"])
    if observed and newest["state"] == "intended":
        mark = Mark("within", "Observed only") if newest["mode"] == "observe" else Mark("ask", "Waits to be let go")
    ends = newest["updated_at"] if done or newest["state"] in ("rejected", "dead_letter") else formats.now
    lag = lag_of(newest["created_at"], ends, formats)
    tries = [tried for each in ordered for tried in each["tries"]]
    return System(
        name=newest["connection"],
        what=words.operation(newest["operation"]),
        mark=mark,
        wanted=str(newest["object_version"]) if versions else "",
        known=(str(settled[-1]["object_version"]) if settled else "none") if versions else "",
        reference=str(settled[-1]["remote_ref"]) if settled else "",
        sentence=_observed(newest) if observed else words.delivery_sentence(newest, formats),
        lag=lag if done else f"{lag} so far" if ends == formats.now and not observed else lag if not observed else "",
        late=not done and not observed,
        tries=tuple(tries),
        key=str(newest["key"]),
        mode=str(newest["mode"]),
    )


def _observed(delivery: Mapping[str, Any]) -> str:
    where = delivery["connection"]
    if delivery["mode"] == "observe":
        return f"{where} is only observed: this would have been sent, and is not."
    return f"A person must let it go before {where} is told."


def lag_of(begins: str | datetime, ends: str | datetime, formats: Formats) -> str:
    """The time between two instants, in one unit that fits: `380 ms`, `4.2 s`, `3 min`, `2 h`."""
    first, last = instant(begins), instant(ends)
    if first is None or last is None:
        return ""
    seconds = max(0.0, (last - first).total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)}\u00a0{unit}"
    return formats.seconds(seconds)
