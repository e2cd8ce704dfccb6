"""A pack in its one canonical form: what its hash is taken over, kept so that an old decision can be taken again."""

from __future__ import annotations

import json

import msgspec

from tripartite.core.policy.pack import Pack
from tripartite.core.policy.rows import TABLES, Row


class ReleaseInvalid(ValueError):
    """Bytes that are not a pack, or not the one that they are said to be."""


def content_of(pack: Pack) -> bytes:
    """The canonical form of a pack: its SHA-256 is `pack.hash`."""
    return pack.canonical.encode()


def pack_of(content: bytes, named: str) -> Pack:
    """The pack in its canonical form, which must have the hash it is named by. Errors: `ReleaseInvalid`."""
    try:
        whole = json.loads(content)
        rows: dict[str, tuple[Row, ...]] = {
            table: tuple(msgspec.convert(row, TABLES[table]) for row in found)
            for table, found in whole["tables"].items()
        }
        people = {name: whole[name] for name in ("name", "release", "proposed_by", "approved_by")}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReleaseInvalid(f"{named}: {error}") from None
    pack = Pack(**people, rows={name: rows.get(name, ()) for name in TABLES})
    if pack.hash != named:
        raise ReleaseInvalid(f"{named} has the hash {pack.hash}: it was altered, or made by another version")
    return pack
