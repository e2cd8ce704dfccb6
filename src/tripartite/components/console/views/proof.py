"""Whether a leaf's proof holds, recomputed from what the log's owner handed out: commitment, path, root, leaf id.

It is our own page that says so: whoever does not believe us uses the separate verifier. Pure arithmetic of core/audit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tripartite.core.audit import (
    NoteInvalid,
    commitment_of,
    entry_of,
    inclusion_holds,
    leaf_hash,
    leaf_id_of,
    read_note,
)


class Check(msgspec.Struct, frozen=True):
    """One thing that was recomputed, and whether it came out the same."""

    name: str
    holds: bool
    value: str


class Proof(msgspec.Struct, frozen=True):
    """All checks of one leaf. `holds` only if every single one does."""

    checks: tuple[Check, ...]
    size: int
    origin: str

    @property
    def holds(self) -> bool:
        return bool(self.checks) and all(check.holds for check in self.checks)


def check_leaf(leaf: Mapping[str, Any]) -> Proof:
    """Recompute a leaf as `/v1/audit/leaves/{id}` answers it. Errors: none; what cannot be read does not hold."""
    try:
        note = read_note(leaf["checkpoint"])
        stored = bytes.fromhex(leaf["commitment"])
        path = [bytes.fromhex(step) for step in leaf["path"]]
        at_index = int(leaf["index"])
        hashed = leaf_hash(entry_of(stored, int(leaf["recorded_at_microseconds"])))
        salt, record = bytes.fromhex(leaf["salt"]), leaf["record"].encode()
    except (NoteInvalid, ValueError, OverflowError, TypeError) as error:
        return Proof((Check(f"The proof can be read ({error})", False, ""),), 0, "")
    checks = []
    if salt:
        # An erased record leaves its commitment standing; then only the path can be checked.
        again = commitment_of(
            salt,
            company_code=leaf["company_code"],
            kind=leaf["kind"],
            object_id=leaf["object_id"],
            correlation_id=leaf["correlation_id"],
            record=record,
        )
        checks.append(Check("The record gives the commitment", again == stored, again.hex()))
    checks.append(Check("The commitment gives the leaf's name", leaf_id_of(stored) == leaf["leaf_id"], stored.hex()))
    checkpoint = note.checkpoint
    holds = inclusion_holds(hashed, at_index, checkpoint.size, path, checkpoint.root)
    checks.append(Check(f"{len(path)} hashes lead from the leaf to the root", holds, checkpoint.root.hex()))
    checks.append(
        Check(
            "The checkpoint carries a signature, which the separate verifier checks",
            bool(note.signatures),
            ", ".join(s.name for s in note.signatures),
        )
    )
    return Proof(tuple(checks), checkpoint.size, checkpoint.origin)
