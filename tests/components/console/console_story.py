"""One story in the owners' words: Aurum bills four lines and freight, a price is too high, a receipt is short.

The answers have the shapes of the owners' routes, written by hand. Everything is of 24 November 2026.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from tripartite.core.ids import stable_id

NOW = datetime(2026, 11, 24, 8, 41, 12, tzinfo=UTC)
INVOICE_ID = "inv_7K2"
CORRELATION = "c_9QF"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
RIGHTS = ("console.read", "invoice.read", "exception.read", "lineage.read", "delivery.read", "estate.read")
HASH = "ab" * 32


def pair(line: int, **numbers: str | None) -> dict[str, Any]:
    """One row of `pairs`: quantities and prices as the invoices component writes them."""
    plain: dict[str, Any] = {
        "invoice_line": line,
        "order_number": "PO-18842",
        "order_line": line,
        "unit": "EA",
        "ordered": "400",
        "received": "400",
        "billed_before": "0",
        "quantity": "400",
        "billed": "400",
        "excess": "0",
        "bound": "400",
        "order_price": "18.4",
        "invoice_price": "18.4",
        "value": "7360",
        "expected": "7360",
        "variance": "0",
    }
    return {**plain, **numbers}


def finding(code: str, line: int, **more: str) -> dict[str, Any]:
    return {"code": code, "line": line, **more}


FINDINGS = [
    finding(
        "match.price_over_limit",
        20,
        variance="348.00",
        breach="348",
        limit="strict: 2 %, absolute 1.25",
        unit="EUR",
        words="Line 20 bills 8028.00 for 120 EA; 7680.00 is due by order PO-18842 line 20: 348, 4.53 %.",
        rule="S5",
    ),
    finding(
        "match.quantity_over_received",
        30,
        variance="337.50",
        breach="15",
        limit="45",
        unit="SET",
        words="Line 30 bills 60 SET of order PO-18842 line 30; received net is 45, billed before 0: 15 SET too many.",
        rule="S2",
    ),
]


def exception(code: str, line: int, risk: str, **more: Any) -> dict[str, Any]:
    """An exception record as it is written: what is at its default is left out."""
    return {
        "exception_id": stable_id("exc", code, str(line)),
        "company_code": "DE01",
        "version": 1,
        "reason_code": code,
        "severity": "high",
        "object_kind": "invoice",
        "object_id": INVOICE_ID,
        "object_version": 1,
        "line": line,
        "opening": 1,
        "state": "open",
        "owner_role": "buyer",
        "opened_at": "2026-11-19T13:20:18Z",
        "blocks": "posting",
        "release": "owner",
        "next_action": "The buyer: settle the price.",
        "exposure": risk,
        "money_at_risk": risk,
        "value_held": "16924.00",
        "currency": "EUR",
        "cause_key": f"{code}|PO-18842",
        "computed_from": HASH,
        "content_hash": HASH,
        "policy_release": HASH,
        "code_version": "0.1.0",
        "event": {"kind": "opened", "at": "2026-11-19T13:20:18Z", "actor": "engine"},
        "due_at": "2026-11-25T16:00:00Z",
        **more,
    }


def decision(number: int, state: str, findings: list[dict[str, Any]], cause: str) -> dict[str, Any]:
    return {
        "decision_id": f"dec_{number}",
        "number": number,
        "verdict": "hold",
        "state": state,
        "at": f"2026-11-{16 + number}T13:20:18Z",
        "cause": f"msg_{number}",
        "cause_type": cause,
        "inputs_digest": HASH,
        "policy_hash": "c0ffee" * 10 + "abcd",
        "code_version": "0.1.0",
        "result": {
            "findings": copy.deepcopy(findings),
            "rows": ["price/baseline-eur", "quantity/baseline-eur"],
            "payable_now": "0.00",
        },
        "leaf_id": "leaf_000",
        "trace_id": TRACE if number == 2 else "",
    }


def invoice() -> dict[str, Any]:
    """`/v1/invoices/inv_7K2`: held, two of four lines."""
    order_line = {"unit": "EA", "match": "three_way", "status": "open", "cost_centre": "4711"}
    lines = [
        {"line": 10, "description": "Ball bearing 6310-2Z", "quantity": "400", "unit": "EA", "price": "18.40",
         "amount": "7360.00", "order_number": "PO-18842", "order_line": 10},
        {"line": 20, "description": "Spherical roller 22216 E", "quantity": "120", "unit": "EA", "price": "66.90",
         "amount": "8028.00", "order_number": "PO-18842", "order_line": 20},
        {"line": 30, "description": "Shaft seal kit SK-40", "quantity": "60", "unit": "SET", "price": "22.50",
         "amount": "1350.00", "order_number": "PO-18842", "order_line": 30},
    ]  # fmt: skip
    return {
        "invoice_id": INVOICE_ID,
        "company_code": "DE01",
        "number": "AB-2026-4471",
        "kind": "invoice",
        "supplier_id": "sup_aurum",
        "supplier_name": "Aurum Bearings B.V.",
        "currency": "EUR",
        "issued_on": "2026-11-16",
        "arrived_at": "2026-11-17T07:12:04Z",
        "gross": "20139.56",
        "net": "16924.00",
        "tax": "3215.56",
        "state": "held",
        "verdict": "hold",
        "payment_block": False,
        "payable_now": "0.00",
        "money_at_risk": "685.50",
        "reason_codes": ["match.price_over_limit", "match.quantity_over_received"],
        "waits_for": ["receipt_posted"],
        "document": "",
        "posted_at": None,
        "correlation_id": CORRELATION,
        "connection": "capture",
        "source_document": "cap-1",
        "intake_id": "int_1",
        "digest": HASH,
        "decisions": [
            decision(1, "held", FINDINGS[:1], "tripartite.invoice.canonical.v1"),
            decision(2, "held", FINDINGS, "tripartite.receipt.recorded.v1"),
        ],
        "exceptions": [
            exception(
                "match.price_over_limit",
                20,
                "348.00",
                words=FINDINGS[0]["words"],
                alternatives=[
                    {
                        "change": "Order price of line 20 becomes 66.90",
                        "by_roles": ["buyer"],
                        "where": "Coupa",
                        "rank": 1,
                    }
                ],
            ),
            exception("match.quantity_over_received", 30, "337.50", owner_role="receiving", words=FINDINGS[1]["words"],
                      waits_for=["receipt_posted", "receipt_requeried"], recheck_at="2026-11-24T09:00:00Z"),
        ],
        "content": {
            "number": "AB-2026-4471",
            "kind": "invoice",
            "currency": "EUR",
            "issued_on": "2026-11-16",
            "due_on": "2026-12-16",
            "payment_terms": "2 % 14, net 30",
            "order_numbers": ["PO-18842"],
            "lines": lines,
            "charges": [{"amount": "186.00", "kind": "freight"}],
        },
        "orders": [
            {
                "number": "PO-18842", "currency": "EUR", "version": 3, "company_code": "DE01", "status": "open",
                "issued_on": "2026-10-29", "requisition": "REQ-77310", "requester": "T. Lindqvist",
                "lines": [
                    {**order_line, "line": 10, "quantity": "400", "price": "18.40"},
                    {**order_line, "line": 20, "quantity": "120", "price": "64.00"},
                    {**order_line, "line": 30, "quantity": "60", "unit": "SET", "price": "22.50"},
                    {**order_line, "line": 50, "quantity": "8", "price": "3.00", "description": "Grease cartridge"},
                ],
                "charges": [{"kind": "freight", "amount": "180.00"}],
            }
        ],
        "receipts": [
            {"number": "5000258", "kind": "receipt", "posted_on": "2026-11-12", "lines": [
                {"order_number": "PO-18842", "order_line": 10, "quantity": "400"},
                {"order_number": "PO-18842", "order_line": 20, "quantity": "120"},
                {"order_number": "PO-18842", "order_line": 30, "quantity": "48"}]},
            {"number": "5000263", "kind": "return", "posted_on": "2026-11-19", "lines": [
                {"order_number": "PO-18842", "order_line": 30, "quantity": "3", "takes_from": "5000258"}]},
        ],
        "receipts_as_of": {"PO-18842": "2026-11-24T08:00:00Z"},
        "pairs": [
            pair(10),
            pair(20, ordered="120", received="120", quantity="120", billed="120", bound="120", order_price="64",
                 invoice_price="66.9", value="8028", expected="7680", variance="348"),
            pair(30, unit="SET", ordered="60", received="45", quantity="60", billed="60", excess="15", bound="45",
                 order_price="22.5", invoice_price="22.5", value="1350", expected="1350"),
        ],
        "allocations": [],
        "findings_now": FINDINGS,
        "beside": [
            {"invoice_id": "inv_other", "number": "AB-2026-4459", "state": "posted", "gross": "100.00",
             "issued_on": "2026-11-02"}
        ],
        "as_of": NOW.isoformat(),
    }  # fmt: skip


def listed(**changed: Any) -> dict[str, Any]:
    """A row of `/v1/invoices`."""
    whole = invoice()
    names = (
        *("invoice_id", "company_code", "number", "kind", "supplier_id", "supplier_name", "currency", "issued_on"),
        *("arrived_at", "gross", "net", "state", "verdict", "payable_now", "money_at_risk", "payment_block"),
        *("reason_codes", "waits_for", "document", "posted_at", "correlation_id", "connection", "source_document"),
    )
    return {
        **{name: whole[name] for name in names},
        "decisions": 2,
        "changed_at": "2026-11-19T13:20:18.000001+00:00",
        **changed,
    }


def deliveries() -> list[dict[str, Any]]:
    """`/v1/deliveries`: the hold was told; the posting got no answer."""
    plain = {
        "key": "dlv_0123456789abcdef0123",
        "connection": "capture",
        "operation": "report_hold",
        "state": "settled",
        "mode": "act",
        "attempts": 1,
        "probes": 0,
        "due_at": "2026-11-19T13:20:18Z",
        "sent_at": "2026-11-19T13:20:19Z",
        "remote_ref": "note-7",
        "reason_code": "",
        "detail": "",
        "created_at": "2026-11-19T13:20:18Z",
        "updated_at": "2026-11-19T13:20:19Z",
        "tries": [],
    }
    tries = [
        {"at": "2026-11-24T08:40:00Z", "act": "send", "answer": "unknown", "detail": "timeout", "trace_id": TRACE},
        {"at": "2026-11-24T08:40:30Z", "act": "probe", "answer": "unknown", "detail": "", "trace_id": ""},
    ]
    silent = {
        **plain, "key": "dlv_second", "connection": "sap", "operation": "post_invoice", "state": "unknown", "probes": 1,
        "remote_ref": "", "due_at": "2026-11-24T08:45:00Z", "tries": tries,
    }  # fmt: skip
    return [plain, silent]


def spans() -> list[dict[str, Any]]:
    """`/v1/traces/{id}`: a batch, a call that failed, the call that went through."""
    plain = {"trace_id": TRACE, "parent_id": "", "component": "invoices", "connection": "", "status": "ok"}
    return [
        {**plain, "span_id": "a", "name": "decide batch", "started_at": "2026-11-19T13:20:18.000Z", "seconds": 0.9,
         "attributes": "{}"},
        {**plain, "span_id": "b", "parent_id": "a", "name": "call post", "connection": "sap", "seconds": 0.2,
         "started_at": "2026-11-19T13:20:18.100Z", "status": "error",
         "attributes": '{"http.response.status_code": 503, "error": ""}'},
        {**plain, "span_id": "c", "parent_id": "a", "name": "call post", "connection": "sap", "seconds": 0.4,
         "started_at": "2026-11-19T13:20:18.500Z", "attributes": {"http.response.status_code": 200}},
    ]  # fmt: skip


def events() -> list[dict[str, Any]]:
    """`/v1/lineage/{correlation}`."""

    def event(at: str, kind: str, number: str, source: str, state: str, words: str, trace: str = "") -> dict[str, Any]:
        return {
            "message_id": stable_id("msg", at), "correlation_id": CORRELATION, "at": at, "type": f"tripartite.{kind}",
            "company_code": "DE01", "object_kind": kind, "object_id": number, "object_number": number,
            "source": source, "state": state, "words": words, "trace_id": trace,
        }  # fmt: skip

    return [
        event("2026-10-29T08:00:00Z", "order", "PO-18842", "coupa", "open", "Order PO-18842 version 3, 4 lines, open"),
        event("2026-11-17T07:12:04Z", "invoice", INVOICE_ID, "capture", "held", "Held. Line 20 bills 8028.00", TRACE),
        event("2026-11-19T13:20:18Z", "receipt", "5000263", "wms", "return", "Return 5000263: 3 SET of line 30"),
    ]
