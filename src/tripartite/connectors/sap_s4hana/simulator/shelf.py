"""What the simulated S/4HANA lets be read: lists with `$filter`, `$orderby` and pages, single entities, `$expand`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from tripartite.connectors.sap_s4hana.simulator import finance, invoices, odata
from tripartite.connectors.sap_s4hana.simulator.door import Door
from tripartite.connectors.sap_s4hana.simulator.entities import company_entity, cost_centre_entity
from tripartite.connectors.simulating import Bench, Reply, Request

ROOT = "/sap/opu/odata/sap/"
_SETS = {
    "A_PurchaseOrder": ("API_PURCHASEORDER_PROCESS_SRV", "order"),
    "A_PurchaseOrderItem": ("API_PURCHASEORDER_PROCESS_SRV", "order_item"),
    "A_MaterialDocumentHeader": ("API_MATERIAL_DOCUMENT_SRV", "receipt"),
    "A_MaterialDocumentItem": ("API_MATERIAL_DOCUMENT_SRV", "receipt_item"),
    "A_BusinessPartner": ("API_BUSINESS_PARTNER", "supplier"),
    "A_SupplierInvoice": ("API_SUPPLIERINVOICE_PROCESS_SRV", "invoice"),
    "A_CostCenter": ("API_COSTCENTER_SRV", "cost_centre"),
    "A_CompanyCode": ("API_COMPANYCODE_SRV", "company"),
    "A_OperationalAcctgDocItemCube": ("API_OPLACCTGDOCITEMCUBE_SRV", "open_item"),
}

# Fields by which single documents are looked for.
_INDEXED = {
    "order": frozenset({"PurchaseOrder", "CorrespncExternalReference"}),
    "receipt": frozenset({"MaterialDocumentHeaderText"}),
    "receipt_item": frozenset({"PurchaseOrder"}),
}


class Shelf:
    """Reading, and nothing else."""

    def __init__(self, bench: Bench, door: Door, page_size: int) -> None:
        self.bench = bench
        self.world = door.world
        self._door = door
        self._page_size = page_size
        self._indexes: dict[tuple[str, str], tuple[int, dict[str, list[odata.Row]]]] = {}
        self._sorted: dict[tuple[str, str], tuple[int, list[odata.Row]]] = {}  # what was sorted, and at which revision

    def _rows(self, kind: str, equal: Mapping[str, str]) -> Iterable[dict[str, Any]]:
        if kind == "invoice":
            found = self.world.bookings
            if "SupplierInvoiceIDByInvcgParty" in equal:
                found = self.world.by_reference.get(equal["SupplierInvoiceIDByInvcgParty"], [])
            now = self.bench.clock()
            return (invoices.entity(booking) for booking in found if booking.visible_at <= now)
        if kind == "receipt_item":
            return (item for row in self._visible("receipt") for item in row["to_MaterialDocumentItem"])
        if kind == "order_item":
            return (item for row in self._visible("order") for item in row["to_PurchaseOrderItem"])
        if kind == "cost_centre":
            return (cost_centre_entity(row) for rows in self.world.cost_centres.values() for row in rows)
        if kind == "company":
            return (company_entity(company) for company in self.world.companies.values())
        if kind == "open_item":
            return finance.items(self.world, self.bench.clock())
        return self._visible(kind)

    def _visible(self, kind: str) -> Iterable[dict[str, Any]]:
        hidden = self.world.hidden
        entities = self.world.entities[kind]
        if not hidden:
            return entities.values()
        now = self.bench.clock()
        return (row for key, row in entities.items() if hidden.get((kind, key), 0.0) <= now)

    def _ordered(self, kind: str, condition: odata.Filter | None, fields: str) -> list[odata.Row]:
        equal = condition.equal if condition else {}
        if condition and condition.among and condition.among.keys() <= _INDEXED.get(kind, frozenset()):
            rows = {id(row): row for field, texts in condition.among.items() for row in self._named(kind, field, texts)}
            return odata.order(list(rows.values()), fields)
        if kind not in ("order", "receipt", "receipt_item", "supplier") or self.world.hidden:
            return odata.order(list(self._rows(kind, equal)), fields)
        held = self._sorted.get((kind, fields))
        if held is None or held[0] != self.world.revision:
            held = self._sorted[kind, fields] = (
                self.world.revision,
                odata.order(list(self._rows(kind, equal)), fields),
            )
        return held[1]

    def _named(self, kind: str, field: str, texts: Collection[str]) -> Iterable[odata.Row]:
        """The rows of which a field has one of these texts, by an index of what was there at this revision."""
        held = self._indexes.get((kind, field))
        if held is None or held[0] != self.world.revision or self.world.hidden:
            index: dict[str, list[odata.Row]] = {}
            for row in self._rows(kind, {}):
                index.setdefault(str(row.get(field)), []).append(row)
            held = self._indexes[kind, field] = (self.world.revision, index)
        return (row for text in texts for row in held[1].get(text, ()))

    async def list(self, request: Request, match: re.Match[str]) -> Reply:
        if reply := self._door.refused(request, "read", write=False) or await self.bench.before("read"):
            return reply
        service, kind = _SETS.get(match[2], ("", ""))
        if service != match[1]:
            return odata.error("/IWFND/MED/170", f"No service found for {match[1]}/{match[2]}", 404)
        query = request.query
        try:
            condition = odata.Filter(query["$filter"]) if query.get("$filter") else None
        except odata.BadQuery as error:
            return odata.error("/IWFND/CM_MGW/571", str(error))  # (u)
        skip = int(query.get("$skip", "0"))
        top = int(query["$top"]) if "$top" in query else None
        counted = query.get("$inlinecount") == "allpages"
        chosen: list[odata.Row] = []
        for row in self._ordered(kind, condition, query.get("$orderby", "")):
            if condition is None or condition.test(row):
                chosen.append(row)
                if not counted and top is not None and len(chosen) >= skip + top:
                    break
        # Both wrappings of the limit: what the caller asks for, and what the server is willing to give at once.
        wanted = chosen[skip:] if top is None else chosen[skip : skip + top]
        start = int(query.get("$skiptoken", "0"))
        page = wanted[start : start + self._page_size]
        expand = _expansion(query.get("$expand", ""))
        answer: dict[str, Any] = {"results": [expanded(match[2], row, expand) for row in page]}
        if counted:
            answer["__count"] = str(len(chosen))
        if start + len(page) < len(wanted):
            pairs = {**query, "$skiptoken": str(start + len(page))}
            text = "&".join(f"{name}={quote(value, safe='$')}" for name, value in pairs.items())
            answer["__next"] = f"https://s4h.example{ROOT}{match[1]}/{match[2]}?{text}"
        return odata.entity(answer)

    async def entity(self, request: Request, match: re.Match[str]) -> Reply:
        if reply := self._door.refused(request, "read", write=False) or await self.bench.before("read"):
            return reply
        service, kind = _SETS.get(match[2], ("", ""))
        if service != match[1]:
            return odata.error("/IWFND/MED/170", f"No service found for {match[1]}/{match[2]}", 404)
        row = self._by_key(kind, odata.keys(unquote(match[3])))
        if row is None:
            return odata.error("/IWBEP/CM_MGW_RT/004", f"Resource not found for {match[2]}", 404)  # (u)
        return odata.entity(expanded(match[2], row, _expansion(request.query.get("$expand", ""))))

    def _by_key(self, kind: str, key: Mapping[str, str]) -> dict[str, Any] | None:
        if kind == "invoice":
            booking = self.world.by_number.get((key.get("SupplierInvoice", ""), key.get("FiscalYear", "")))
            return invoices.entity(booking) if booking and booking.visible_at <= self.bench.clock() else None
        if kind == "receipt":
            return self.world.entities[kind].get((key.get("MaterialDocument", ""), key.get("MaterialDocumentYear", "")))
        number = key.get("", "")
        return self.world.entities[kind].get(number) or self.world.entities[kind].get(number.lstrip("0"))


Expansion = dict[str, "Expansion"]


def _expansion(text: str) -> Expansion:
    tree: Expansion = {}
    for path in text.split(","):
        place = tree
        for step in path.strip().split("/"):
            if step:
                place = place.setdefault(step, {})
    return tree


def expanded(name: str, row: Mapping[str, Any], expand: Expansion) -> dict[str, Any]:
    """An entity with the children asked for inline and the others as links, as V2 shows them."""
    result: dict[str, Any] = {"__metadata": {"type": name + "Type", "uri": name}}
    for field, value in row.items():
        if field == "__etag":
            result["__metadata"]["etag"] = value
            continue
        if not field.startswith("to_"):
            result[field] = value
        elif field not in expand:
            result[field] = {"__deferred": {"uri": f"{name}/{field}"}}
        elif isinstance(value, list):
            result[field] = {"results": [expanded(field, child, expand[field]) for child in value]}
        elif isinstance(value, Mapping):
            result[field] = expanded(field, value, expand[field])
    return result
