"""Real documents by file: XRechnung, the examples of CEN and the UBL documents, all of them in one go."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import connectors.documents
from cli.embedded_home import embedded_home, rows
from connectors.documents.samples import FOLDERS, sample_root
from tripartite.cli.ingest import ingest
from tripartite.runtime.settings import Settings

pytestmark = pytest.mark.samples

TABLE = tomllib.loads((Path(connectors.documents.__path__[0]) / "dispositions.toml").read_text())["document"]
Told = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def home() -> Iterator[Settings]:
    with embedded_home() as settings:
        yield settings


@pytest.fixture(scope="module")
def told(home: Settings) -> Told:
    """What became of each sample, by its path within the samples."""
    root = sample_root()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = ingest(home, [root / folder for folder in FOLDERS], "einvoice", json=True)
    assert status == 1, "some of them are refused"
    return {entry["path"].removeprefix(f"{root}/"): entry for entry in json.loads(out.getvalue())["files"]}


def test_every_sample_file_has_a_final_disposition_with_a_reason_and_a_place(told: Told) -> None:
    root = sample_root()
    files = {str(path.relative_to(root)) for folder in FOLDERS for path in (root / folder).rglob("*") if path.is_file()}
    assert set(told) == files
    for path, entry in told.items():
        assert entry["disposition"] in ("applied", "duplicate", "stale", "quarantined", "rejected"), path
        if entry["disposition"] not in ("applied", "duplicate"):
            assert entry["reason_code"], path
            assert entry["pointer"], path


def test_what_the_readers_read_is_applied_and_what_they_refuse_is_refused_for_their_reason(told: Told) -> None:
    for path, wanted in TABLE.items():
        entry = told[path]
        if "refused" in wanted:
            assert entry["reason_code"] == wanted["refused"], path
            assert entry["pointer"] == (wanted["at"] if wanted["at"].startswith("/") else "/"), path
            continue
        assert entry["object"] == {"kind": wanted["kind"], "key": wanted["number"]}, path
        if entry["disposition"] == "quarantined":
            # The buyer on it is somebody else, by his tax number or his order system: nobody here may decide on it.
            assert (entry["reason_code"], entry["pointer"]) == ("integration.mapping_missing", "/buyer"), path
            assert "buyer" in entry["detail"] or "company" in entry["detail"], path
        else:
            assert entry["disposition"] == "applied", path
            assert entry["company_code"] == "DE01", path
    formats = {told[path]["format"] for path, wanted in TABLE.items() if "kind" in wanted}
    assert formats == {
        *("ubl.invoice", "ubl.creditnote", "ubl.selfbilledcreditnote", "ubl.order", "ubl.receiptadvice", "cii.invoice")
    }


def test_fragments_and_pages_are_of_no_type_that_is_taken(told: Told) -> None:
    others = {path: entry for path, entry in told.items() if path not in TABLE}
    assert len(others) > 100
    for path, entry in others.items():
        wanted = "/testSet" if "unit-UBL" in path else "/"
        assert (entry["reason_code"], entry["pointer"]) == ("intake.type_not_supported", wanted), path


def test_every_sample_comes_back_byte_by_byte(home: Settings, told: Told) -> None:
    root = sample_root()
    kept = {row[0]: row[1] for row in rows(home, "SELECT digest, content FROM gateway.raw")}
    for path, entry in told.items():
        content = (root / path).read_bytes()
        assert kept[hashlib.sha256(content).hexdigest()] == content, path
        document = gzip.decompress(content) if path.endswith(".gz") else content
        assert kept[entry["digest"]] == document, path


def test_every_applied_invoice_is_recorded_with_a_decision_and_nothing_got_stuck(home: Settings, told: Told) -> None:
    applied = {
        entry["intake_id"]
        for entry in told.values()
        if entry["disposition"] == "applied" and entry["object"]["kind"] == "invoice"
    }
    decided = rows(
        home,
        """SELECT i.intake_id, i.state, i.reason_codes FROM invoices.invoice i JOIN invoices.decision d
        ON d.invoice_id = i.invoice_id AND d.number = 1""",
    )
    assert {row[0] for row in decided} == applied
    assert len(applied) > 60
    # Nobody of these suppliers is on file: none of them is to be booked, and each says why.
    assert {row[1] for row in decided} == {"held", "refused"}
    assert all("supplier.unknown" in row[2] for row in decided)
    assert rows(home, "SELECT consumer, topic, reason_code, detail FROM bus.quarantine") == []
    assert rows(home, "SELECT count(*) FROM gateway.intake WHERE disposition = 'waiting'") == [(0,)]


def test_the_same_invoice_in_two_syntaxes_is_one_debt_and_one_number_of_two_strangers_is_two(
    home: Settings, told: Told
) -> None:
    """XRechnung gives each case in UBL and CII: the second is an exact duplicate. Two strangers' 1234567 are not."""
    pair = [told[f"xrechnung/business-cases-standard/01.03a-INVOICE_{syntax}.xml"] for syntax in ("ubl", "uncefact")]
    assert sorted("duplicate.exact" in entry["reason_codes"] for entry in pair) == [False, True]
    same_number = rows(
        home,
        """SELECT supplier_name, bool_and('duplicate.exact' = ANY(reason_codes)) FROM invoices.invoice
        WHERE number = '1234567' GROUP BY 1""",
    )
    assert len(same_number) > 1
    assert [name for name, all_refused in same_number if all_refused] == []


def test_taking_everything_in_again_changes_nothing(
    home: Settings, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    root = sample_root()
    before = rows(home, "SELECT count(*), max(changed_at) FROM invoices.invoice")
    capsys.readouterr()
    assert ingest(home, [root / folder for folder in FOLDERS], "einvoice", json=True) == 0
    again = json.loads(capsys.readouterr().out)["files"]
    assert {entry["disposition"] for entry in again} == {"duplicate"}
    assert rows(home, "SELECT count(*), max(changed_at) FROM invoices.invoice") == before
