"""What was read out of a document, beside the document: every field with its pointer, none left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

MOST_FIELDS = 600
MOST_CHARACTERS = 200_000


class Field(msgspec.Struct, frozen=True):
    """One value as it was read, and where it stands in our form of the document."""

    pointer: str
    value: str


class Received(msgspec.Struct, frozen=True):
    """The bytes as text. `note` says what of them is not shown, and why."""

    text: str
    note: str
    length: int


def fields(content: Any) -> tuple[list[Field], int]:
    """The fields of a canonical document, in its order; and how many more there are than are shown."""
    found = list(_fields(content, ""))
    return found[:MOST_FIELDS], max(0, len(found) - MOST_FIELDS)


def _fields(value: Any, pointer: str) -> Iterator[Field]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _fields(inner, f"{pointer}/{name}")
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _fields(inner, f"{pointer}/{place}")
    elif value is not None and value != "":
        yield Field(pointer, "yes" if value is True else "no" if value is False else str(value))


def received(body: Any, media_type: str) -> Received:
    """Received bytes as text to read. Binary formats are not drawn here: their digest stands for them."""
    content = body if isinstance(body, bytes) else str(body).encode()
    if content[:4] == b"%PDF" or content[:2] == b"PK" or content[:2] == b"\x1f\x8b":
        return Received("", "A binary document: it is kept byte by byte under its digest.", len(content))
    text = content.decode("utf-8", "replace")
    note = ""
    if len(text) > MOST_CHARACTERS:
        note = f"The first {MOST_CHARACTERS:,} of {len(text):,} characters are shown."
        text = text[:MOST_CHARACTERS]
    return Received(text, note, len(content))
