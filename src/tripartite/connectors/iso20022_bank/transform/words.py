"""The tables of status words. A word that stands in none of them is pending, with the word kept: never success.

    REPORTED      status of an order, a block or a transfer in pain.002 -> ours
    DUPLICATES    reasons by which a bank refuses what it has already: never a rejection of the money
    BOOKED        status of an entry in camt.053 and camt.054 -> ours
    SETTLES, REFUSES   what a file's status makes of its delivery

Source: ISO 20022 external code sets ExternalPaymentGroupStatus1Code, ExternalPaymentTransactionStatus1Code and
ExternalEntryStatus1Code; tests hold the tables against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from tripartite.core.objects.payment import ReportedStatus

REPORTED: Mapping[str, ReportedStatus] = {
    "RCVD": "received",
    "ACTC": "accepted",  # syntax and technical validation
    "ACCP": "accepted",  # customer profile
    "ACWC": "accepted",  # with a change, mostly of the day (DT06)
    "ACWP": "accepted",  # without posting
    "ACSP": "accepted",  # settlement in process
    "ACSC": "executed",  # settled on the debtor's side; a return may still follow
    "ACCC": "credited",
    "RJCT": "rejected",
    "CANC": "cancelled",
    "PART": "partly",  # of an order or block only; of a transfer it says nothing (reports.py)
    # Not final, and no promise either.
    "PDNG": "pending",
    "PATC": "pending",  # more signatures are needed
    "ACFC": "pending",  # funds checked
    "ACPD": "pending",
    "ACIS": "pending",  # a cheque was issued
    "ACFW": "pending",  # passed on to the next bank
    "BLCK": "pending",  # held
    "RCVC": "pending",  # the words of the verification of the payee
    "RVCM": "pending",
    "RVNC": "pending",
    "RVMC": "pending",
    "RVNM": "pending",
    "RVNA": "pending",
    # Cash that waits to be fetched: nothing that we order.
    "PRES": "pending",
    "CPUC": "pending",
}

# The bank has this file, block or transfer already. The money of the first one moves or has moved, so the refusal of
# the second must never set it free to be paid again.
DUPLICATES = frozenset({"DU01", "DU02", "DU03", "DU04", "DU05", "DUPL", "AM05"})

EntryStatus = Literal["booked", "pending", "information"]
BOOKED: Mapping[str, EntryStatus] = {
    "BOOK": "booked",
    "PDNG": "pending",
    "FUTR": "pending",  # .08: will be booked on a later day
    "INFO": "information",
}

# A delivery is done when the bank has validated the file. From then on its transfers have lives of their own.
SETTLES = frozenset({"ACTC", "ACCP", "ACWC", "ACWP", "ACSP", "ACSC", "ACCC", "PART"})
REFUSES = frozenset({"RJCT"})


def reported(word: str, reasons: tuple[str, ...]) -> ReportedStatus:
    """Our word for the bank's. A refusal as a duplicate is pending: what the bank has already decides."""
    status = REPORTED.get(word, "pending")
    if status == "rejected" and DUPLICATES.intersection(reasons):
        return "pending"
    return status
