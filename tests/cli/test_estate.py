"""`tripartite init` and `tripartite check` as a person uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tripartite.cli.estate import check, init, known_kinds
from tripartite.cli.policy import diff as policy_diff


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert init(tmp_path / "estate") == 0
    return tmp_path / "estate"


def test_what_init_writes_passes_check(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(home) == 0
    assert "complete and consistent" in capsys.readouterr().out
    assert {"pack.toml", "tolerances.toml"} <= {file.name for file in (home / "policy").iterdir()}


def test_init_overwrites_nothing(home: Path) -> None:
    (home / "estate.toml").write_text("mine", encoding="utf-8")
    assert init(home) == 2
    assert (home / "estate.toml").read_text("utf-8") == "mine"


def test_check_names_file_and_line_of_what_does_not_hold(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "estate.toml"
    text = file.read_text("utf-8").replace('currency = "PLN"', 'currency = "PLZ"')
    file.write_text(text, encoding="utf-8")
    assert check(home) == 1
    line = text[: text.index('"PLZ"')].count("\n") + 1
    assert f":{line}: company[2].currency" in capsys.readouterr().out


def test_check_for_machines_is_one_json_document(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = home / "policy" / "tolerances.toml"
    policy.write_text(policy.read_text("utf-8").replace('until = "open"', "until = 2027-01-01", 1), encoding="utf-8")
    capsys.readouterr()
    assert check(home, json=True) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["policy"]["name"]) == (False, "baseline")
    (finding,) = report["policy_findings"]
    assert (finding["rule"], finding["example"]["on"]) == ("gap", "2027-01-01")


def test_a_broken_file_is_a_finding_and_a_missing_one_is_no_input(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "policy" / "matching.toml").write_text("[[matching", encoding="utf-8")
    assert check(home) == 1
    assert "matching.toml" in capsys.readouterr().out
    assert check(home / "nowhere") == 2


def test_a_policy_folder_outside_the_estate_is_not_read(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "estate.toml"
    file.write_text(file.read_text("utf-8").replace('policy = "policy"', 'policy = "../../etc"'), encoding="utf-8")
    assert check(home) == 1
    assert "leads out" in capsys.readouterr().out


def test_the_inbox_for_documents_is_a_kind_beside_the_vendors() -> None:
    kinds = known_kinds()
    assert {"documents", "coupa", "sap_s4hana"} <= set(kinds)
    assert "documents" in kinds["documents"].roles


def test_two_packs_are_compared_row_by_row(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path / "other") == 0
    old, new = home / "policy", tmp_path / "other" / "policy"
    assert policy_diff(old, new) == 0
    file = new / "tolerances.toml"
    file.write_text(file.read_text("utf-8").replace('ratio_percent = "30"', 'ratio_percent = "27"'), encoding="utf-8")
    assert policy_diff(old, new) == 1
    assert "tax/everything ratio_percent: 30 -> 27" in capsys.readouterr().out
    assert policy_diff(old, tmp_path / "nowhere") == 2
