"""What an answer of the suite means. Beside `client.py`, which asks; no call is made here and no amount is read.

A response (posting, hold, payment) is answered per row:

    result "applied" or "duplicate", and the     Settled      the explicit yes: the document is where the response
    document in the expected status                           should have brought it
    the same, document still in progress         Accepted     taken in; the probe will say
    405 on an acknowledgement                    Settled      already acknowledged, which is what we wanted
    409 NOT_ACKNOWLEDGED, NOT_TRANSFERRED        RetryLater   our news is early; nothing was done
    409 DUPLICATE_EXTERNAL_CODE                  Unknown      an earlier try of ours arrived: ask what became of it
    400 404 409 413 422 with the suite's codes   Rejected     its own no
    401 (after one refresh), 403, 429            RetryLater   before any work
    connection refused                           RetryLater   no byte left
    a row not mentioned, another status word,    Unknown      it may have happened: probe
    5xx, a login page, silence
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

from tripartite.connectors.capture import wire
from tripartite.core import codec
from tripartite.runtime.protocol import Accepted, Answer, Rejected, RetryLater, Settled, Unknown

T = TypeVar("T")

# In which status an applied response leaves the document. Acknowledged long ago, it may be further on by now.
DONE = {
    "acknowledge": frozenset({"transfer_in_progress", "held", "transferred", "paid"}),
    "report_hold": frozenset({"held"}),
    "report_posting": frozenset({"transferred"}),
    "report_payment": frozenset({"paid", "transferred"}),
}
IN_PROGRESS = frozenset({"transfer_in_progress"})
SAYS_NO = frozenset({400, 404, 409, 413, 422})
TOO_EARLY = frozenset({"NOT_ACKNOWLEDGED", "NOT_TRANSFERRED"})


def sort_result(operation: str, result: wire.Result, document: str, after: float | None) -> Answer:
    """One response's answer by the table at the top of this file."""
    codes = {problem.code for problem in result.errors}
    if result.status == 200:
        if result.documentId != document:
            return Unknown("outbound.answer_foreign: the answer names another document")
        if result.result not in ("applied", "duplicate"):
            return Unknown(f"the result {result.result[:40]!r} is not one we know")
        if result.documentStatus in DONE[operation]:
            return Settled(document, result.documentStatus)
        if result.documentStatus in IN_PROGRESS:
            return Accepted(document, result.documentStatus)
        return Unknown(f"applied, yet the document is {result.documentStatus[:40]!r}")
    if result.status == 405 and operation == "acknowledge":
        return Settled(document or result.documentId, "already acknowledged")
    if result.status == 409 and codes & TOO_EARLY:
        return RetryLater(f"too early for the suite: {', '.join(sorted(codes))}", after)
    if result.status == 409 and "DUPLICATE_EXTERNAL_CODE" in codes:
        return Unknown("the suite has this response already; the probe tells what became of it")
    if result.status in SAYS_NO and result.errors:
        first = result.errors[0]
        place = f" at {first.field}" if first.field else ""
        return Rejected(first.code, f"{first.message}{place}")
    if result.status in (401, 403):
        return RetryLater(f"the suite does not accept our credentials ({result.status})", after)
    if result.status == 429:
        return RetryLater("the suite answered 429 before doing anything", after)
    return Unknown(f"the suite answered {result.status} without a plain yes or no")


def understood(content: bytes, shape: type[T]) -> T | None:
    """`content` as `shape`, or None: what an answer in another shape means depends on the call."""
    try:
        return codec.read_strict(content, shape)
    except codec.Malformed:
        return None


def moment_of(text: str) -> datetime:
    """A time as the suite stamps it; one that cannot be read sorts first and so only makes the overlap longer."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
