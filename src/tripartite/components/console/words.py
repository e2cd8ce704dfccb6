"""The console's words: each state as a mark (glyph, word, tone), each fact, act and operation in words.

A state that is not in a table is shown as `unknown` with its own word, never as good. Reason codes, their meaning and
their owners come from the catalogue (core/exceptions); nothing of it is repeated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from tripartite.components.console.formats import Formats
from tripartite.core.exceptions.reasons import OWNER_NAMES, SEVERITIES, reasons
from tripartite.core.exceptions.terms import FACTS

Tone = Literal["agree", "within", "ask", "hold", "refuse", "unknown", "wait"]


class Mark(msgspec.Struct, frozen=True):
    """A verdict as it is shown: a tone (glyph and colour of the same name) and a word. Never the colour alone."""

    tone: Tone
    word: str


INVOICE_STATES: Mapping[str, Mark] = {
    "held": Mark("hold", "Held"),
    "parked": Mark("wait", "Waiting"),
    "approval": Mark("ask", "Needs approval"),
    "to_post": Mark("wait", "To be posted"),
    "posted": Mark("agree", "Posted"),
    "observed": Mark("within", "Would post, observing"),
    "refused": Mark("refuse", "Refused"),
    "replaced": Mark("wait", "Replaced"),
}
DELIVERY_STATES: Mapping[str, Mark] = {
    "intended": Mark("wait", "Queued"),
    "sending": Mark("wait", "Being sent"),
    "settled": Mark("agree", "Done"),
    "accepted": Mark("wait", "Taken in, not confirmed"),
    "rejected": Mark("refuse", "Refused"),
    "waiting": Mark("hold", "Tried again"),
    "unknown": Mark("unknown", "Outcome unknown"),
    "dead_letter": Mark("refuse", "Set aside"),
}
EXCEPTION_STATES: Mapping[str, Mark] = {
    "open": Mark("hold", "Open"),
    "cleared": Mark("agree", "Cleared"),
    "released": Mark("ask", "Released"),
    "refused": Mark("refuse", "Refused"),
    "superseded": Mark("wait", "Superseded"),
}
ORDER_STATES: Mapping[str, Mark] = {
    "draft": Mark("wait", "Draft"),
    "open": Mark("agree", "Open"),
    "closed": Mark("wait", "Closed"),
    "cancelled": Mark("refuse", "Cancelled"),
    "sought": Mark("wait", "Looked for"),
    "requeried": Mark("wait", "Asked again"),
}
PUBLICATION_STATES: Mapping[str, Mark] = {
    "none": Mark("wait", "Not told"),
    "waiting": Mark("hold", "Waits"),
    "owed": Mark("wait", "On its way"),
    "acknowledged": Mark("agree", "Has it"),
    "refused": Mark("refuse", "Refused"),
    "set_aside": Mark("refuse", "Set aside"),
    # of a receipt
    "unknown": Mark("unknown", "Outcome unknown"),
    "settled": Mark("agree", "Has it"),
    "rejected": Mark("refuse", "Refused"),
    "dead_letter": Mark("refuse", "Set aside"),
    "dropped": Mark("wait", "Not needed any more"),
}
REQUISITION_STATES: Mapping[str, Mark] = {
    "draft": Mark("wait", "Draft"),
    "pending": Mark("ask", "Waits for approval"),
    "approved": Mark("agree", "Approved"),
    "ordered": Mark("agree", "Ordered"),
    "rejected": Mark("refuse", "Rejected"),
    "withdrawn": Mark("wait", "Withdrawn"),
}
APPROVAL_DECISIONS: Mapping[str, Mark] = {
    "pending": Mark("ask", "Not decided yet"),
    "approved": Mark("agree", "Approved"),
    "rejected": Mark("refuse", "Rejected"),
    "held": Mark("hold", "Held"),
    "skipped": Mark("wait", "Skipped"),
}
BUDGET_OUTCOMES: Mapping[str, Mark] = {
    "pending": Mark("wait", "Asked"),
    "covered": Mark("agree", "Covered"),
    "insufficient": Mark("refuse", "Not enough left"),
    "not_checked": Mark("unknown", "Not checked"),
}
RECEIPT_KINDS: Mapping[str, Mark] = {
    "receipt": Mark("agree", "Receipt"),
    "service_entry": Mark("agree", "Service entry"),
    "return": Mark("hold", "Return"),
    "reversal": Mark("hold", "Reversal"),
    "withdrawal": Mark("wait", "Withdrawal"),
}
PROPOSAL_STATES: Mapping[str, Mark] = {
    "open": Mark("ask", "Waits for releases"),
    "released": Mark("agree", "Released"),
    "cancelled": Mark("wait", "Taken back"),
}
PAYMENT_STATES: Mapping[str, Mark] = {
    "proposed": Mark("ask", "Proposed"),
    "released": Mark("wait", "Released, not sent yet"),
    "sent": Mark("wait", "At the bank"),
    "executed": Mark("agree", "Paid"),
    "rejected": Mark("refuse", "Refused by the bank"),
    "returned": Mark("refuse", "Came back"),
    "cancelled": Mark("wait", "Taken out"),
}
ELIGIBILITY: Mapping[str, Mark] = {
    "eligible": Mark("agree", "May be paid"),
    "suspended": Mark("refuse", "Payments suspended"),
}
BANK_CHANGE_STATES: Mapping[str, Mark] = {
    "pending": Mark("ask", "Waits for confirmation"),
    "confirmed": Mark("agree", "Confirmed"),
    "refused": Mark("refuse", "Refused"),
    "withdrawn": Mark("wait", "No longer stated"),
}
SUPPLIER_STATES: Mapping[str, Mark] = {
    "active": Mark("agree", "Active"),
    "blocked": Mark("refuse", "On hold"),
    "inactive": Mark("wait", "Inactive"),
}
VERDICTS: Mapping[str, str] = {"post": "post", "hold": "hold", "park": "wait", "reject": "refuse"}
OPERATIONS: Mapping[str, str] = {
    "post_invoice": "Posting",
    "report_posting": "Tell of the posting",
    "report_hold": "Tell of the hold",
    "report_refusal": "Tell of the refusal",
    "report_payment": "Tell of the payment",
    "record_payment": "Record the payment",
    "publish_order": "Order",
    "publish_receipt": "Receipt",
    "record_receipt": "Receipt",
    "send_payment_order": "Payment order",
}
ACTS: Mapping[str, str] = {
    "send": "sent",
    "probe": "asked what became of it",
    "crash": "worker died",
    "replay": "replayed",
}
SEVERITY_BARS: Mapping[str, int] = {name: place for place, name in enumerate(SEVERITIES, 1)}
_FINDING_NAMES = (
    ("match.price_cumulative_over_limit", "Price, all bills"),
    ("match.price_version_differs", "Price version"),
    ("match.price", "Price"),
    ("match.quantity", "Quantity"),
    ("match.not_received", "Not received"),
    ("charge.", "Charge"),
    ("tax.", "Tax"),
    ("match.total", "Total"),
    ("match.arithmetic", "Arithmetic"),
    ("duplicate.", "Duplicate"),
    ("approval.", "Approval"),
    ("reference.", "Reference"),
    ("supplier.", "Supplier"),
    ("currency.", "Currency"),
    ("integration.", "Mapping"),
    ("control.", "Control"),
)
_AREA_TABLES = (
    ("match.price", "price"),
    ("match.quantity", "quantity"),
    ("match.not_received", "quantity"),
    ("match.total", "amount"),
    ("match.", "matching"),
    ("charge.", "charge"),
    ("tax.", "tax"),
    ("currency.", "rate"),
    ("duplicate.", "duplicate"),
    ("approval.", "approval"),
    ("reference.", "matching"),
    ("control.sample", "sample"),
)


def mark(table: Mapping[str, Mark], state: str) -> Mark:
    """The mark of a state; a word we do not know is `unknown` with that word."""
    return table.get(state) or Mark("unknown", state.replace("_", " ") or "unknown")


def meaning(code: str) -> str:
    """What a reason code says, as a sentence; the code itself where the catalogue has no such reason."""
    found = reasons().get(code)
    return found.meaning if found else code


def response(code: str) -> str:
    """What is to be done about a reason; empty where the catalogue has no such reason."""
    found = reasons().get(code)
    return found.response if found else ""


def finding_name(code: str) -> str:
    """A finding's kind in a word or three, for its mark beside a line: `Price`, `Not received`."""
    return next((name for prefix, name in _FINDING_NAMES if code.startswith(prefix)), "Finding")


def owner(role: str) -> str:
    """A role in words: `the buyer`."""
    return OWNER_NAMES.get(role, role.replace("_", " ") if role else "nobody")


def fact(name: str) -> str:
    """A fact that decides anew, in words: `a receipt of these lines`."""
    return FACTS.get(name, name.replace("_", " "))


def facts(names: list[str] | tuple[str, ...]) -> str:
    """Several facts in one phrase: `a receipt of these lines or the warehouse's answer`."""
    return " or ".join(fact(name) for name in names)


def operation(name: str) -> str:
    """An outbound write in words."""
    return OPERATIONS.get(name, name.replace("_", " ").capitalize())


def row_that_spoke(finding: Mapping[str, Any], rows: list[str]) -> str:
    """The policy row behind a finding: the one it names, else the decision's row of the table of its area."""
    if finding.get("row"):
        return str(finding["row"])
    code = str(finding.get("code", ""))
    table = next((table for prefix, table in _AREA_TABLES if code.startswith(prefix)), "")
    return next((row for row in rows if table and row.startswith(f"{table}/")), "")


def cause_words(cause_type: str) -> str:
    """What woke a decision, in words, from the type of its message: `tripartite.receipt.recorded.v1`."""
    parts = cause_type.split(".")
    if len(parts) < 3:
        return cause_type or "the arrival"
    subject, act = parts[-3].replace("_", " "), parts[-2].replace("_", " ")
    return f"{subject} {act}"


def health(connection: Mapping[str, Any], formats: Formats) -> tuple[Mark, str]:
    """How a connection is, in a sentence: what is known of its calls, since when, and what follows."""
    since, last = connection.get("since"), connection.get("last_ok_at")
    reason = str(connection.get("reason") or "").rstrip(".")
    match connection.get("circuit"):
        case "halted":
            when = f" since {formats.short_date(formats.date_of(since))}" if since else ""
            return Mark("refuse", "Halted"), f"Halted by a person{when}{': ' + reason if reason else ''}."
        case "open":
            when = f" since {formats.clock(since)}" if since else ""
            again = f"; tried again {formats.ago(connection.get('retry_at'))}" if connection.get("retry_at") else ""
            return Mark("hold", "Silent"), f"No good answer{when}{': ' + reason if reason else ''}{again}."
    if connection.get("unknown"):
        count = connection["unknown"]
        return Mark("unknown", "Unknown"), f"{count} outcome{'s' if count != 1 else ''} unknown; it is being asked."
    if count := int(connection.get("dead") or 0) + int(connection.get("rejected") or 0):
        return Mark(
            "refuse", "Set aside"
        ), f"{count} deliver{'ies' if count != 1 else 'y'} set aside; somebody must look."
    if last:
        return Mark("agree", "Answers"), f"Last good answer {formats.ago(last)}."
    if connection.get("calls"):
        return Mark("hold", "No answer yet"), f"{connection['calls']} calls, none answered."
    if pulled := connection.get("pulled_at"):
        return Mark("agree", "Answers"), f"Read {formats.ago(pulled)}; nothing was owed to it so far."
    if connection.get("role") == "documents":
        return Mark("wait", "Listens"), "It brings documents; nothing is asked of it."
    return Mark("wait", "Quiet"), "No message was owed to it so far."


def delivery_sentence(delivery: Mapping[str, Any], formats: Formats) -> str:
    """Where a delivery stands, in a sentence, with what is next and what nobody should do meanwhile."""
    where = delivery["connection"]
    detail = str(delivery.get("detail") or "").rstrip(".")
    because = f": {detail}" if detail else ""
    again = f"{formats.clock(delivery['due_at'])} ({formats.ago(delivery['due_at'])})"
    match delivery["state"]:
        case "settled":
            times = "once" if delivery["probes"] == 1 else f"{delivery['probes']} times"
            how = f", found by asking {times}" if delivery["probes"] else ""
            return f"{where} has it as {delivery['remote_ref']}{how}."
        case "unknown":
            asked = [tried for tried in delivery["tries"] if tried["act"] == "probe"]
            last = f"asked {formats.clock(asked[-1]['at'])}, " if asked else ""
            return f"No answer came from {where}; {last}asked again {again}. Do not post it by hand."
        case "accepted":
            return f"{where} took it in and has not said that it is done; asked again {again}."
        case "waiting":
            return f"{where} could not take it{because}. Tried again {again}."
        case "rejected":
            return f"{where} refused it{because}."
        case "dead_letter":
            return f"Set aside after {delivery['attempts']} attempts{because}. It is replayed when the cause is gone."
        case "sending":
            return f"On its way to {where} right now."
        case _:
            return f"Waits for its turn at {where}."
