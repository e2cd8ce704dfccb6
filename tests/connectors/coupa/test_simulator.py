"""The bench behaves as the vendor's page says: pages, operators, scopes, errors, versions, voids, drafts, the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.coupa.support import START, norddal, order_form
from tripartite.connectors.coupa import simulator
from tripartite.connectors.simulating import Bench, Fault, Reply, Request

ALL = (
    "core.supplier.read core.requisition.read core.purchase_order.read core.purchase_order.write"
    " core.inventory.receiving.read core.inventory.receiving.write core.invoice.read core.invoice.write"
)


class Visitor:
    """Talks to a bench as any HTTP client would."""

    def __init__(self, scope: str = ALL, **settings: str) -> None:
        self.seconds = 0.0
        self.bench: Bench = simulator.build({"epoch": START.isoformat(), "rate_per_second": "0"} | settings, seed=3)
        self.bench.clock = lambda: self.seconds
        self.scope = scope
        self.token = ""

    def arrange(self, **form: Any) -> Any:
        return self.bench.arrange(form)

    async def call(self, method: str, path: str, body: Any = None, token: str | None = None, **query: str) -> Reply:
        if not self.token:
            self.token = await self.log_in()
        headers = {"accept": "application/json", "authorization": f"Bearer {self.token if token is None else token}"}
        content = b"" if body is None else json.dumps(body).encode()
        return await self.bench.handle(Request(method, path, query, headers, content))

    async def log_in(self, secret: str = "coupa-secret") -> str:
        form = f"client_id=coupa-client&client_secret={secret}&grant_type=client_credentials&scope={self.scope}"
        reply = await self.bench.handle(Request("POST", "/oauth2/token", {}, {}, form.encode()))
        answer = json.loads(reply.body)
        return str(answer.get("access_token", answer.get("error")))

    async def get(self, path: str, query: dict[str, str] | None = None) -> Any:
        reply = await self.call("GET", path, **(query or {}))
        return json.loads(reply.body) if reply.status == 200 else reply.status


async def test_lists_come_fifty_at_a_time_without_a_count() -> None:
    visitor = Visitor()
    norddal(visitor, orders=70)  # type: ignore[arg-type]
    first = await visitor.get("/api/purchase_orders")
    rest = await visitor.get("/api/purchase_orders", {"offset": "50"})
    assert (len(first), len(rest)) == (50, 20)
    assert await visitor.get("/api/purchase_orders", {"offset": "70"}) == []
    assert len(await visitor.get("/api/purchase_orders", {"limit": "200"})) == 50


@pytest.mark.parametrize(
    ("condition", "value", "numbers"),
    [
        ("po-number", "PO-0002", ["PO-0002"]),
        ("po_number", "PO-0002", ["PO-0002"]),
        ("po-number[in]", "PO-0001,PO-0003", ["PO-0001", "PO-0003"]),
        ("po-number[not_in]", "PO-0001,PO-0003", ["PO-0002"]),
        ("po-number[not_eq]", "PO-0001", ["PO-0002", "PO-0003"]),
        ("po-number[contains]", "-000", ["PO-0001", "PO-0002", "PO-0003"]),
        ("po-number[starts_with]", "PO-0003", ["PO-0003"]),
        ("po-number[ends_with]", "2", ["PO-0002"]),
        ("status[in]", "closed,canceled", ["PO-0003"]),
        ("exported", "false", ["PO-0001", "PO-0002", "PO-0003"]),
        ("supplier[number]", "10300080", ["PO-0001", "PO-0002", "PO-0003"]),
        ("supplier[number]", "other", []),
        ("order-lines[account][code]", "4711", ["PO-0002"]),
        ("order-lines[price][gt]", "100.00", ["PO-0003"]),
        ("updated_at[gt_or_eq]", "2026-11-02T08:00:10+00:00", ["PO-0003"]),
        ("updated_at[gt]", "2026-11-02T09:00:10+01:00", []),
        ("updated_at[lt]", "2026-11-02T08:00:10Z", ["PO-0001", "PO-0002"]),
        ("updated_at[lt_or_eq]", "2026-11-02T08:00:10Z", ["PO-0001", "PO-0002", "PO-0003"]),
        ("payment-term[blank]", "true", ["PO-0001", "PO-0002", "PO-0003"]),
        ("po-number[blank]", "true", []),
    ],
)
async def test_operators_select_what_the_page_says(condition: str, value: str, numbers: list[str]) -> None:
    visitor = Visitor()
    norddal(visitor)  # type: ignore[arg-type]
    visitor.arrange(orders=[order_form("PO-0002", lines=[{"quantity": "1", "price": "1", "account": "4711"}])])
    visitor.seconds = 10
    visitor.arrange(orders=[order_form("PO-0003", status="closed", lines=[{"quantity": "1", "price": "100.5"}])])
    found = await visitor.get("/api/purchase_orders", {condition: value})
    assert [row["po-number"] for row in found] == numbers


async def test_conditions_and_fields_that_do_not_exist_are_refused() -> None:
    visitor = Visitor()
    norddal(visitor)  # type: ignore[arg-type]
    assert await visitor.get("/api/purchase_orders", {"colour": "red"}) == 400
    assert await visitor.get("/api/purchase_orders", {"fields": '["colour"]'}) == 400
    assert await visitor.get("/api/purchase_orders", {"fields": "id"}) == 400
    assert await visitor.get("/api/purchase_orders", {"updated_at[gt]": "yesterday"}) == 400


async def test_sorting_and_shapes_are_as_asked() -> None:
    visitor = Visitor()
    norddal(visitor, orders=3)  # type: ignore[arg-type]
    query = {"order_by": "id", "dir": "desc", "fields": '["po-number",{"supplier":["number"]}]'}
    assert (await visitor.get("/api/purchase_orders", query))[0] == {
        "po-number": "PO-0003",
        "supplier": {"number": "10300080"},
    }


async def test_tokens_secrets_scopes_and_media_types_are_checked() -> None:
    visitor = Visitor(scope="core.supplier.read")
    assert await visitor.log_in("wrong") == "invalid_client"
    assert (await visitor.call("GET", "/api/suppliers", token="none")).status == 401
    assert (await visitor.call("GET", "/api/suppliers")).status == 200
    assert (await visitor.call("GET", "/api/purchase_orders")).status == 403
    headers = {"accept": "application/xml", "authorization": f"Bearer {visitor.token}"}
    assert (await visitor.bench.handle(Request("GET", "/api/suppliers", {}, headers, b""))).status == 406
    visitor.seconds = 86_400
    assert (await visitor.call("GET", "/api/suppliers")).status == 401


async def test_a_new_version_resets_the_export_flag_and_an_api_edit_does_not() -> None:
    visitor = Visitor()
    norddal(visitor)  # type: ignore[arg-type]
    order = (await visitor.get("/api/purchase_orders"))[0]
    assert (await visitor.call("PUT", f"/api/purchase_orders/{order['id']}", exported="true")).status == 200
    visitor.arrange(receipts=[{"order": "PO-0001", "quantity": "1"}])
    assert visitor.bench.truth()["orders"]["PO-0001"]["exported"] is True
    visitor.arrange(orders=[{"number": "PO-0001", "lines": [{"line": 1, "price": "99.00"}]}])
    changed = visitor.bench.truth()["orders"]["PO-0001"]
    assert (changed["exported"], changed["version"], changed["internal_revision"]) == (False, 2, 2)
    visitor.arrange(orders=[{"number": "PO-0001", "status": "closed"}])
    closed = visitor.bench.truth()["orders"]["PO-0001"]
    assert (closed["version"], closed["internal_revision"]) == (2, 3)


async def test_receipts_returns_and_voids_move_what_the_order_line_has_received() -> None:
    visitor = Visitor()
    norddal(visitor)  # type: ignore[arg-type]

    def received() -> str:
        return str(visitor.bench.truth()["orders"]["PO-0001"]["lines"]["1"]["received"])

    came = visitor.arrange(receipts=[{"order": "PO-0001", "quantity": "8"}])["receipts"][0]
    back = visitor.arrange(receipts=[{"return_of": came, "quantity": "3"}])["receipts"][0]
    assert received() == "5"
    void = await visitor.call("PUT", f"/api/receiving_transactions/{back}/void")
    assert json.loads(void.body)["type"] == "VoidReceivingQuantityReturnToSupplier"
    assert received() == "8"
    visitor.arrange(receipts=[{"void": came}])
    assert received() == "0"
    assert (await visitor.call("PUT", f"/api/receiving_transactions/{came}/void")).status == 400
    kinds = [row["type"] for row in visitor.bench.truth()["receipts"].values()]
    assert kinds == [
        "ReceivingQuantityConsumption",
        "ReceivingQuantityReturnToSupplier",
        "VoidReceivingQuantityReturnToSupplier",
        "VoidReceivingQuantityConsumption",
    ]


async def test_a_receipt_is_posted_against_a_line_id_and_checked() -> None:
    visitor = Visitor()
    norddal(visitor)  # type: ignore[arg-type]
    line = (await visitor.get("/api/purchase_orders"))[0]["order-lines"][0]["id"]
    body = {"type": "ReceivingQuantityConsumption", "quantity": "10.0", "order-line": {"id": line}}
    reply = await visitor.call("POST", "/api/receiving_transactions", body)
    assert (reply.status, json.loads(reply.body)["status"]) == (201, "created")
    for wrong in ({"type": "Nonsense"}, {"quantity": None}, {"order-line": {"id": 1}}, {"order-line": None}):
        reply = await visitor.call("POST", "/api/receiving_transactions", body | wrong)
        assert reply.status == 400
        assert isinstance(json.loads(reply.body)["errors"], dict)


async def test_the_vendors_own_double_posting_can_be_switched_on() -> None:
    visitor = Visitor()
    norddal(visitor)  # type: ignore[arg-type]
    line = (await visitor.get("/api/purchase_orders"))[0]["order-lines"][0]["id"]
    visitor.bench.faults.append(Fault("receipt.create", "lie_twice"))
    body = {"type": "ReceivingQuantityConsumption", "quantity": "1", "order-line": {"id": line}}
    await visitor.call("POST", "/api/receiving_transactions", body)
    assert len(visitor.bench.truth()["receipts"]) == 2
    visitor.bench.faults.append(Fault("receipt.create", "lie_dropped"))
    reply = await visitor.call("POST", "/api/receiving_transactions", body)
    assert reply.status == 201
    assert len(visitor.bench.truth()["receipts"]) == 2


async def test_an_invoice_is_a_draft_until_submitted_and_waits_for_its_receipt() -> None:
    visitor = Visitor()
    norddal(visitor)  # type: ignore[arg-type]
    line = (await visitor.get("/api/purchase_orders"))[0]["order-lines"][0]["id"]
    body = {
        "invoice-number": "RW-2025-00417",
        "invoice-date": "2025-01-30",
        "supplier": {"number": "10300080"},
        "currency": {"code": "EUR"},
        "invoice-lines": [{"order-line-id": line, "quantity": "10.0", "price": "100.00"}],
    }
    made = json.loads((await visitor.call("POST", "/api/invoices", body)).body)
    assert made["status"] == "draft"
    again = await visitor.call("POST", "/api/invoices", body)
    assert (again.status, json.loads(again.body)["errors"]) == (400, {"invoice-number": ["has already been taken"]})
    await visitor.call("PUT", f"/api/invoices/{made['id']}/submit")
    assert visitor.bench.truth()["invoices"]["RW-2025-00417"]["status"] == "pending_receipt"
    assert (await visitor.call("PUT", f"/api/invoices/{made['id']}/submit")).status == 400
    assert (await visitor.call("POST", "/api/invoices", {})).status == 400


async def test_what_cannot_be_arranged_is_said() -> None:
    visitor = Visitor()
    assert "errors" in visitor.arrange(orders=[{"number": "PO-1", "supplier": "nobody"}])
    assert "errors" in visitor.arrange(receipts=[{"order": "PO-9", "quantity": "1"}])
    assert "errors" in visitor.arrange(receipts=[{"void": 5}])
    assert visitor.bench.truth()["orders"] == {}


def test_ids_differ_between_instances_and_repeat_with_the_seed() -> None:
    def first_id(seed: int) -> int:
        found: int = simulator.build({}, seed).arrange({"suppliers": [{"number": "1", "name": "A"}]})["suppliers"][0]
        return found

    assert first_id(1) == first_id(1)
    assert len({first_id(seed) for seed in range(8)}) > 4


async def test_thousands_of_orders_are_arranged_and_listed_in_time() -> None:
    visitor = Visitor()
    norddal(visitor, orders=3000)  # type: ignore[arg-type]
    newest = await visitor.get("/api/purchase_orders", {"updated_at[gt_or_eq]": "2026-11-02T08:00:00Z"})
    assert len(newest) == 50


def test_the_bench_knows_nothing_of_the_translation_it_tests() -> None:
    folder = Path(simulator.__file__).parent
    for part in folder.glob("*.py"):
        imports = [line for line in part.read_text(encoding="utf-8").splitlines() if "import" in line]
        assert not [line for line in imports if ".transform" in line or ".wire" in line or ".client" in line]


def test_the_form_shown_in_the_documentation_works() -> None:
    page = Path(__file__).parents[3] / "docs" / "connectors" / "coupa.md"
    form = json.loads(page.read_text(encoding="utf-8").split("```json")[1].split("```")[0])
    bench = simulator.build({}, 0)
    assert "errors" in bench.arrange({"requisitions": form["requisitions"]}), "its supplier comes first"
    first = bench.arrange(form | {"receipts": form["receipts"][:1]})
    assert first["orders"] == ["PO-0001"]
    back = bench.arrange({"receipts": [form["receipts"][1] | {"return_of": first["receipts"][0]}]})
    bench.arrange({"receipts": [{"void": back["receipts"][0]}]})
    assert bench.truth()["orders"]["PO-0001"]["lines"]["1"]["received"] == "6"
