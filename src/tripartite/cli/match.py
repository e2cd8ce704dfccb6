"""`tripartite match PATH... [--json] [--explain]`: MatchBench cases offline, without a database.

With `--explain` each held invoice is shown with its reasons in words and, under each, what would clear it; in the JSON
document every reason carries its `alternatives` then.

Reads case files or folders of them, decides every invoice with the engine of production, and prints verdicts and the
money-weighted score. One JSON document on standard output with `--json`; errors of input on standard error, by file
and key, and the other files go on.
"""

from __future__ import annotations

import sys
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

from tripartite.core.codec import encode, plain
from tripartite.core.counterfactuals import alternatives, counterfactuals
from tripartite.core.exceptions.record import Alternative
from tripartite.core.matching.casefile import Case
from tripartite.core.matching.casetable import CaseInvalid
from tripartite.core.matching.policy import BASE_POLICY
from tripartite.core.matching.replay import History
from tripartite.core.matching.result import MatchResult
from tripartite.core.matching.score import NO_ANSWER, Answer, Score, Scored, score_one, total

_LARGEST_BYTES = 4_000_000
_POLICY_FILE = "policy.toml"
Ways = dict[tuple[int, str], tuple[Alternative, ...]]


def match(paths: list[Path], *, json: bool = False, explain: bool = False) -> int:
    """Run cases. Returns 0 when all is as expected, 1 when something differs, 2 when an input could not be read."""
    errors: list[str] = []
    rows: list[dict[str, Any]] = []
    scored: list[Scored] = []
    differences: list[str] = []
    for path in _files(paths, errors):
        try:
            case = _read(path)
            history = case.history()
            results = history.results
        except CaseInvalid as error:
            errors.append(f"{path}: {error}")
            continue
        currencies = {one: invoice.currency for one, invoice, _ in case.invoices}
        for expected in case.expectations:
            result = results.get(expected.invoice)
            got = _answer(result) if result is not None else NO_ANSWER
            right = Answer(expected.verdict, expected.reasons, expected.payable_now, expected.money_at_risk)
            one = score_one(right, got, currencies.get(expected.invoice, ""))
            scored.append(one)
            if result is not None:
                ways = _ways_out(case, history, result) if explain else None
                rows.append(_row(case.id, result, got, ways))
            if not (one.variances and one.payable):
                differences.append(f"{case.id} {expected.invoice}: expected {_said(right)}, got {_said(got)}")
        if not json:
            for expected in case.expectations:
                result = results.get(expected.invoice)
                print(f"{case.id:40} {expected.invoice:16} {_said(_answer(result) if result else NO_ANSWER)}")
                if explain and result is not None:
                    _print_reasons(result, _ways_out(case, history, result))
    for problem in errors:
        print(problem, file=sys.stderr)
    score = total(scored)
    if json:
        print(encode({"results": rows, "score": score, "differences": differences, "errors": errors}).decode())
    else:
        _print_score(score, differences)
    if errors:
        return 2
    return 1 if differences else 0


def _files(paths: list[Path], errors: list[str]) -> list[Path]:
    """The case files behind paths; a folder is searched to its bottom. A policy file beside cases is not a case."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = [one for one in sorted(path.rglob("*.toml")) if one.name != _POLICY_FILE and one.is_file()]
            if not inside:
                errors.append(f"{path}: no case files (*.toml)")
            found.update(dict.fromkeys(inside))
        elif path.is_file():
            found[path] = None
        else:
            errors.append(f"{path}: not found")
    if not paths:
        errors.append("no path given")
    return list(found)


def _read(path: Path) -> Case:
    """One case from disk. Errors: `CaseInvalid`."""
    _check_base(path)
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise CaseInvalid(f"larger than {_LARGEST_BYTES} bytes")
        with path.open("rb") as file:
            parsed = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CaseInvalid(f"not TOML: {error}") from None
    except OSError as error:
        raise CaseInvalid(f"cannot be read: {error.strerror}") from None
    except RecursionError:
        raise CaseInvalid("nested too deep") from None
    return Case(parsed)


def _check_base(path: Path) -> None:
    """Our base policy is ours; a benchmark folder with another base would be scored against the wrong bounds."""
    for folder in (path.parent, path.parent.parent):
        beside = folder / _POLICY_FILE
        if not beside.is_file():
            continue
        try:
            base = tomllib.loads(beside.read_text(encoding="utf-8")).get("base", BASE_POLICY.base)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise CaseInvalid(f"{beside.name} beside it cannot be read: {error}") from None
        if base != BASE_POLICY.base:
            raise CaseInvalid(f"{beside.name} beside it has base {base!r}; this engine knows {BASE_POLICY.base!r}")
        return


def _answer(result: MatchResult) -> Answer:
    return Answer(
        result.verdict,
        {(finding.code, finding.line): finding.variance for finding in result.findings},
        result.payable_now.decimal(),
        result.money_at_risk.decimal(),
    )


def _ways_out(case: Case, history: History, result: MatchResult) -> Ways:
    """What would clear each finding of a result, as an exception's record would say it."""
    if result.verdict == "post":
        return {}
    found = counterfactuals(history.book(), result, policy_of=lambda _bill: case.policy, as_of=case.as_of)
    invoice = next(one for name, one, _ in case.invoices if name == result.invoice_id)
    return {
        (finding.line, finding.code): alternatives(
            finding, found.get((finding.line, finding.code), ()), invoice, time_zone="UTC"
        )
        for finding in result.findings
    }


def _print_reasons(result: MatchResult, ways: Ways) -> None:
    for finding in result.findings:
        print(f"    {finding.code}: {finding.words}")
        for way in ways.get((finding.line, finding.code), ()):
            if way.wrong:
                print(f"        not: {way.change}. {way.wrong}")
                continue
            who = ", ".join(way.by_roles) or "nobody"
            cost = f", costs {plain(way.cost)} {result.currency}" if way.cost else ""
            leaves = f"; then stands: {', '.join(way.leaves)}" if way.leaves else ""
            print(f"        {way.rank}. {way.change} ({who}, in {way.where}{cost}{leaves})")


def _row(case: str, result: MatchResult, answer: Answer, ways: Ways | None) -> dict[str, Any]:
    return {
        "case": case,
        "invoice": result.invoice_id,
        "verdict": result.verdict,
        "reasons": [
            {
                "code": finding.code,
                "line": finding.line,
                "variance": None if finding.variance is None else plain(finding.variance),
                "words": finding.words,
                "rule": finding.rule,
                **({} if ways is None else {"alternatives": ways.get((finding.line, finding.code), ())}),
            }
            for finding in result.findings
        ],
        "payable_now": plain(answer.payable_now),
        "money_at_risk": plain(answer.money_at_risk),
        "inputs_digest": result.inputs_digest,
    }


def _said(answer: Answer) -> str:
    reasons = ", ".join(
        f"{code}@{line}" + ("" if variance is None else f" {plain(variance)}")
        for (code, line), variance in sorted(answer.reasons.items(), key=lambda item: (item[0][1], item[0][0]))
    )
    return f"{answer.verdict:6} pays {plain(answer.payable_now)}" + (f"  [{reasons}]" if reasons else "")


def _print_score(score: Score, differences: list[str]) -> None:
    print()
    for difference in differences:
        print(f"DIFFERS {difference}")
    if not score.invoices:
        return
    lines = [
        ("verdicts", score.verdicts_right, score.verdict_rate),
        ("reasons", score.reasons_right, score.reason_rate),
        ("variances", score.variances_right, score.variance_rate),
        ("payables", score.payables_right, score.payable_rate),
    ]
    for name, right, rate in lines:
        print(f"{name:16} {right:6} of {score.invoices:6}   {_percent(rate)}")
    shares = [
        ("wrongly paid", score.wrongly_paid, f"{_percent(score.wrongly_paid_share)} of all at risk"),
        ("wrongly stopped", score.wrongly_stopped, f"{_percent(score.wrongly_stopped_share)} of all payable"),
    ]
    for name, money, share in shares:
        print(f"{name:16} {plain(money):>16}   {share}")


def _percent(share: Decimal) -> str:
    return f"{share * 100:.2f} %"
