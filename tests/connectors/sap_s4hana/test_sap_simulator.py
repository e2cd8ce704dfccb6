"""The simulated S/4HANA refuses and behaves as the vendor's documentation says, whoever calls it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import pytest

from connectors.sap_s4hana.sap_bench import PASSWORD, WORLD
from tripartite.connectors.sap_s4hana import simulator
from tripartite.connectors.sap_s4hana.simulator import build
from tripartite.connectors.sap_s4hana.simulator.odata import BadQuery, Filter
from tripartite.connectors.simulating import Bench, Reply, Request

ROOT = "/sap/opu/odata/sap/API_SUPPLIERINVOICE_PROCESS_SRV"
BASIC = "Basic " + base64.b64encode(f"TRIPARTITE:{PASSWORD}".encode()).decode()


class Caller:
    """A caller who knows nothing of our client: plain requests with a session of its own."""

    def __init__(self, **settings: str) -> None:
        self.bench: Bench = build({"password": PASSWORD, **settings}, seed=3)
        self.clock = 0.0
        self.bench.clock = lambda: self.clock
        self.bench.arrange(WORLD)
        self.headers = {"authorization": BASIC}

    async def call(self, method: str, target: str, body: Any = None, **headers: str) -> Reply:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        content = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        named = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await self.bench.handle(Request(method, unquote(parts.path), query, named, content))

    async def enter(self) -> None:
        reply = await self.call("GET", ROOT + "/", x_csrf_token="Fetch")
        cookie = reply.headers["set-cookie"].split(";")[0]
        self.headers |= {"x-csrf-token": reply.headers["x-csrf-token"], "cookie": cookie}

    async def post(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        reply = await self.call("POST", f"{ROOT}/A_SupplierInvoice", body)
        found: dict[str, Any] = msgspec.json.decode(reply.body)
        return reply.status, found

    async def code(self, body: dict[str, Any]) -> str:
        status, found = await self.post(body)
        assert status == 400, found
        code: str = found["error"]["code"]
        return code


@pytest.fixture
async def caller() -> Caller:
    caller = Caller()
    await caller.enter()
    return caller


def invoice(**changes: Any) -> dict[str, Any]:
    line = {
        "SupplierInvoiceItem": "000001",
        "PurchaseOrder": "4500001234",
        "PurchaseOrderItem": "00010",
        "TaxCode": "V1",
        "DocumentCurrency": "EUR",
        "SupplierInvoiceItemAmount": "1000.00",
        "PurchaseOrderQuantityUnit": "EA",
        "QuantityInPurchaseOrderUnit": "10.000",
        **changes.pop("line", {}),
    }
    body = {
        "CompanyCode": "1010",
        "DocumentDate": "/Date(1763942400000)/",
        "PostingDate": "/Date(1763942400000)/",
        "InvoicingParty": "10300080",
        "SupplierInvoiceIDByInvcgParty": "rw-1",
        "DocumentCurrency": "EUR",
        "InvoiceGrossAmount": "1190.00",
        "TaxIsCalculatedAutomatically": True,
        "to_SuplrInvcItemPurOrdRef": {"results": [line]},
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not ...}


async def test_an_invoice_is_stored_in_upper_case_with_its_numbers(caller: Caller) -> None:
    status, found = await caller.post(invoice())
    assert status == 201
    document = found["d"]
    assert (document["SupplierInvoice"], document["FiscalYear"]) == ("5105600001", "2025")
    assert (document["SupplierInvoiceIDByInvcgParty"], document["SupplierInvoiceStatus"]) == ("RW-1", "5")
    assert document["to_SuplrInvcItemPurOrdRef"] == {
        "__deferred": {"uri": document["__metadata"]["uri"] + "/to_SuplrInvcItemPurOrdRef"}
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SupplierInvoiceIDByInvcgParty": "A" * 17}, "/IWBEP/CM_MGW_RT/023"),
        ({"SupplierInvoiceIsCreditMemo": True}, "/IWBEP/CM_MGW_RT/021"),
        ({"InvoiceGrossAmount": 1190}, "/IWBEP/CM_MGW_RT/022"),
        ({"DocumentDate": "2025-11-24"}, "/IWBEP/CM_MGW_RT/022"),
        ({"NotAProperty": "1"}, "/IWBEP/CM_MGW_RT/020"),
        ({"PostingDate": ...}, "00/055"),
        ({"InvoiceGrossAmount": "1190.01"}, "M8/534"),
        ({"InvoiceGrossAmount": "-1190.00"}, "M8/288"),
        ({"to_SuplrInvcItemPurOrdRef": ..., "InvoiceGrossAmount": "0.00"}, "M8/321"),
        ({"line": {"PurchaseOrderItem": "00090"}}, "06/011"),
        ({"line": {"PurchaseOrder": "4500009999"}}, "06/019"),
        ({"line": {"PurchaseOrder": "4500001235"}}, "M8/147"),
        ({"InvoicingParty": "LIEF-7"}, "M8/391"),
        ({"line": {"ReferenceDocument": ""}}, "MRM_BAPI/010"),
        ({"line": {"PurchaseOrderQuantityUnit": "KG"}}, "M8/320"),
    ],
)
async def test_what_the_documentation_forbids_is_refused(caller: Caller, changes: dict[str, Any], code: str) -> None:
    assert await caller.code(invoice(**changes)) == code
    assert caller.bench.truth()["invoices"] == []


async def test_a_closed_period_and_a_deleted_order_take_no_posting(caller: Caller) -> None:
    caller.bench.arrange({"companies": [{"code": "1010", "open_from": "2026-01-01"}]})
    assert await caller.code(invoice()) == "F5/201"
    order = {**WORLD["orders"][0], "deleted": "L"}  # type: ignore[index]
    caller.bench.arrange({"companies": ["1010"], "orders": [order]})
    assert await caller.code(invoice()) == "06/020"


async def test_a_small_difference_within_the_companys_tolerance_is_posted(caller: Caller) -> None:
    caller.bench.arrange({"companies": [{"code": "1010", "small_difference": "0.05"}]})
    assert (await caller.post(invoice(InvoiceGrossAmount="1190.05")))[0] == 201
    assert await caller.code(invoice(InvoiceGrossAmount="1190.06")) == "M8/534"


async def test_the_duplicate_check_works_only_where_the_supplier_has_it(caller: Caller) -> None:
    assert (await caller.post(invoice()))[0] == 201
    assert (await caller.post(invoice()))[0] == 201
    caller.bench.arrange({"suppliers": [{"number": "10300080", "duplicates": True}]})
    assert await caller.code(invoice()) == "M8/462"
    assert (await caller.post(invoice(SupplierInvoiceIsCreditMemo="X")))[0] == 201
    assert (await caller.post(invoice(DocumentDate="/Date(1764028800000)/")))[0] == 201


async def test_more_than_was_received_blocks_payment_or_is_refused_as_customised() -> None:
    receipt = {"ReferenceDocument": "5000000891", "ReferenceDocumentFiscalYear": "2026", "ReferenceDocumentItem": "1"}
    line = {
        "PurchaseOrderItem": "20",
        "QuantityInPurchaseOrderUnit": "41",
        "PurchaseOrderQuantityUnit": "PC",
        **receipt,
    }
    body = invoice(line={**line, "SupplierInvoiceItemAmount": "205.00"}, InvoiceGrossAmount="243.95")
    lenient = Caller()
    await lenient.enter()
    status, found = await lenient.post(body)
    assert (status, found["d"]["PaymentBlockingReason"]) == (201, "R")
    strict = Caller(quantity_message="error")
    await strict.enter()
    assert await strict.code(body) == "M8/081"


async def test_release_lifts_the_verification_block_and_no_manual_one(caller: Caller) -> None:
    line = {"SupplierInvoiceItemAmount": "1500.00"}
    await caller.post(invoice(line=line, InvoiceGrossAmount="1785.00"))
    await caller.post(invoice(PaymentBlockingReason="A"))
    assert [row["payment_block"] for row in caller.bench.truth()["invoices"]] == ["R", "A"]
    for number in ("5105600001", "5105600002"):
        query = f"SupplierInvoice='{number}'&FiscalYear='2025'&DiscountDaysHaveToBeShifted=false"
        assert (await caller.call("POST", f"{ROOT}/Release?{query}")).status == 200
    assert [row["payment_block"] for row in caller.bench.truth()["invoices"]] == ["", "A"]


async def test_a_parked_invoice_is_posted_by_its_own_act(caller: Caller) -> None:
    _, found = await caller.post(invoice(SupplierInvoiceStatus="B"))
    assert found["d"]["SupplierInvoiceStatus"] == "B"
    action = f"{ROOT}/Post?SupplierInvoice='5105600001'&FiscalYear='2025'"
    assert (await caller.call("POST", action)).status == 200
    assert caller.bench.truth()["invoices"][0]["status"] == "5"
    assert (await caller.call("POST", action)).status == 400


async def test_the_fiscal_year_follows_the_companys_variant(caller: Caller) -> None:
    caller.bench.arrange({"companies": [{"code": "1010", "year_start": 10}]})
    _, found = await caller.post(invoice())
    assert found["d"]["FiscalYear"] == "2026"


async def test_a_write_needs_the_token_with_its_session_and_only_while_it_lives(caller: Caller) -> None:
    token = caller.headers.pop("cookie")
    reply = await caller.call("POST", f"{ROOT}/A_SupplierInvoice", invoice())
    assert (reply.status, reply.headers["x-csrf-token"]) == (403, "Required")
    caller.headers["cookie"] = token
    assert (await caller.post(invoice()))[0] == 201
    caller.clock += 1801
    assert (await caller.call("POST", f"{ROOT}/A_SupplierInvoice", invoice())).status == 403
    caller.headers["authorization"] = "Basic d3Jvbmc6d3Jvbmc="
    assert (await caller.call("GET", f"{ROOT}/A_SupplierInvoice")).status == 401


async def test_an_invoice_is_never_changed_and_another_service_is_not_there(caller: Caller) -> None:
    key = "A_SupplierInvoice(SupplierInvoice='5105600001',FiscalYear='2025')"
    assert (await caller.call("PATCH", f"{ROOT}/{key}", {})).status == 405
    reply = await caller.call("GET", "/sap/opu/odata/sap/API_OTHER_SRV/A_SupplierInvoice")
    assert (reply.status, msgspec.json.decode(reply.body)["error"]["code"]) == (404, "/IWFND/MED/170")


async def test_only_one_deep_create_is_taken_in_a_changeset(caller: Caller) -> None:
    one = b"--c\r\nContent-Type: application/http\r\n\r\nPOST A_SupplierInvoice HTTP/1.1\r\n\r\n{}\r\n"
    body = b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n" + one + one + b"--c--\r\n--b--\r\n"
    reply = await caller.call("POST", f"{ROOT}/$batch", body, content_type="multipart/mixed; boundary=b")
    assert reply.status == 400


async def test_lists_are_counted_paged_by_the_server_and_filtered_on_the_stored_form() -> None:
    caller = Caller(page_size="2")
    await caller.enter()
    for place in range(5):
        await caller.post(invoice(SupplierInvoiceIDByInvcgParty=f"N-{place}"))
    seen: list[str] = []
    target = f"{ROOT}/A_SupplierInvoice?$inlinecount=allpages&$orderby=SupplierInvoice desc&$top=4"
    while target:
        answer = msgspec.json.decode((await caller.call("GET", target)).body)["d"]
        assert answer["__count"] == "5"
        seen += [row["SupplierInvoiceIDByInvcgParty"] for row in answer["results"]]
        target = answer.get("__next", "")
    assert seen == ["N-4", "N-3", "N-2", "N-1"]
    for party, count in (("0010300080", 1), ("10300080", 0)):
        query = f"$filter=SupplierInvoiceIDByInvcgParty eq 'N-1' and InvoicingParty eq '{party}'"
        answer = msgspec.json.decode((await caller.call("GET", f"{ROOT}/A_SupplierInvoice?{query}")).body)["d"]
        assert len(answer["results"]) == count


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("A eq 'x'", True),
        ("A eq 'x' and B gt 2", True),
        ("A eq 'y' or B gt 2", True),
        ("A eq 'y' or (B gt 2 and A ne 'x')", False),
        ("D ge datetime'2026-01-01T00:00:00' and T lt time'PT10H00M01S'", True),
        ("M gt datetimeoffset'2026-01-02T10:00:00.122Z' and M le datetimeoffset'2026-01-02T10:00:00.123Z'", True),
        ("N gt datetime'2026-01-01T00:00:00'", False),
        ("N eq null and F eq true", True),
        ("Q eq 'o''neill'", True),
    ],
)
def test_filters_mean_what_odata_says(text: str, holds: bool) -> None:
    row = {
        "A": "x",
        "B": "3",
        "D": "/Date(1767312000000)/",
        "T": "PT10H00M00S",
        "M": "/Date(1767348000123+0000)/",
        "N": None,
        "F": True,
        "Q": "o'neill",
    }
    assert Filter(text.replace("B gt 2", "B gt '2'")).test(row) is holds


@pytest.mark.parametrize("text", ["A eq", "A like 'x'", "(A eq 'x'", "A eq 'x' B", "substringof('x',A)", "A eq 'x"])
def test_a_filter_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadQuery):
        Filter(text)


def test_an_index_is_used_only_for_what_must_hold() -> None:
    assert Filter("A eq 'x' and (B eq 'y' or C eq 'z')").equal == {"A": "x"}
    assert Filter("A eq 'x' or B eq 'y'").equal == {}


def test_an_arrangement_with_a_word_it_does_not_know_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        build({}).arrange({"supliers": []})


def test_the_bench_shares_nothing_with_the_code_it_tests() -> None:
    folder = Path(simulator.__file__).parent
    imported = {
        line.split()[1]
        for path in folder.glob("*.py")
        for line in path.read_text().splitlines()
        if line.startswith(("from tripartite", "import tripartite"))
    }
    assert imported
    inside = "tripartite.connectors.sap_s4hana.simulator"
    assert {name for name in imported if not name.startswith(inside)} == {"tripartite.connectors.simulating"}
