"""What differs between two releases of a policy, row by row and key by key. It says what changed, not what follows:
which decisions would have come out otherwise is the back-test's question.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tripartite.core.estate.reading import plain_data
from tripartite.core.policy.pack import Pack
from tripartite.core.policy.rows import TABLES


class PolicyChange(msgspec.Struct, frozen=True):
    """One difference: the row as it is cited, the key (empty for a whole row), before and after."""

    kind: Literal["added", "removed", "changed"]
    row: str
    key: str
    before: str
    after: str


def diff_packs(old: Pack, new: Pack) -> tuple[PolicyChange, ...]:
    """Every difference from `old` to `new`, by table and id. Empty exactly where the rows say the same."""
    changes: list[PolicyChange] = []
    for table in TABLES:
        before = {row.id: plain_data(row) for row in old.table(table)}
        after = {row.id: plain_data(row) for row in new.table(table)}
        for name in sorted(before.keys() | after.keys()):
            cited = f"{table}/{name}"
            if name not in after:
                changes.append(PolicyChange("removed", cited, "", _words(before[name]), ""))
            elif name not in before:
                changes.append(PolicyChange("added", cited, "", "", _words(after[name])))
            else:
                changes += [
                    PolicyChange("changed", cited, key, _word(before[name][key]), _word(after[name][key]))
                    for key in sorted(before[name])
                    if before[name][key] != after[name][key]
                ]
    return tuple(changes)


def _words(row: dict[str, Any]) -> str:
    return ", ".join(f"{key} {_word(value)}" for key, value in row.items() if key != "id" and value != "*")


def _word(value: Any) -> str:
    text = " ".join(str(part) for part in value) if isinstance(value, list) else str(value)
    return "open" if text == "9999-12-31" else text
