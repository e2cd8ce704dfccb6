"""Why an invoice is held, and what would clear it: in sentences, with who acts and by when."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import msgspec

from tripartite.components.console import words
from tripartite.components.console.formats import Formats, exact
from tripartite.components.console.words import Mark
from tripartite.core.exceptions.reasons import reasons


class Why(msgspec.Struct, frozen=True):
    """One thing that spoke in the last decision."""

    mark: Mark
    head: str
    sentence: str
    row: str
    code: str
    href: str


class Way(msgspec.Struct, frozen=True):
    """One way out: what changes, who can do it, by when, what it is about in money. `wrong` says why not to do it."""

    head: str
    who: str
    sentence: str
    waits: str
    amount: str
    due_at: str
    late: bool
    severity: str
    code: str
    wrong: str
    again_at: str


def reasons_of(invoice: Mapping[str, Any], formats: Formats) -> list[Why]:
    """The findings of the last decision, those that stop something first. Nothing found: no entries."""
    if not invoice["decisions"]:
        return []
    result = invoice["decisions"][-1]["result"]
    rows = list(result.get("rows", ()))
    found = []
    for finding in result.get("findings", ()):
        code = finding["code"]
        known = reasons().get(code)
        line = finding.get("line", 0)
        blocks = known.blocks if known else "posting"
        tone = words.Mark("hold", "Holds")
        if blocks == "nothing":
            tone = words.Mark("within", "Noted")
        elif code.startswith("approval."):
            tone = words.Mark("ask", "Asks")
        elif blocks == "payment":
            tone = words.Mark("refuse", "Blocks payment")
        found.append(
            Why(
                mark=tone,
                head=_head(code, line),
                sentence=finding.get("words") or words.meaning(code),
                row=words.row_that_spoke(finding, rows),
                code=code,
                href=f"#line-{line}" if line else "#match",
            )
        )
    order = {"hold": 0, "ask": 1, "refuse": 2, "within": 3}
    return sorted(found, key=lambda why: order.get(why.mark.tone, 9))


def _head(code: str, line: int) -> str:
    name = code.partition(".")[2].replace("_", " ").capitalize()
    return f"{name}, line {line}" if line else name


def ways_out(invoice: Mapping[str, Any], formats: Formats) -> list[Way]:
    """What would clear the open exceptions: their alternatives where the record has some, else what is awaited.

    The same reason on several lines, for the same owner and due time, is one way with the sum of what is at risk.
    Order: the earliest due time, then the alternatives' own rank; what would be wrong last, each deed once. The amount
    of an alternative is what it costs beyond what was agreed and came.
    """
    found: list[tuple[tuple[str, int], Way]] = []
    alike: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for record in invoice["exceptions"]:
        if record["state"] != "open":
            continue
        due = str(record.get("due_at") or "")
        for alternative in record.get("alternatives") or ():
            way = _alternative(record, alternative, due, formats)
            if way.wrong and any(known.head == way.head for _, known in found):
                continue
            found.append(((due or "9999", alternative.get("rank", 0)), way))
        if not record.get("alternatives"):
            key = (record["reason_code"], record["owner_role"], record.get("owner_person") or "", due)
            alike.setdefault((*key, record["currency"]), []).append(record)
    for records in alike.values():
        due = str(records[0].get("due_at") or "")
        found.append(((due or "9999", 0), _awaited(records, due, formats)))
    return [way for _, way in sorted(found, key=lambda entry: (bool(entry[1].wrong), *entry[0]))]


def _alternative(record: Mapping[str, Any], alternative: Mapping[str, Any], due: str, formats: Formats) -> Way:
    """One counterfactual of an exception's record. What is awaited anyway stands with the first of them."""
    by_when = str(alternative.get("by_when") or due)
    first = alternative.get("rank") == 1 and not alternative.get("wrong")
    waits = words.facts(record["waits_for"]) if first and record.get("waits_for") else ""
    leaves = alternative.get("leaves") or ()
    where = f"In {alternative['where']}." if alternative.get("where") else ""
    if leaves:
        where = f"{where} Then stands: {', '.join(words.meaning(code).rstrip('.') for code in leaves)}.".strip()
    return Way(
        head=alternative["change"],
        who=", ".join(words.owner(role) for role in alternative.get("by_roles", ())),
        sentence=where,
        waits=waits,
        amount="" if alternative.get("wrong") else formats.money(alternative.get("cost") or "0", record["currency"]),
        due_at=by_when,
        late=formats.is_past(by_when),
        severity=record["severity"],
        code=record["reason_code"],
        wrong=alternative.get("wrong", ""),
        again_at=str(record.get("recheck_at") or "") if waits else "",
    )


def _awaited(records: list[Mapping[str, Any]], due: str, formats: Formats) -> Way:
    """What is awaited for exceptions of one reason, from the catalogue's facts, in one sentence each."""
    record = records[0]
    known = reasons().get(record["reason_code"])
    roles = [record["owner_role"], *record.get("also_roles", ())]
    lines = sorted(each["line"] for each in records if each.get("line"))
    recheck = tuple(record.get("waits_for") or (known.recheck_on if known else ()))
    at_risk = sum((exact(each["money_at_risk"]) or Fraction(0) for each in records), Fraction(0))
    return Way(
        head=(known.meaning.rstrip(".") if known else record["reason_code"]) + _on_lines(lines),
        who=record.get("owner_person") or ", ".join(words.owner(role) for role in dict.fromkeys(roles)),
        sentence=known.response if known else record.get("next_action", ""),
        waits=words.facts(recheck) if recheck else "",
        amount=formats.money(at_risk, record["currency"]),
        due_at=due,
        late=formats.is_past(due),
        severity=record["severity"],
        code=record["reason_code"],
        wrong="",
        again_at=min((str(each["recheck_at"]) for each in records if each.get("recheck_at")), default=""),
    )


def _on_lines(lines: list[int]) -> str:
    if not lines:
        return ""
    if len(lines) == 1:
        return f", line {lines[0]}"
    shown = ", ".join(str(line) for line in lines[:6])
    return f", lines {shown}" + (f" and {len(lines) - 6} more" if len(lines) > 6 else "")
