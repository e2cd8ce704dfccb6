"""`tripartite audit verify` and `tripartite audit export`: the log checked in place, and evidence to take away.

Not for checking an export: that is the separate verifier's work, which needs nothing of ours. Results go to standard
output, everything said to people beside a result to standard error. Exit: 0 good, 1 something is wrong, 2 usage.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import psycopg

from tripartite.core.audit import NoteInvalid, VerifyingKey
from tripartite.runtime.audit import AuditTrouble
from tripartite.runtime.audit_proofs import Choice, export_lines
from tripartite.runtime.audit_verify import Verification, verify_log
from tripartite.runtime.db import SEARCH_PATH

GOOD, FINDINGS, USAGE = 0, 1, 2


def verify(database_url: str, *, json: bool = False, key: Sequence[str] = (), checkpoint: Sequence[Path] = ()) -> int:
    """Recompute the log of a database: every leaf, tile and checkpoint.

    `key`: public keys its checkpoints must be signed with (default: those in the database). `checkpoint`: files with
    checkpoints kept elsewhere, which this log must have gone through.
    """
    try:
        keys = [VerifyingKey.parse(text) for text in key]
        outside = [path.read_text(encoding="utf-8") for path in checkpoint]
        result = verify_log(database_url, keys=keys, outside=outside)
    except (NoteInvalid, OSError, UnicodeDecodeError, psycopg.Error) as error:
        sys.stderr.write(f"{_first_line(error)}\n")
        return USAGE
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n" if json else _said(result, pinned=bool(keys)))
    return GOOD if result.ok else FINDINGS


def _said(result: Verification, *, pinned: bool) -> str:
    if not result.ok:
        where = "" if result.first_bad is None else f" (first bad leaf: {result.first_bad})"
        return f"DOES NOT HOLD: {result.problem}{where}\n"
    lines = [f"Holds: {result.tree_size} leaves, {result.checkpoints} checkpoints, root {result.root}"]
    if result.pending:
        lines.append(f"{result.pending} leaves are written and not yet sealed.")
    if result.erased:
        lines.append(f"{result.erased} records were erased; each erasure is itself a leaf.")
    if not pinned:
        lines.append("Signatures were checked with the keys that the database names; give --key to check with yours.")
    return "\n".join(lines) + "\n"


def export(
    database_url: str,
    *,
    out: Path,
    json: bool = False,
    object_id: Sequence[str] = (),
    correlation: Sequence[str] = (),
    leaf: Sequence[str] = (),
    kind: Sequence[str] = (),
    company: Sequence[str] = (),
    checkpoint: Sequence[Path] = (),
) -> int:
    """Write evidence to `out` for the separate verifier: the whole log, or the leaves that the options choose.

    The file appears whole or not at all, and only its owner may read it. `checkpoint`: files with checkpoints kept
    elsewhere that the export shall connect to.
    """
    choice = Choice(tuple(leaf), tuple(object_id), tuple(correlation), tuple(kind), tuple(company) or None)
    try:
        kept = [path.read_text(encoding="utf-8") for path in checkpoint]
        count = asyncio.run(_export(database_url, choice, kept, out))
    except (AuditTrouble, NoteInvalid, OSError, UnicodeDecodeError, psycopg.Error) as error:
        sys.stderr.write(f"{_first_line(error)}\n")
        return USAGE
    if json:
        sys.stdout.write(msgspec.json.encode({"path": str(out), "leaves": count}).decode() + "\n")
    else:
        sys.stdout.write(f"{count} leaves in {out}. Check them with: python verify_tripartite.py {out}\n")
    return GOOD


async def _export(database_url: str, choice: Choice, kept: Sequence[str], out: Path) -> int:
    handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    lines = 0
    try:
        with os.fdopen(handle, "wb") as file:
            async with await psycopg.AsyncConnection.connect(
                database_url, options=f"-c search_path={SEARCH_PATH.replace(' ', '')}"
            ) as connection:
                await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
                await connection.set_read_only(True)
                async for line in export_lines(connection, choice, continue_from=kept):
                    file.write(line)
                    lines += line.startswith(b'{"leaf"')
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return lines


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
