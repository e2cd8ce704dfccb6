"""What an answer of the bank means. Beside the client, which asks; no call is made here and no amount is read.

The upload of a file:

    2xx with a file id and our message id        Accepted     the file is in their hands; no word of it is success yet
    409, whatever it says                        Unknown      the bank has this message id: ask what became of that file
    400 413 415 422 with the bank's code         Rejected     its own no; a duplicate (DU01 and the like) is Unknown
    401 (after one renewal), 403, 429            RetryLater   before any work
    connection refused                           RetryLater   no byte left
    anything else: silence, 5xx, a login page    Unknown      it may have been taken

What became of the file, asked by its message id (the status is a group status of pain.002):

    ACTC ACCP ACWC ACWP ACSP ACSC ACCC PART      Settled      the bank has validated the file; its transfers go on alone
    RJCT                                         Rejected     no transfer of it will ever be made
    RJCT with DU01..DU05, DUPL, AM05             Accepted     a second copy is meant: ask for the first again
    RCVD, PDNG, PATC, ..., a word not known      Accepted     not yet; ask again
    404 in the bank's own words                  Absent
    other bytes under our message id             Unknown      a person must look; nothing is sent again
    anything else                                RetryLater, Unknown
"""

from __future__ import annotations

from typing import TypeVar

from tripartite.connectors.iso20022_bank import wire
from tripartite.connectors.iso20022_bank.transform.words import DUPLICATES, REFUSES, SETTLES
from tripartite.core import codec
from tripartite.runtime.protocol import (
    Accepted,
    Answer,
    HttpFailure,
    ProbeAnswer,
    Rejected,
    RetryLater,
    Settled,
    Unknown,
)

T = TypeVar("T")

SAYS_NO = frozenset({400, 413, 415, 422})
BEFORE_ANY_WORK = frozenset({401, 403, 429})


class BankTrouble(HttpFailure):
    """A read that failed. `retryable`: the same call may succeed later, after `after_seconds` where it was said."""

    def __init__(self, detail: str, *, retryable: bool = True, after_seconds: float | None = None) -> None:
        super().__init__(detail, sent=True)
        self.retryable = retryable
        self.after_seconds = after_seconds


def understood(content: bytes, shape: type[T]) -> T | None:
    """`content` as `shape`, or None: what an answer in another shape means depends on the call."""
    try:
        return codec.read_strict(content, shape)
    except codec.Malformed:
        return None


def sort_upload(status: int, content: bytes, message_id: str, after: float | None) -> Answer:
    """The answer to an upload by the first table."""
    if status in (200, 201, 202):
        taken = understood(content, wire.Taken)
        if taken is None or not taken.file_id:
            return Unknown("the bank said yes without a file id")
        if taken.message_id != message_id:
            return Unknown("outbound.answer_foreign: the answer names another message id")
        return Accepted(taken.file_id, f"taken in as {taken.status[:4]}")
    trouble = understood(content, wire.Trouble)
    if status == 409:
        return Unknown("the bank has this message id already; the probe tells what became of that file")
    if status in SAYS_NO and trouble is not None:
        if trouble.code in DUPLICATES:
            return Unknown(f"refused as a duplicate ({trouble.code}); the probe tells what became of the first")
        return Rejected(trouble.code, trouble.message)
    if status in BEFORE_ANY_WORK:
        return RetryLater(f"the bank answered {status} before doing anything", after)
    return Unknown(f"the bank answered {status} without a plain yes or no")


def sort_state(state: wire.FileState, message_id: str, digest: str) -> ProbeAnswer:
    """What the bank knows of our file, by the second table. `digest` is the SHA-256 of the bytes that we sent."""
    if state.message_id != message_id:
        return Unknown("outbound.answer_foreign: the answer is about another file")
    if state.sha256 and state.sha256.lower() != digest:
        return Unknown("outbound.answer_foreign: the bank holds other bytes under this message id")
    said = f"{state.status} {state.reason}".strip()
    if state.status in SETTLES:
        return Settled(state.file_id, said)
    if state.status in REFUSES and state.reason not in DUPLICATES:
        return Rejected(state.reason or state.status, state.detail)
    return Accepted(state.file_id, said)
