"""The signed statement of the whole log: a C2SP tlog-checkpoint, which is a signed note.

    tripartite.example/audit                              the log's own name, its origin
    4118611                                               leaves
    fwyX0J9...=                                           root, base64

    \u2014 tripartite.example/audit az3grlgtzPICa5OS8npVm...    one line a signature; unknown ones are ignored

Each signature line is: em dash, key name, base64 of (4 bytes of key id, signature). Signing is a function passed in;
this file never sees a private key. Not for deciding when to sign.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec

Sign = Callable[[bytes], bytes]
Check = Callable[[bytes, bytes, bytes], bool]  # (public key, signature, message) -> does it hold?

ED25519 = 1  # the signature type of the signed-note format
_DASH = "\u2014 "
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_NAME = re.compile(r"[^\s+]{1,255}")


class NoteInvalid(ValueError):
    """Text that is not a checkpoint in the form this house writes and reads."""


class VerifyingKey(msgspec.Struct, frozen=True):
    """The public half of a log's key, under the name that its signature lines carry."""

    name: str
    public: bytes  # 32 bytes, Ed25519

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + bytes([ED25519]) + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The key as it is printed and pinned: name, key id, type and key, joined by plus signs."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([ED25519]) + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> VerifyingKey:
        """Read the text form. Errors: `NoteInvalid`, also where the key id is not that of the key."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3 or not _NAME.fullmatch(parts[0]):
            raise NoteInvalid("a verifying key is written name+id+key")
        try:
            data = base64.b64decode(parts[2], validate=True)
        except binascii.Error:
            raise NoteInvalid("the key is not base64") from None
        if len(data) != 33 or data[0] != ED25519:
            raise NoteInvalid("the key is not an Ed25519 key")
        key = cls(parts[0], data[1:])
        if key.key_id.hex() != parts[1]:
            raise NoteInvalid("the key id does not belong to the key")
        return key


class Checkpoint(msgspec.Struct, frozen=True):
    """The state of a log: its name, how many leaves it has, and the root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> bytes:
        """The bytes that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()


class Signature(msgspec.Struct, frozen=True):
    """One signature line, not yet believed."""

    name: str
    key_id: bytes
    signature: bytes


class Note(msgspec.Struct, frozen=True):
    """A checkpoint as read, with the exact bytes that were signed and whoever says to have signed them."""

    checkpoint: Checkpoint
    body: bytes
    signatures: tuple[Signature, ...]

    def signed_by(self, key: VerifyingKey, check: Check) -> bool:
        """Does a line of this very key hold? Lines of other keys count neither for nor against."""
        return any(
            check(key.public, line.signature, self.body)
            for line in self.signatures
            if line.name == key.name and line.key_id == key.key_id
        )


def write_note(checkpoint: Checkpoint, signers: Sequence[tuple[VerifyingKey, Sign]]) -> str:
    """The checkpoint with one signature line for each signer."""
    assert _NAME.fullmatch(checkpoint.origin), "an origin is one word without plus signs"
    assert len(checkpoint.root) == 32
    lines = [
        f"{_DASH}{key.name} {base64.b64encode(key.key_id + sign(checkpoint.body)).decode()}\n" for key, sign in signers
    ]
    return checkpoint.body.decode() + "\n" + "".join(lines)


def read_note(text: str) -> Note:
    """Read a signed checkpoint. Extension lines after the root are kept in the signed body and not interpreted.

    Errors: `NoteInvalid`. A signature is not checked here: `Note.signed_by`.
    """
    body, blank, tail = text.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise NoteInvalid("a checkpoint is a text, an empty line and signature lines")
    body += "\n"
    lines = body.split("\n")
    if len(lines) < 4 or "" in lines[:-1]:
        raise NoteInvalid("a checkpoint has an origin, a size and a root")
    if not _SIZE.fullmatch(lines[1]):
        raise NoteInvalid("the size is not a plain decimal number")
    root = _base64(lines[2], "root")
    if len(root) != 32:
        raise NoteInvalid("the root is not 32 bytes")
    signatures = []
    for line in tail.removesuffix("\n").split("\n"):
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space or not name:
            raise NoteInvalid("a signature line is a dash, a name and a signature")
        data = _base64(encoded, "signature")
        if len(data) < 5:
            raise NoteInvalid("the signature is too short")
        signatures.append(Signature(name, data[:4], data[4:]))
    return Note(Checkpoint(lines[0], int(lines[1]), root), body.encode(), tuple(signatures))


def _base64(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteInvalid(f"the {what} is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise NoteInvalid(f"the {what} has stray bits")  # one value, one text
    return data
