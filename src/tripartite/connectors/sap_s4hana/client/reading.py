"""Reads orders, receipts and suppliers: as streams by their change stamp, one by its key, and the questions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from tripartite.connectors.sap_s4hana import wire
from tripartite.connectors.sap_s4hana.client import feeds
from tripartite.connectors.sap_s4hana.client.answers import error_of, text_of
from tripartite.connectors.sap_s4hana.client.transport import NotPermitted, NotSent, Transport
from tripartite.connectors.sap_s4hana.transform import padded, reference_number, unpadded
from tripartite.connectors.sap_s4hana.transform.clearing import read_clearing, read_cost_centre
from tripartite.connectors.sap_s4hana.transform.recognising import reference
from tripartite.connectors.sap_s4hana.wire import finance
from tripartite.core.codec import Malformed, encode
from tripartite.core.money import NumberInvalid
from tripartite.runtime.protocol import HttpFailure, HttpResponse, ObjectKind, Page, Pulled

T = TypeVar("T")

_INVOICES = "API_SUPPLIERINVOICE_PROCESS_SRV"
_JOURNAL = "API_OPLACCTGDOCITEMCUBE_SRV"
_ORDERS = feeds.FEEDS["order"][0]
_RECEIPTS = feeds.FEEDS["receipt"][0]
_SUPPLIERS = feeds.FEEDS["supplier"][0]
_KEY_MARKS = "(),='"  # what stands for itself in a key predicate; all else in a key is escaped
_LIST_PAGE = 100
_LIST_LIMIT = 2000  # rows of one question; beyond it the answer is no answer

_listed = msgspec.json.Decoder(wire.Envelope[wire.Listed])
_entity = msgspec.json.Decoder(wire.Envelope[msgspec.Raw])


class Reading:
    """Settings: overlap_seconds (300); expand_order, expand_receipt, expand_supplier, where a release lacks one of the
    navigations (what is not expanded is not read, and an order or receipt without its items is refused).
    """

    def __init__(self, transport: Transport, settings: Mapping[str, str]) -> None:
        self._transport = transport
        self._settings = settings
        self._overlap = int(settings.get("overlap_seconds", "300"))

    def _expand(self, kind: ObjectKind, feed: feeds.Feed) -> str:
        return self._settings.get(f"expand_{kind}", feed.expand)

    async def pull(self, stream: ObjectKind, cursor: str, limit: int) -> Page:
        """The next page of a stream by its change stamp (feeds.py). Errors: `HttpFailure` where no page came."""
        known = feeds.FEEDS[stream]
        place = feeds.read_cursor(cursor, len(known))
        feed = known[place.feed]
        query = {"$orderby": feeds.order_by(feed), "$top": str(limit), "$expand": self._expand(stream, feed)}
        if condition := feeds.condition(feed, place, self._overlap):
            query["$filter"] = condition
        if place.skip:
            query["$skip"] = str(place.skip)
        listed = await self._rows(f"{feed.service}/{feed.entity_set}", query, f"pull_{stream}")
        rows = [msgspec.json.decode(row, type=dict[str, Any]) for row in listed.results]
        try:
            places = [feeds.position(feed, row) for row in rows]
        except Malformed as error:
            raise HttpFailure(f"pull_{stream}: {error}", sent=True) from None
        full = bool(listed.next) or len(rows) >= limit
        items = [
            _pulled(stream, row, bytes(content))
            for row, content in zip(rows, listed.results, strict=True)
            if stream != "receipt" or _is_purchase(row)
        ]
        following = feeds.advance(place, places, full=full)
        return Page(tuple(items), feeds.written(following), more=full or following.feed != 0)

    async def fetch(self, kind: ObjectKind, key: str) -> Pulled | None:
        """One document by its key (`4500001234`, `5000000891/2026`, a supplier's number); None where there is none."""
        if kind == "supplier":
            return await self._supplier(key)
        feed = {"order": _ORDERS, "receipt": _RECEIPTS}[kind]
        number, _, year = key.partition("/")
        if kind == "receipt":
            place = f"(MaterialDocumentYear={feeds.quoted(year)},MaterialDocument={feeds.quoted(padded(number))})"
        else:
            place = f"({feeds.quoted(number)})"
        path = f"{feed.service}/{feed.entity_set}{quote(place, safe=_KEY_MARKS)}"
        response = await self._get(path, {"$expand": self._expand(kind, feed)}, f"fetch_{kind}")
        if response.status_code == 404:
            return None
        content = bytes(_opened(response, _entity, f"fetch_{kind}").d)
        return _pulled(kind, msgspec.json.decode(content, type=dict[str, Any]), content)

    async def _supplier(self, number: str) -> Pulled | None:
        # The supplier's number is mostly the partner's, but need not be: it is asked for as what it is, in both forms.
        forms = dict.fromkeys((padded(number), unpadded(number)))
        query = {
            "$filter": " or ".join(f"Supplier eq {feeds.quoted(form)}" for form in forms),
            "$expand": self._expand("supplier", _SUPPLIERS),
            "$top": "1",
        }
        listed = await self._rows(f"{_SUPPLIERS.service}/{_SUPPLIERS.entity_set}", query, "fetch_supplier")
        if not listed.results:
            return None
        content = bytes(listed.results[0])
        return _pulled("supplier", msgspec.json.decode(content, type=dict[str, Any]), content)

    async def ask(self, question: str, parameters: Mapping[str, str]) -> tuple[Pulled, ...]:
        """`order_by_number` (number), `receipts_of_order` (order_number), `posting_of_invoice` (company_code,
        supplier_number, invoice_number; all that stand under this key, reversed ones too), `payment_status_of_invoice`
        (company_code, document: number/year; one `Clearing` of ours), `cost_centre` (company_code, cost_centre, on; one
        `CostCentre` of ours where it may be posted to on that day). Nothing where SAP knows none.
        """
        match question:
            case "order_by_number":
                found = await self.fetch("order", parameters["number"])
                return (found,) if found else ()
            case "receipts_of_order":
                return await self._receipts_of(parameters["order_number"])
            case "posting_of_invoice":
                query = invoice_filter(
                    parameters["company_code"], parameters["supplier_number"], parameters["invoice_number"]
                )
                rows = await self._read_list(
                    _INVOICES, "A_SupplierInvoice", query, "SupplierInvoice,FiscalYear", question
                )
                postings = [(msgspec.json.decode(row, type=wire.A_SupplierInvoiceRead), row) for row in rows]
                return tuple(Pulled("invoice", reference(head), "1", bytes(row)) for head, row in postings)
            case "payment_status_of_invoice":
                return await self._payment_status(parameters["company_code"], parameters["document"])
            case "cost_centre":
                return await self._cost_centre(
                    parameters["company_code"], parameters["cost_centre"], date.fromisoformat(parameters["on"])
                )
            case _:
                raise AssertionError(f"{question} is not a question of SAP S/4HANA")

    async def _payment_status(self, company: str, document: str) -> tuple[Pulled, ...]:
        number, _, year = document.partition("/")
        items = await self._items(company, f"OriginalReferenceDocument eq {feeds.quoted(number + year)}")
        cleared = next((item for item in items if item.IsCleared and item.ClearingAccountingDocument), None)
        clearing: list[finance.A_OperationalAcctgDocItemCube] = []
        if cleared is not None:
            clearing = await self._items(
                company,
                f"AccountingDocument eq {feeds.quoted(cleared.ClearingAccountingDocument or '')} and FiscalYear eq "
                f"{feeds.quoted(cleared.ClearingDocFiscalYear or '')}",
            )
        try:
            found = read_clearing(document, items, clearing)
        except (Malformed, NumberInvalid) as error:
            raise HttpFailure(f"payment_status_of_invoice: {error}", sent=True) from None
        return (Pulled("clearing", document, "1", encode(found)),) if found else ()

    async def _items(self, company: str, condition: str) -> list[finance.A_OperationalAcctgDocItemCube]:
        rows = await self._read_list(
            _JOURNAL,
            "A_OperationalAcctgDocItemCube",
            f"CompanyCode eq {feeds.quoted(company)} and FinancialAccountType eq 'K' and {condition}",
            "AccountingDocument,AccountingDocumentItem",
            "payment_status_of_invoice",
        )
        return [msgspec.json.decode(row, type=finance.A_OperationalAcctgDocItemCube) for row in rows]

    async def _cost_centre(self, company: str, number: str, on: date) -> tuple[Pulled, ...]:
        forms = dict.fromkeys((padded(number), unpadded(number)))
        named = " or ".join(f"CostCenter eq {feeds.quoted(form)}" for form in forms)
        rows = await self._read_list(
            "API_COSTCENTER_SRV",
            "A_CostCenter",
            f"CompanyCode eq {feeds.quoted(company)} and ({named})",
            "ValidityEndDate",
            "cost_centre",
        )
        try:
            centres = [msgspec.json.decode(row, type=finance.A_CostCenter) for row in rows]
            found = read_cost_centre(centres, company, on)
        except (Malformed, msgspec.DecodeError) as error:
            raise HttpFailure(f"cost_centre: {error}", sent=True) from None
        return (Pulled("cost_centre", found.code, "1", encode(found)),) if found else ()

    async def _receipts_of(self, order_number: str) -> tuple[Pulled, ...]:
        forms = dict.fromkeys((padded(order_number), unpadded(order_number)))
        condition = " or ".join(f"PurchaseOrder eq {feeds.quoted(form)}" for form in forms)
        keys = ("MaterialDocumentYear", "MaterialDocument", "MaterialDocumentItem")
        rows = await self._read_list(
            _RECEIPTS.service, "A_MaterialDocumentItem", condition, ",".join(keys), "receipts_of_order"
        )
        heads = [msgspec.json.decode(row, type=dict[str, Any]) for row in rows]
        # A document may hold items of other orders too: it is fetched whole, so that no part of it passes for all.
        documents = dict.fromkeys(f"{head['MaterialDocument']}/{head['MaterialDocumentYear']}" for head in heads)
        return tuple([found for key in documents if (found := await self.fetch("receipt", key))])

    async def _get(self, path: str, query: Mapping[str, str], operation: str) -> HttpResponse:
        try:
            return await self._transport.read(path, query, operation)
        except NotSent as error:
            raise HttpFailure(error.reason, sent=False) from None
        except NotPermitted as error:
            raise HttpFailure(str(error), sent=True) from None

    async def _rows(self, path: str, query: Mapping[str, str], operation: str) -> wire.Listed:
        return _opened(await self._get(path, query, operation), _listed, operation).d

    async def _read_list(self, *question: str) -> list[msgspec.Raw]:
        try:
            return await self.list_rows(*question)
        except NotSent as error:
            raise HttpFailure(error.reason, sent=False) from None
        except NotPermitted as error:
            raise HttpFailure(str(error), sent=True) from None

    async def list_rows(
        self, service: str, entity_set: str, condition: str, order: str, operation: str, *, expand: str = ""
    ) -> list[msgspec.Raw]:
        """All rows of a question. Errors: `NotSent`, `NotPermitted`, `HttpFailure`, also for more than the limit."""
        rows: list[msgspec.Raw] = []
        while True:
            query = {"$filter": condition, "$orderby": order, "$top": str(_LIST_PAGE), "$skip": str(len(rows))}
            if expand:
                query["$expand"] = expand
            response = await self._transport.read(f"{service}/{entity_set}", query, operation)
            listed = _opened(response, _listed, operation).d
            rows += listed.results
            if not listed.results or not (listed.next or len(listed.results) >= _LIST_PAGE):
                return rows
            if len(rows) >= _LIST_LIMIT:
                raise HttpFailure(f"{operation}: more than {_LIST_LIMIT} rows", sent=True)


def invoice_filter(company: str, party: str, number: str) -> str:
    forms = dict.fromkeys((padded(party), unpadded(party)))
    parties = " or ".join(f"InvoicingParty eq {feeds.quoted(form)}" for form in forms)
    return (
        f"CompanyCode eq {feeds.quoted(company)} and SupplierInvoiceIDByInvcgParty eq "
        f"{feeds.quoted(reference_number(number))} and ({parties})"
    )


def _opened(response: HttpResponse, decoder: msgspec.json.Decoder[T], operation: str) -> T:
    """The JSON of a read. Errors: `HttpFailure` for any other status and for what is not OData, a login page say."""
    if response.status_code != 200:
        error = error_of(response.content)
        raise HttpFailure(
            f"{operation}: answer {response.status_code} {text_of(error) if error else ''}".strip(), sent=True
        )
    try:
        return decoder.decode(response.content)
    except msgspec.DecodeError:
        raise HttpFailure(f"{operation}: the answer is not OData", sent=True) from None


def _pulled(kind: ObjectKind, row: Mapping[str, Any], content: bytes) -> Pulled:
    match kind:
        case "order":
            key, feed = unpadded(row["PurchaseOrder"]), _ORDERS
        case "receipt":
            key, feed = f"{row['MaterialDocument']}/{row['MaterialDocumentYear']}", _RECEIPTS
        case _:
            changed = bool(row.get("LastChangeDate"))
            key, feed = unpadded(row.get("Supplier")), feeds.FEEDS["supplier"][1 if changed else 0]
    return Pulled(kind, key, str(feeds.position(feed, row).at), content)


def _is_purchase(row: Mapping[str, Any]) -> bool:
    """Whether a material document has an item of a purchase order; the others (sales, stock transfers) are not ours."""
    children = row.get("to_MaterialDocumentItem")
    items = children.get("results") if isinstance(children, dict) else children
    return any((item.get("PurchaseOrder") or "").strip("0") for item in items or ())
