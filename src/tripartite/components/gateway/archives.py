"""Archives at the door: a gzip file or a ZIP is kept as it came, and each file in it becomes a document of its own.

Not for deciding what a member is: that is read later, with everything else. The limits and refusals (names that leave
their folder, bombs, archives in archives) are those of `connectors/documents/unpack.py`.
"""

from __future__ import annotations

import msgspec

from tripartite.components.gateway.handlers import refused_as
from tripartite.components.gateway.intake import Document, Refused
from tripartite.connectors.documents.unpack import packed_as, unpack
from tripartite.runtime.protocol import Unreadable

MEMBER = "!"  # between an archive's name and its member's: invoices.zip!march/4711.xml


def opened(document: Document) -> list[Document]:
    """What is to be taken in for these bytes: the document itself, and behind an archive its members.

    An archive is `applied` as what it is, or refused as a whole with its reason; then no member is taken. A member's
    name is the archive's, `!`, its own. A plain document comes back alone.
    """
    form = packed_as(document.content)
    if not form:
        return [document]
    name = document.name or "archive"
    members = unpack(name, document.content)
    if isinstance(members, Unreadable):
        refused = Refused(
            members.reason_code, members.detail, members.pointer or "/", refused_as(members.reason_code), form
        )
        return [msgspec.structs.replace(document, refused=refused)]
    return [
        msgspec.structs.replace(document, archive=form),
        *(
            msgspec.structs.replace(
                document,
                content=member.content,
                media_type=media_type(member.content),
                name=f"{name}{MEMBER}{member.name}",
            )
            for member in members
        ),
    ]


_STARTS = (
    (b"<", "application/xml"),
    (b"{", "application/json"),
    (b"[", "application/json"),
    (b"%PDF", "application/pdf"),
    (b"PK", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
)


def media_type(content: bytes) -> str:
    """A label for bytes that nobody labelled, by what they begin with. It decides nothing: reading does."""
    start = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    return next((name for sign, name in _STARTS if start.startswith(sign)), "application/octet-stream")
