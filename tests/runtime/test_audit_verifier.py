"""The separate verifier: a small program that trusts nothing of ours, and finds whatever was done to an export."""

from __future__ import annotations

import asyncio
import base64
import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.audit_bench import SIGNER, Books, books, make_leaves, postgres, worker_id_or_main
from tripartite.cli import audit as cli
from tripartite.core.audit import Checkpoint, consistency_holds, inclusion_holds, make_leaf, read_note, write_note
from tripartite.runtime.audit import ERASURE, erase_leaf
from tripartite.runtime.audit_proofs import Choice, NothingSealed, find_evidence, inclusion_of, prove_growth

__all__ = ["books", "postgres", "worker_id_or_main"]

PROGRAM = Path(cli.__file__).parents[1] / "verifier" / "verify_tripartite.py"
VERIFIER: dict[str, Any] = runpy.run_path(str(PROGRAM), run_name="verifier")


def check(path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the program as an auditor would: isolated, without site packages, so that it can import nothing of ours."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(PROGRAM), str(path), "--json", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=path.parent,
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


async def exported(books: Books, out: Path, **options: Any) -> int:
    return await asyncio.to_thread(cli.export, books.database.url, out=out, **options)


def rewritten(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> Path:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    other = path.with_name("tampered.json")
    other.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return other


# Ed25519


@pytest.mark.parametrize(
    ("seed", "public", "message", "signature"),
    [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ],
)
def test_the_verifiers_own_signature_check_knows_the_vectors_of_rfc_8032(
    seed: str, public: str, message: str, signature: str
) -> None:
    holds = VERIFIER["ed25519_holds"]
    key, text, signed = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).sign(text) == signed  # the vector is copied right
    assert holds(key, text, signed)
    assert not holds(key, text + b"x", signed)
    assert not holds(key, text, signed[:63])
    for at in (0, 31, 32, 63):
        assert not holds(key, text, signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :])
    order = 2**252 + 27742317777372353535851937790883648493
    larger = int.from_bytes(signed[32:], "little") + order
    assert not holds(key, text, signed[:32] + larger.to_bytes(32, "little"))  # the same signature, written otherwise


@settings(max_examples=25, deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200), wrong=st.integers(0, 511))
def test_the_verifiers_own_signature_check_agrees_with_the_library(seed: bytes, message: bytes, wrong: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert VERIFIER["ed25519_holds"](public, message, signature)
    spoilt = bytearray(signature)
    spoilt[wrong // 8] ^= 1 << wrong % 8
    assert not VERIFIER["ed25519_holds"](public, message, bytes(spoilt))


# Exports


async def test_a_complete_export_is_rebuilt_from_its_first_leaf(books: Books, tmp_path: Path) -> None:
    await books.fill(700, batch=250)
    out = tmp_path / "export.json"
    assert await exported(books, out) == 0
    assert out.stat().st_mode & 0o777 == 0o600
    code, found = check(out, "--key", SIGNER.key.text)
    assert code == 0
    assert (found["ok"], found["checked"], found["tree_size"], found["checkpoints"]) == (True, 700, 700, 3)
    assert (found["complete"], found["key_from_outside"], found["first_bad"]) == (True, True, None)
    [(root,)] = await books.database.rows("SELECT root FROM audit.checkpoint WHERE tree_size = 700")
    assert found["root"] == root.hex()


async def test_a_long_log_is_exported_page_after_page(books: Books, tmp_path: Path) -> None:
    await books.fill(40_000)
    out = tmp_path / "export.json"
    for options, checked in (({}, 40_000), ({"kind": ["decision"], "company": ["PL02"]}, 13_334)):
        assert await exported(books, out, **options) == 0
        code, found = check(out, "--key", SIGNER.key.text)
        assert (code, found["checked"], found["tree_size"]) == (0, checked, 40_000)


async def test_a_payable_is_proven_from_requisition_to_payment_by_its_correlation(books: Books, tmp_path: Path) -> None:
    await books.fill(700, batch=250)
    out = tmp_path / "export.json"
    assert await exported(books, out, correlation=["c_00000100"]) == 0
    code, found = check(out, "--key", SIGNER.key.text)
    assert (code, found["checked"], found["tree_size"], found["checkpoints"]) == (0, 4, 700, 3)
    assert not found["complete"]


async def test_companies_bound_what_is_exported(books: Books, tmp_path: Path) -> None:
    await books.fill(30)
    out = tmp_path / "export.json"
    assert await exported(books, out, company=["PL02"]) == 0
    leaves = [json.loads(line)["leaf"] for line in out.read_text().splitlines() if line.startswith('{"leaf"')]
    assert len(leaves) == 10
    assert {leaf["company_code"] for leaf in leaves} == {"PL02"}
    assert check(out)[0] == 0


def _alter(field: str, value: Any) -> Callable[[list[dict[str, Any]]], None]:
    def change(lines: list[dict[str, Any]]) -> None:
        leaf = next(line["leaf"] for line in lines if line.get("leaf", {}).get("index") == 401)
        assert leaf[field] != value
        leaf[field] = value

    return change


def _swap(lines: list[dict[str, Any]]) -> None:
    at = next(at for at, line in enumerate(lines) if line.get("leaf", {}).get("index") == 401)
    lines[at]["leaf"]["index"], lines[at + 1]["leaf"]["index"] = 402, 401
    lines[at], lines[at + 1] = lines[at + 1], lines[at]


def _drop(lines: list[dict[str, Any]]) -> None:
    lines[:] = [line for line in lines if line.get("leaf", {}).get("index") != 401]
    lines[-1]["end"] -= 1


def _cut(lines: list[dict[str, Any]]) -> None:
    del lines[-1]


def _miscount(lines: list[dict[str, Any]]) -> None:
    lines[-1]["end"] += 1


def _forge_root(lines: list[dict[str, Any]]) -> None:
    old = lines[0]["checkpoint"].split("\n")[2]
    lines[0]["checkpoint"] = lines[0]["checkpoint"].replace(old, base64.b64encode(bytes(32)).decode())


def _forge_earlier(lines: list[dict[str, Any]]) -> None:
    other = Checkpoint("books.example/audit", 500, bytes(32))
    lines[2]["checkpoint"] = write_note(other, [(SIGNER.key, SIGNER.sign)])  # a log that signed two histories


TAMPERED: list[tuple[str, Callable[[list[dict[str, Any]]], None], int | None, int | None]] = [
    ("record", _alter("record", "{}"), 401, 401),
    ("company", _alter("company_code", "XX"), 401, 401),
    ("salt", _alter("salt", "00" * 16), 401, 401),
    ("time", _alter("recorded_at", 5), 250, 401),
    ("name", _alter("leaf_id", "leaf_00"), 401, 401),
    ("commitment", _alter("commitment", "00" * 32), 401, 401),
    ("swapped", _swap, 250, 401),
    ("cut off", _cut, None, None),
    ("miscounted", _miscount, None, None),
    ("root", _forge_root, None, None),
    ("two histories", _forge_earlier, 250, None),
]


@pytest.mark.parametrize(("what", "change", "complete_bad", "chosen_bad"), TAMPERED, ids=[row[0] for row in TAMPERED])
async def test_an_altered_export_does_not_hold_and_the_place_is_named(
    books: Books,
    tmp_path: Path,
    what: str,
    change: Callable[[list[dict[str, Any]]], None],
    complete_bad: int | None,
    chosen_bad: int | None,
) -> None:
    await books.fill(700, batch=250)
    out = tmp_path / "export.json"
    for options, first_bad in (({}, complete_bad), ({"correlation": ["c_00000100"]}, chosen_bad)):
        assert await exported(books, out, **options) == 0
        code, found = check(rewritten(out, change), "--key", SIGNER.key.text)
        assert (code, found["ok"], found["first_bad"]) == (1, False, first_bad), what
        assert found["problem"]


async def test_a_leaf_left_out_of_a_complete_export_is_missed(books: Books, tmp_path: Path) -> None:
    await books.fill(700, batch=250)
    out = tmp_path / "export.json"
    assert await exported(books, out) == 0
    code, found = check(rewritten(out, _drop))
    assert (code, found["first_bad"]) == (1, 401)


async def test_an_export_under_another_key_is_not_believed(books: Books, tmp_path: Path) -> None:
    await books.fill(5)
    out = tmp_path / "export.json"
    await exported(books, out)
    assert check(out)[0] == 0
    other = "books.example/audit+93b2f5dc+AXN0cmFuZ2Vy"
    assert check(out, "--key", other)[0] == 2
    from tripartite.runtime.audit import signer_from_seed

    assert check(out, "--key", signer_from_seed("books.example/audit", bytes(32)).key.text)[0] == 1


@pytest.mark.parametrize("chosen", [(), ("c_00000001",)])
async def test_an_export_continues_the_checkpoint_that_the_auditor_kept(
    books: Books, tmp_path: Path, chosen: tuple[str, ...]
) -> None:
    await books.fill(20)
    [(note,)] = await books.database.rows("SELECT note FROM audit.checkpoint")
    kept = tmp_path / "kept.txt"
    kept.write_text(note)
    await books.write(make_leaves(10, start=100))
    await books.sequence()
    out = tmp_path / "export.json"
    assert await exported(books, out, correlation=chosen, checkpoint=[kept]) == 0
    assert check(out, "--checkpoint", str(kept))[0] == 0
    kept.write_text(write_note(Checkpoint("books.example/audit", 20, bytes(32)), [(SIGNER.key, SIGNER.sign)]))
    code, found = check(out, "--checkpoint", str(kept))
    assert (code, found["ok"]) == (1, False)
    kept.write_text(write_note(Checkpoint("books.example/audit", 31, bytes(32)), [(SIGNER.key, SIGNER.sign)]))
    assert check(out, "--checkpoint", str(kept))[1]["first_bad"] == 30


async def test_an_erased_record_still_verifies_and_brings_its_erasure_along(books: Books, tmp_path: Path) -> None:
    leaves = await books.fill(20)
    gone = leaves[7]
    erasure = make_leaf(ERASURE, gone.leaf_id, gone.company_code, "c_erase", b"{}", bytes(16))
    async with books.database.connection() as connection:
        await erase_leaf(connection, gone.leaf_id, erasure)
    await books.sequence()
    out = tmp_path / "export.json"
    assert await exported(books, out, object_id=[gone.object_id]) == 0
    code, found = check(out)
    assert (code, found["checked"], found["erased"]) == (0, 2, 1)
    assert b"verdict" not in out.read_bytes()

    def forget(lines: list[dict[str, Any]]) -> None:
        lines[:] = [line for line in lines if line.get("leaf", {}).get("kind") != ERASURE]
        lines[-1]["end"] -= 1

    assert check(rewritten(out, forget))[1]["first_bad"] == 7


async def test_records_that_are_not_text_travel_unchanged(books: Books, tmp_path: Path) -> None:
    odd = [
        make_leaf("k", "o\n\u2028\u202e", "DE01", "c", bytes(range(256)), bytes(16)),
        make_leaf("k", "o", "DE01", "c", '"\\\n\u2028 \U0001f4b6'.encode(), bytes(15) + b"\x01"),
        make_leaf("k", "o", "", "", b"", bytes(15) + b"\x02"),
    ]
    await books.write(odd)
    await books.sequence()
    out = tmp_path / "export.json"
    assert await exported(books, out) == 0
    assert check(out)[1]["checked"] == 3


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[1]", b"\xff\xfe", b'{"format":"tripartite-audit/1"}', b"[" * 100_000, b"x" * 2_000_000],
)
def test_what_is_not_an_export_is_said_to_be_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    code, found = check(path)
    assert (code, found["ok"]) == (2, False)


# Proofs as the console and a witness ask for them, and the commands


async def test_evidence_of_a_leaf_is_its_path_under_the_newest_checkpoint(books: Books) -> None:
    leaves = make_leaves(300)
    for part in (leaves[:100], leaves[100:]):
        await books.write(part)
        await books.sequence()
    async with books.database.connection() as connection:
        evidence = await find_evidence(connection, Choice(leaf_ids=(leaves[299].leaf_id,)))
        growth = await prove_growth(connection, 100, 300)
    [found] = evidence.leaves
    assert (found.index, found.record, found.object_id) == (299, leaves[299].record, "inv_00000299")
    assert len(found.path) == 5  # beside the last 4 of 256 + 32 + 8 + 4: two steps within, three to the left
    assert evidence.keys == (SIGNER.key.text,)
    [(earlier,), (later,)] = await books.database.rows("SELECT root FROM audit.checkpoint ORDER BY tree_size")
    assert consistency_holds(100, 300, earlier, later, growth)


async def test_one_leaf_comes_with_all_that_a_page_needs_to_check_it(books: Books) -> None:
    leaves = await books.fill(300)
    [late] = make_leaves(1, start=9_000)
    await books.write([late])
    async with books.database.connection() as connection:
        sealed = await inclusion_of(connection, leaves[123].leaf_id)
        pending = await inclusion_of(connection, late.leaf_id)
        assert await inclusion_of(connection, "leaf_unknown") is None
    assert sealed is not None
    assert pending is not None
    json.dumps([sealed, pending])
    assert (sealed["state"], sealed["index"], sealed["record"]) == ("sealed", 123, leaves[123].record.decode())
    checkpoint = read_note(sealed["checkpoint"]).checkpoint
    path = [base64.b64decode(step) for step in sealed["path"]]
    assert inclusion_holds(bytes.fromhex(sealed["leaf_hash"]), 123, checkpoint.size, path, checkpoint.root)
    assert VERIFIER["commitment_of"](sealed).hex() == sealed["commitment"]
    assert (pending["state"], pending["index"], pending["path"]) == ("pending", None, [])


async def test_nothing_can_be_proven_before_the_first_checkpoint(
    books: Books, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with books.database.connection() as connection:
        with pytest.raises(NothingSealed):
            await find_evidence(connection, Choice())
    out = tmp_path / "export.json"
    assert await exported(books, out) == 2
    assert list(tmp_path.iterdir()) == []
    assert "no checkpoint" in capsys.readouterr().err


async def test_verify_prints_one_json_document_and_its_exit_code_says_the_same(
    books: Books, capsys: pytest.CaptureFixture[str]
) -> None:
    await books.fill(10)
    assert await asyncio.to_thread(cli.verify, books.database.url, json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert {name: found[name] for name in ("ok", "tree_size", "checked", "first_bad")} == {
        "ok": True,
        "tree_size": 10,
        "checked": 10,
        "first_bad": None,
    }
    assert await asyncio.to_thread(cli.verify, books.database.url, key=["nonsense"]) == 2
    assert await asyncio.to_thread(cli.verify, "host=/nowhere dbname=x") == 2
    import psycopg

    with psycopg.connect(books.superuser_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE audit.leaf SET record = 'x' WHERE object_id = 'inv_00000004'")
    capsys.readouterr()
    assert await asyncio.to_thread(cli.verify, books.database.url, json=True) == 1
    assert json.loads(capsys.readouterr().out)["first_bad"] == 4
    assert await asyncio.to_thread(cli.verify, books.database.url) == 1
    assert capsys.readouterr().out.startswith("DOES NOT HOLD: the record of leaf_")


def test_the_verifier_imports_the_standard_library_only() -> None:
    import ast

    tree = ast.parse(PROGRAM.read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert imported - {"__future__"} <= sys.stdlib_module_names
    assert len(PROGRAM.read_text().splitlines()) < 550
