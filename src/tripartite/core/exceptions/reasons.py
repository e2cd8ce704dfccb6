"""The catalogue of reasons and refusals, as typed data read from catalogue.toml beside this file.

One place per fact: severity, owner, hours, what wakes it, what it blocks and who may lift it stand in the table and
nowhere else. Policy may raise a severity or tighten an SLA; it does so on top of what is said here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

Severity = Literal["low", "medium", "high", "critical"]
Owner = Literal[
    "ap",
    "buyer",
    "receiving",
    "supplier_master",
    "tax",
    "treasury",
    "erp_support",
    "integration",
    "control",
    "approver",
    "quality",
]
Blocks = Literal["posting", "payment", "nothing"]
Release = Literal["no", "owner", "two"]
Settles = Literal["by_act", "by_fact", "at_once"]

SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")

OWNER_NAMES: Mapping[str, str] = {
    "ap": "accounts payable",
    "buyer": "the buyer",
    "receiving": "receiving",
    "supplier_master": "the supplier master team",
    "tax": "the tax team",
    "treasury": "treasury",
    "erp_support": "ERP support",
    "integration": "integration",
    "control": "internal control",
    "approver": "the approver",
    "quality": "quality inspection",
}


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reason code. `sla_hours`: business hours; "none": nobody waits; "discount_date": before the discount is lost.

    `settles`: by an act, by a fact of `recheck_on`, or at once by the engine. `blocks` is the default; policy may
    tighten it. `release`: who may lift it while the fact stays.
    """

    code: str
    short: str
    meaning: str
    response: str
    severity: Severity
    owner: Owner
    sla_hours: int | Literal["none", "discount_date"]
    settles: Settles
    blocks: Blocks
    release: Release
    also: tuple[Owner, ...] = ()
    recheck_on: tuple[str, ...] = ()

    @property
    def area(self) -> str:
        return self.code.partition(".")[0]

    @property
    def auto_recheck(self) -> bool:
        """Whether the engine evaluates it again without a person."""
        return self.settles != "by_act"


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to be stopped at the door: the HTTP status and what becomes of the bytes, or "none" of each."""

    code: str
    meaning: str
    status: int | Literal["none"]
    disposition: Literal["rejected", "quarantined", "none"]


class _Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: tuple[Reason, ...]
    refusal: tuple[Refusal, ...]


@cache
def _catalogue() -> _Catalogue:
    text = (resources.files(__package__) / "catalogue.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _Catalogue)


@cache
def reasons() -> Mapping[str, Reason]:
    """Every reason by its code, in the order of the catalogue."""
    return {entry.code: entry for entry in _catalogue().reason}


@cache
def refusals() -> Mapping[str, Refusal]:
    """Every refusal by its code, in the order of the catalogue."""
    return {entry.code: entry for entry in _catalogue().refusal}


def reason(code: str) -> Reason:
    """The reason of a code. A code that is not in the catalogue is our bug and asserts."""
    found = reasons().get(code)
    assert found is not None, f"{code} is not in the catalogue of reasons"
    return found


def refusal(code: str) -> Refusal:
    """The refusal of a code. A code that is not in the catalogue is our bug and asserts."""
    found = refusals().get(code)
    assert found is not None, f"{code} is not in the catalogue of refusals"
    return found


def worst(severities: tuple[Severity, ...]) -> Severity:
    """The highest of some severities; "low" of none."""
    return max(severities, key=SEVERITIES.index, default="low")


def as_markdown() -> str:
    """The catalogue as the page docs/reason-codes.md; a test holds the page current."""
    lines = [
        "# Reason codes",
        "",
        "Made from `core/exceptions/catalogue.toml` by `core.exceptions.reasons.as_markdown`; edit the table",
        "there. SLA: business hours. Blocks: what stops while it is open. Release: who may lift it",
        "although the fact stays. A policy may raise a severity, never lower a critical one.",
    ]
    area = ""
    for entry in reasons().values():
        if entry.area != area:
            area = entry.area
            lines += ["", f"## {area}", ""]
            lines += [
                "| Code | Short | Means | Severity | Owner | SLA | Decided again by | Blocks | Release | What to do |"
            ]
            lines += ["|---|---|---|---|---|---|---|---|---|---|"]
        owner = ", ".join((entry.owner, *entry.also))
        wakes = ", ".join(entry.recheck_on) or {"by_act": "an act", "at_once": "the engine, at once"}[entry.settles]
        lines.append(
            f"| `{entry.code}` | {entry.short} | {entry.meaning} | {entry.severity} | {owner} | {entry.sla_hours} "
            f"| {wakes} | {entry.blocks} | {entry.release} | {entry.response} |"
        )
    lines += ["", "## Refusals at the door", "", "| Code | Means | HTTP | The bytes |", "|---|---|---|---|"]
    lines += [f"| `{e.code}` | {e.meaning} | {e.status} | {e.disposition} |" for e in refusals().values()]
    return "\n".join(lines) + "\n"
