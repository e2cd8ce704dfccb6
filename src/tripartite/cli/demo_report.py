"""The report of a headless demo: what was planned, what came about, what holds, how long it took."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from tripartite.cli.demo_counts import latencies, stage_counts, step_counts
from tripartite.cli.staging import BALANCES, KINDS, Stage
from tripartite.rehearsal.checkers import check_all
from tripartite.rehearsal.due import due
from tripartite.rehearsal.scenario import DocumentPlan, Story, WishPlan
from tripartite.rehearsal.seen import Seen
from tripartite.runtime.db import Database


class Played(msgspec.Struct):
    """What a story left behind: the intake ids of the documents that were sent straight to us, by index, and the
    requisitions from which no order comes, by procurement's number.
    """

    intakes: dict[int, str]
    wished: dict[int, WishPlan]


async def outcomes(stage: Stage, story: Story, played: Played) -> list[dict[str, Any]]:
    """For every planned document: what was planned, what came about."""
    by_intake = {
        row[0]: row[1:]
        for row in await stage.db.rows(
            "SELECT intake_id, state, reason_codes, number, invoice_id FROM invoices.invoice"
        )
    }
    by_source = {
        row[0]: row[1:]
        for row in await stage.db.rows(
            """SELECT source_document, state, reason_codes, number, invoice_id FROM invoices.invoice
            WHERE connection = 'capture'"""
        )
    }
    dispositions = {
        row[0]: (row[1], [row[2]], "", "")
        for row in await stage.db.rows("SELECT intake_id, disposition, reason_code FROM gateway.intake")
    }
    planned, paid = due(story), await _payments(stage.db)
    rows = []
    for each in story.documents:
        found = by_source.get(each.document_id) if each.channel == "capture" else None
        if each.channel == "ubl":
            intake = played.intakes[each.index]
            found = by_intake.get(intake) or dispositions.get(intake)
        rows.append(_outcome(each, found, planned.of(each), paid.get(found[3], "none") if found else "none"))
    return [*rows, *await _wishes(stage.db, played.wished)]


async def _wishes(db: Database, wished: dict[int, WishPlan]) -> list[dict[str, Any]]:
    """The requisitions from which no order comes."""
    found = {
        row[0]: row[1:]
        for row in await db.rows(
            """SELECT r.number, r.status, convert_from(r.document, 'UTF8')::jsonb -> 'approvals',
            array(SELECT e.reason_code FROM orders.requisition_exception e WHERE e.state = 'open'
                AND e.object_id = r.company_code || '/' || r.number ORDER BY 1) FROM orders.requisition r"""
        )
    }
    rows = []
    for number, wish in wished.items():
        status, steps, codes = found.get(str(number), ("missing", [], []))
        state = "rejected" if any(step.get("decision") == "rejected" for step in steps or []) else status
        wanted_state, wanted_code = wish.expected
        rows.append(
            {
                "document": f"requisition {number}",
                "channel": "coupa",
                "scenario": f"requisition_{wish.fate}",
                "planned": {"state": wanted_state, "reason": wanted_code},
                "actual": {"state": state, "reasons": codes},
                "ok": state == wanted_state and codes == ([wanted_code] if wanted_code else []),
            }
        )
    return rows


async def _payments(db: Database) -> dict[str, str]:
    """What became of the newest payment of each invoice, by its id."""
    words = {"executed": "paid", "rejected": "refused"}
    rows = await db.rows(
        """SELECT i.invoice_id, p.state FROM payments.payment_item i JOIN payments.payment p ON p.number = i.number
        WHERE p.state <> 'cancelled' ORDER BY i.living, p.changed_at, p.version"""
    )
    return {row[0]: words.get(row[1], row[1]) for row in rows}


def _outcome(each: DocumentPlan, found: Any, planned: str, paid: str) -> dict[str, Any]:
    state, codes, *_ = found if found is not None else ("missing", [])
    wanted_state, wanted_code = each.expected
    ok = state == wanted_state and (not wanted_code or wanted_code in codes) and (wanted_code != "" or not codes)
    ok = ok and planned == paid
    return {
        "document": each.number,
        "channel": each.channel,
        "scenario": each.trouble,
        "planned": {"state": wanted_state, "reason": wanted_code, "payment": planned},
        "actual": {"state": state, "reasons": list(codes), "payment": paid},
        "ok": ok,
    }


async def report(stage: Stage, story: Story, played: Played, seconds: float) -> dict[str, Any]:
    """The report of a headless run, in the shape that machines read."""
    rows = await outcomes(stage, story, played)
    await _sealed(stage.db)
    seen = Seen(
        db=stage.db,
        database_url=stage.running.urls.owner,
        erp=await stage.vendors.truth("sap_s4hana"),
        procurement=await stage.vendors.truth("coupa"),
        ap=await stage.vendors.truth("capture"),
        warehouse=await stage.vendors.truth("warehouse"),
        bank=await stage.vendors.truth("iso20022_bank"),
        tax=await stage.vendors.truth("avalara"),
        began_with=BALANCES,
        due=due(story),
    )
    checks = await check_all(seen)
    counts: dict[str, dict[str, int]] = {
        "planned": dict(Counter(f"{row['planned']['state']}" for row in rows)),
        "actual": dict(Counter(f"{row['actual']['state']}" for row in rows)),
        "scenario": dict(Counter(row["scenario"] for row in rows)),
        **await stage_counts(stage.db),
    }
    differences = [row | {"words": await _words(stage.db, row["document"])} for row in rows if not row["ok"]]
    return {
        "ok": not differences and all(check.ok for check in checks),
        "seed": story.seed,
        "counts": counts,
        "outcomes": rows,
        "differences": differences,
        "steps": await step_counts(stage.db),
        "invariants": [msgspec.to_builtins(check) for check in checks],
        "rates": {"documents_per_second": round(len(rows) / seconds, 1), "seconds": round(seconds, 1)},
        "latency_ms": await latencies(stage.db),
        "calls": {kind: await stage.vendors.calls(kind) for kind in KINDS},
    }


async def _words(db: Database, number: str) -> list[str]:
    """What stands on a document that did not come as planned, in the words of its exceptions."""
    rows = await db.rows(
        """SELECT e.reason_code || ': ' || coalesce(convert_from(e.record, 'UTF8')::jsonb ->> 'words', '')
        FROM invoices.exception e JOIN invoices.invoice i USING (invoice_id)
        WHERE e.state = 'open' AND i.number = %s""",
        (number,),
    )
    return [row[0][:300] for row in rows]


async def _sealed(db: Database) -> None:
    for _ in range(200):
        if (await db.rows("SELECT count(*) FROM audit.pending"))[0][0] == 0:
            return
        await asyncio.sleep(0.05)


def show(result: dict[str, Any]) -> None:
    """The report for people."""
    console = Console(stderr=True)
    table = Table(title="Outcomes", title_justify="left")
    for column in ("Scenario", "Documents", "Planned", "As planned"):
        table.add_column(column, justify="right" if column in ("Documents", "As planned") else "left")
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for row in result["outcomes"]:
        by_kind.setdefault(row["scenario"], []).append(row)
    for kind, rows in by_kind.items():
        planned = rows[0]["planned"]
        table.add_row(
            kind.replace("_", " "),
            str(len(rows)),
            " ".join(filter(None, (planned["state"], planned["reason"]))),
            str(sum(row["ok"] for row in rows)),
        )
    console.print(table)
    for row in result["differences"][:10]:
        console.print(f"differs: {row['document']} {row['scenario']}: planned {row['planned']}, came {row['actual']}")
        console.print("\n".join(row["words"]))
    failed = [check for check in result["invariants"] if not check["ok"]]
    console.print(f"{len(result['invariants']) - len(failed)} of {len(result['invariants'])} invariants hold")
    for check in failed:
        console.print(f"{check['id']} {check['what']}: {check['violations'][:3]}")
    console.print("Everything came as planned." if result["ok"] else "Something did not come as planned.")
