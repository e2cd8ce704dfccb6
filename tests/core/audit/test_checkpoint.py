"""Checkpoints are C2SP signed notes; what is not one is refused."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tripartite.core.audit import Checkpoint, NoteInvalid, VerifyingKey, read_note, write_note
from tripartite.runtime.audit import ed25519_holds, signer_from_seed

# The example key of the signed-note specification (golang.org/x/mod/sumdb/note, PeterNeumann).
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=",
)
SIGNER = signer_from_seed("books.example/audit", bytes(range(32)))
WITNESS = signer_from_seed("witness.example", bytes(32))
CHECKPOINT = Checkpoint("books.example/audit", 4_118_611, bytes(range(32)))


def test_a_published_signature_of_a_published_key_holds() -> None:
    import base64

    key = VerifyingKey.parse(NEUMANN)
    assert key.text == NEUMANN
    body, line = NEUMANN_NOTE
    data = base64.b64decode(line)
    assert data[:4] == key.key_id
    assert ed25519_holds(key.public, data[4:], body.encode())
    assert not ed25519_holds(key.public, data[4:], body.encode() + b"\n")


def test_a_checkpoint_reads_as_it_was_written() -> None:
    text = write_note(CHECKPOINT, [(SIGNER.key, SIGNER.sign)])
    assert text.startswith(
        "books.example/audit\n4118611\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n— books.example/audit "
    )
    note = read_note(text)
    assert note.checkpoint == CHECKPOINT
    assert note.signed_by(SIGNER.key, ed25519_holds)


def test_a_witness_adds_a_line_and_unknown_lines_are_ignored() -> None:
    text = write_note(CHECKPOINT, [(WITNESS.key, WITNESS.sign), (SIGNER.key, SIGNER.sign)])
    text += "— somebody.else AAAAAAAA\n"
    note = read_note(text)
    assert note.signed_by(SIGNER.key, ed25519_holds)
    assert note.signed_by(WITNESS.key, ed25519_holds)
    stranger = signer_from_seed("books.example/audit", bytes(31) + b"\x01")
    assert not note.signed_by(stranger.key, ed25519_holds)


def test_a_signature_of_another_state_does_not_hold() -> None:
    text = write_note(CHECKPOINT, [(SIGNER.key, SIGNER.sign)])
    assert not read_note(text.replace("4118611", "4118612")).signed_by(SIGNER.key, ed25519_holds)


def test_extension_lines_are_signed_and_kept_apart() -> None:
    body = CHECKPOINT.body + b"an extension\n"
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    import base64

    line = base64.b64encode(SIGNER.key.key_id + private.sign(body)).decode()
    note = read_note(f"{body.decode()}\n— books.example/audit {line}\n")
    assert note.checkpoint == CHECKPOINT
    assert note.signed_by(SIGNER.key, ed25519_holds)


GOOD = write_note(CHECKPOINT, [(SIGNER.key, SIGNER.sign)])


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("nothing", ""),
        ("no signature", GOOD.split("\n\n")[0] + "\n"),
        ("no line end", GOOD.removesuffix("\n")),
        ("size with zeros in front", GOOD.replace("4118611", "04118611")),
        ("negative size", GOOD.replace("4118611", "-1")),
        ("size in other digits", GOOD.replace("4118611", "４")),
        ("endless size", GOOD.replace("4118611", "9" * 5000)),
        ("root too short", GOOD.replace("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AAEC")),
        ("root with stray bits", GOOD.replace("HR4fHh8=", "").replace("Hh8=", "Hh9=")),
        ("a hyphen for the dash", GOOD.replace("—", "-")),
        ("no origin", GOOD[GOOD.index("\n") :]),
    ],
)
def test_what_is_not_a_checkpoint_is_refused(what: str, text: str) -> None:
    with pytest.raises(NoteInvalid):
        read_note(text)


@pytest.mark.parametrize("text", ["", "a+b", "a+00000000+AAAA", NEUMANN.replace("c74f20a3", "c74f20a4"), "a b+1+AA=="])
def test_what_is_not_a_key_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        VerifyingKey.parse(text)
