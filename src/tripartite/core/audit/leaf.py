"""One audit fact: a record, the words under which it is found, and the salted commitment that enters the tree.

The tree never holds the record. It holds a commitment, SHA-256 over (salt, words, record), so that deleting the salt
and the record erases the fact while every proof about every other fact still holds. The words (company, kind, object,
correlation) are part of what is hashed: a column altered beside the record is found out as surely as the record.

    commitment = SHA-256("tripartite.leaf.v1\\n" | salt | company | kind | object | correlation | record)
    entry      = commitment | time of recording, microseconds since 1970 in UTC, 8 bytes big-endian
    leaf hash  = SHA-256(0x00 | entry)                                        (RFC 6962; see merkle.py)

Each of the four words is UTF-8 after its length in two bytes, big-endian. The salt has a fixed length, the record is
what remains, so no two leaves share a preimage. Not for choosing what a record says.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec

SALT_LENGTH = 16  # bytes; enough that an IBAN cannot be guessed from its commitment
LONGEST_RECORD = 65_535  # bytes; whatever is larger is kept elsewhere and named here by digest and length
LONGEST_WORD = 1_000  # bytes of UTF-8 in each of company, kind, object and correlation
ENTRY_LENGTH = 40

DOMAIN = b"tripartite.leaf.v1\n"


class LeafInvalid(ValueError):
    """A leaf that may not be written: salt of the wrong length, a record or a word too long."""


class Leaf(msgspec.Struct, frozen=True):
    """One pending audit fact. `leaf_id` follows from the commitment; decisions and acts refer to it."""

    leaf_id: str
    commitment: bytes
    company_code: str
    kind: str
    object_id: str
    correlation_id: str
    record: bytes
    salt: bytes


def commitment_of(
    salt: bytes, *, company_code: str, kind: str, object_id: str, correlation_id: str, record: bytes
) -> bytes:
    """The 32 bytes that stand in the tree for this fact. Errors: none; lengths are checked by `make_leaf`."""
    company, kind_, object_, correlation = (
        company_code.encode(),
        kind.encode(),
        object_id.encode(),
        correlation_id.encode(),
    )
    return sha256(
        b"".join(
            (
                DOMAIN,
                salt,
                len(company).to_bytes(2, "big"),
                company,
                len(kind_).to_bytes(2, "big"),
                kind_,
                len(object_).to_bytes(2, "big"),
                object_,
                len(correlation).to_bytes(2, "big"),
                correlation,
                record,
            )
        )
    ).digest()


def leaf_id_of(commitment: bytes) -> str:
    """The name of a leaf: `leaf_` and the first 16 bytes of its commitment in hex."""
    return "leaf_" + commitment[:16].hex()


def entry_of(commitment: bytes, recorded_at_microseconds: int) -> bytes:
    """What the tree holds: the commitment and the time of recording (microseconds since 1970, UTC)."""
    return commitment + recorded_at_microseconds.to_bytes(8, "big", signed=True)


def make_leaf(kind: str, object_id: str, company: str, correlation: str, record: bytes, salt: bytes) -> Leaf:
    """A leaf for one decision or act.

    `kind` is what happened (`decision`, `approval`, `delivery.settled`), `object_id` to what. `record` is canonical
    JSON without personal data or bank details: salted hashes and references only. `salt` are 16 fresh random bytes,
    used for this leaf and no other (the ids port gives them, so that a rehearsal repeats).
    Errors: `LeafInvalid`.
    """
    if len(salt) != SALT_LENGTH:
        raise LeafInvalid(f"the salt has {len(salt)} bytes, not {SALT_LENGTH}")
    if len(record) > LONGEST_RECORD:
        raise LeafInvalid(f"the record has {len(record)} bytes; above {LONGEST_RECORD} name it by digest and length")
    for word in (company, kind, object_id, correlation):
        if len(word) * 4 > LONGEST_WORD and len(word.encode()) > LONGEST_WORD:
            raise LeafInvalid(f"a word of more than {LONGEST_WORD} bytes: {word[:40]!r}")
    commitment = commitment_of(
        salt, company_code=company, kind=kind, object_id=object_id, correlation_id=correlation, record=record
    )
    return Leaf(leaf_id_of(commitment), commitment, company, kind, object_id, correlation, record, salt)
