"""The decisions of an invoice, each with what woke it and what it changed against the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tripartite.components.console import words
from tripartite.components.console.words import Mark


class Move(msgspec.Struct, frozen=True):
    """One decision. `came` and `went` are reason codes that were not there before, or are no longer."""

    number: int
    at: str
    mark: Mark
    cause: str
    codes: tuple[str, ...]
    came: tuple[str, ...]
    went: tuple[str, ...]
    policy: str
    code_version: str
    inputs: str
    leaf_id: str
    trace_id: str
    policy_changed: bool


def moves(decisions: Sequence[Mapping[str, Any]]) -> list[Move]:
    """The decisions, the newest first."""
    found: list[Move] = []
    before: tuple[str, ...] = ()
    policy = ""
    for decision in decisions:
        codes = tuple(dict.fromkeys(finding["code"] for finding in decision["result"].get("findings", ())))
        found.append(
            Move(
                number=decision["number"],
                at=decision["at"],
                mark=words.mark(words.INVOICE_STATES, decision["state"]),
                cause=words.cause_words(decision["cause_type"]),
                codes=codes,
                came=tuple(code for code in codes if code not in before),
                went=tuple(code for code in before if code not in codes),
                policy=decision["policy_hash"],
                code_version=decision["code_version"],
                inputs=decision["inputs_digest"],
                leaf_id=decision["leaf_id"],
                trace_id=decision["trace_id"] or "",
                policy_changed=bool(policy) and policy != decision["policy_hash"],
            )
        )
        before, policy = codes, decision["policy_hash"]
    return found[::-1]
