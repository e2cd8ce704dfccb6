"""`tripartite match`: what it prints, how it scores, and what it says of input it cannot read."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tripartite.cli.match import match
from tripartite.core.matching.score import Answer, score_one, total

CASES = Path(__file__).parent / "cases"


def test_our_cases_all_fit_and_the_answer_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert match([CASES], json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["errors"] == []
    assert answer["score"]["invoices"] == len(answer["results"]) > 40
    assert answer["score"]["verdict_rate"] == "1.0000"
    assert Decimal(answer["score"]["wrongly_paid"]) == 0
    row = next(one for one in answer["results"] if one["case"] == "S24-two-unplanned-charges")
    assert (row["invoice"], row["verdict"], row["payable_now"]) == ("F-1", "hold", "0.00")
    assert [(one["code"], one["line"], one["variance"]) for one in row["reasons"]] == [
        ("charge.unplanned", 2, "9.00"),
        ("charge.unplanned", 3, "4.00"),
    ]


def test_a_held_case_is_explained_in_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    path = CASES / "S6-part-bill-at-double-price.toml"
    assert match([path], json=True, explain=True) == 0
    (row,) = json.loads(capsys.readouterr().out)["results"]
    ways = row["reasons"][0]["alternatives"]
    assert [way["rank"] for way in ways] == list(range(1, len(ways) + 1))
    assert ways[0]["change"] == "A credit memo of 20.00 EUR for line 1"
    assert ways[-1]["wrong"]
    assert match([path], explain=True) == 0
    shown = capsys.readouterr().out
    assert "1. A credit memo of 20.00 EUR for line 1 (supplier" in shown
    assert "not: AP edits the price" in shown


def test_a_difference_is_shown_and_is_not_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (CASES / "S6-part-bill-at-double-price.toml").read_text().replace('variance = "20.00"', 'variance = "21.00"')
    (tmp_path / "wrong.toml").write_text(text)
    assert match([tmp_path]) == 1
    assert "DIFFERS S6-part-bill-at-double-price F-1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('price = "8.00"', 'price = "8,00"'), "case.order[1].line[1].price"),
        (('price = "8.00"', "price = 8.00"), "case.order[1].line[1].price"),
        (('kind = "invoice"', 'kind = "bill"'), "case.invoice[1].kind"),
        (('supplier = "FERN"', 'vendor = "FERN"'), "supplier: missing"),
        (('number = "G-1"', 'number = "G-1"\ncolour = "red"'), "case.receipt[1].colour: unknown key"),
        (('upper_percent = "10"', 'upper_percent = "ten"'), "policy.price.upper_percent"),
        (("date = 2026-05-04", 'date = "2026-05-04"'), "case.order[1].date"),
        (('id = "S6', 'id == "S6'), "not TOML"),
        (("number = ", 'number = "K-100"\nnumber = '), "not TOML"),
    ],
)
def test_bad_input_names_file_and_key_and_the_other_files_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], said: str
) -> None:
    good = (CASES / "S6-part-bill-at-double-price.toml").read_text()
    bad = good.replace(*change, 1)
    assert bad != good
    (tmp_path / "a-bad.toml").write_text(bad)
    (tmp_path / "b-good.toml").write_text(good)
    assert match([tmp_path], json=True) == 2
    captured = capsys.readouterr()
    assert "a-bad.toml" in captured.err
    assert said in captured.err
    answer = json.loads(captured.out)
    assert len(answer["results"]) == 1
    assert len(answer["errors"]) == 1


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert match([tmp_path / "nowhere"]) == 2
    assert match([tmp_path]) == 2
    assert match([]) == 2
    assert "nowhere: not found" in capsys.readouterr().err


def test_a_folder_with_another_base_policy_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "case.toml").write_text((CASES / "S6-part-bill-at-double-price.toml").read_text())
    (tmp_path / "policy.toml").write_text('base = "other-2"\n')
    assert match([tmp_path]) == 2
    assert "other-2" in capsys.readouterr().err
    (tmp_path / "policy.toml").write_text('base = "matchbench-1"\n')
    assert match([tmp_path]) == 0


def test_money_is_weighed_by_currency_and_a_posted_hold_costs_what_was_at_risk() -> None:
    right = Answer("hold", {("match.price_over_limit", 1): Decimal("20.00")}, Decimal(0), Decimal("20.00"))
    posted = score_one(right, Answer("post", {}, Decimal("60.00")), "EUR")
    assert (posted.wrongly_paid, posted.verdict) == (Decimal("20.00"), False)
    yen = score_one(Answer("post", {}, Decimal(1000)), Answer("hold", {}, Decimal(0)), "JPY")
    assert yen.wrongly_stopped == Decimal("10.00")
    dinar = score_one(Answer("post", {}, Decimal(1)), Answer("post", {}, Decimal(3)), "KWD")
    assert dinar.wrongly_paid == Decimal(6)
    whole = total([posted, yen, dinar])
    assert (whole.verdicts_right, whole.payables_right) == (1, 0)
    assert whole.wrongly_paid_share == Decimal("1.3000")
