"""What the report of a demo counts: how far everything came at each stage, and each automated step on exceptions."""

from __future__ import annotations

from collections.abc import Mapping

from tripartite.runtime.db import Database

# Stage -> how many stand where, in the order of the story.
STAGES: Mapping[str, str] = {
    "requisition": "SELECT status, count(*) FROM orders.requisition GROUP BY 1",
    "budget_check": "SELECT outcome, count(*) FROM orders.budget_check GROUP BY 1",
    "order": """SELECT coalesce(p.state, 'here only'), count(*) FROM orders.purchase_order o
        LEFT JOIN orders.publication p USING (company_code, number) GROUP BY 1""",
    "receipt": "SELECT kind, count(*) FROM receipts.receipt GROUP BY 1",
    "receipt_told": "SELECT connection || '.' || state, count(*) FROM receipts.publication GROUP BY 1",
    "intake": "SELECT disposition, count(*) FROM gateway.intake GROUP BY 1",
    "invoice": "SELECT state, count(*) FROM invoices.invoice GROUP BY 1",
    "posting": "SELECT state, count(*) FROM deliveries.delivery WHERE operation = 'post_invoice' GROUP BY 1",
    "payment": "SELECT state, count(*) FROM payments.payment GROUP BY 1",
    "delivery": "SELECT operation || '.' || state, count(*) FROM deliveries.delivery GROUP BY 1",
    "exception": "SELECT reason_code || '.' || state, count(*) FROM control.exception GROUP BY 1",
    "attempt": "SELECT act || '.' || answer, count(*) FROM deliveries.attempt GROUP BY 1",
}

_OF = "SELECT count(*) FROM control.exception WHERE reason_code {}"
# The four rows of exceptions that are worked by themselves: each step that needs nobody, and how often it was taken.
STEPS: Mapping[str, Mapping[str, str]] = {
    "invoice_without_order": {
        "held without an order": _OF.format("= 'reference.order_missing'"),
        "held for an unknown order": _OF.format("= 'reference.order_unknown'"),
        "procurement asked for it": "SELECT count(*) FROM orders.sought WHERE answered_at IS NOT NULL",
        "found later, decided again": _OF.format("= 'reference.order_unknown' AND state = 'cleared'"),
    },
    "quantity_mismatch": {
        "held": _OF.format("= 'match.quantity_over_received'"),
        "receipts asked for afresh": "SELECT count(*) FROM receipts.requery WHERE answered_at IS NOT NULL",
        "receiving owns it": _OF.format("= 'match.quantity_over_received' AND owner_role = 'receiving'"),
        "goods came, decided again": _OF.format("= 'match.quantity_over_received' AND state = 'cleared'"),
    },
    "supplier_mismatch": {
        "held": _OF.format("= 'supplier.mismatch'"),
        "payments to the supplier stopped": "SELECT count(DISTINCT supplier_id) FROM suppliers.suspension",
        "invoices that may not be paid": """SELECT count(DISTINCT i.invoice_id) FROM payments.item i
            JOIN suppliers.suspension s USING (supplier_id)""",
    },
    "tax_variance": {
        "held": _OF.format("LIKE 'tax.%'"),
        "tax asked for": "SELECT count(*) FROM invoices.tax_question",
        "quoted by an engine": "SELECT count(*) FROM invoices.tax_quote WHERE engine <> 'built_in'",
        "quoted by our own tables": "SELECT count(*) FROM invoices.tax_quote WHERE engine = 'built_in'",
        "cleared by the quote": _OF.format("LIKE 'tax.%' AND state = 'cleared'"),
        "left to finance review": _OF.format("LIKE 'tax.%' AND state = 'open'"),
    },
}

_LATENCIES: Mapping[str, str] = {
    "arrival_to_decision": """SELECT extract(epoch FROM d.at - i.received_at) * 1000 AS ms FROM invoices.decision d
        JOIN invoices.invoice v USING (invoice_id) JOIN gateway.intake i ON i.intake_id = v.intake_id
        WHERE d.number = 1""",
    "decision_to_posted": """SELECT extract(epoch FROM updated_at - created_at) * 1000 AS ms FROM deliveries.delivery
        WHERE operation = 'post_invoice' AND state = 'settled'""",
}


async def stage_counts(db: Database) -> dict[str, dict[str, int]]:
    """How many stand where, by stage."""
    return {name: {row[0]: row[1] for row in await db.rows(query)} for name, query in STAGES.items()}


async def step_counts(db: Database) -> dict[str, dict[str, int]]:
    """How often each automated step was taken, by the row of exceptions that it belongs to."""
    return {row: {step: (await db.rows(query))[0][0] for step, query in steps.items()} for row, steps in STEPS.items()}


async def latencies(db: Database) -> dict[str, dict[str, float]]:
    """From arrival to the first decision, and from the decision to the ERP's answer, in milliseconds."""
    found = {}
    for name, query in _LATENCIES.items():
        rows = await db.rows(
            f"""SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), 0)::float8,
            coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms), 0)::float8 FROM ({query}) AS all_of_them"""
        )
        found[name] = {"p50": round(rows[0][0], 1), "p99": round(rows[0][1], 1)}
    return found
