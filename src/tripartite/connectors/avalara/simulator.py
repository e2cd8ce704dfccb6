"""AvaTax on the bench: reckons from its own tables, keeps a log of what it was asked, records nothing for orders.

Written from AvaTax's public models and error codes (docs/connectors/avalara.md), never from our translation; it imports
neither `wire` nor `transform`. Its rates are its own and not our estate's.

Settings (all optional)
    account_id, license_key     what HTTP Basic must carry; default `2000000001`, `avalara-license`
    companies                   comma-separated company codes of the account; default `DEFAULT,DE01,PL02,AT04,US01`
    reverse_charge              `net_zero` (default): Output and Input details that cancel out; `none`: no details
    rates                       `CC=percent,...`: standard rates that replace those of the tables (a rate that changed)

Faults beside the bench's: `rate_limit` (RequestLimitExceeded in a 400), `wrong_jurisdiction` (taxes somewhere else),
`foreign` (another document's answer), `recorded` (answers Saved, as a PurchaseInvoice would be), `bad_address` (309 for
a good one), `fraction` (a line's details do not add up). `slow` is the bench's `hang`.

Truth: `quotes` is the log (code, company, total, how often it was asked), `recorded` what stands in a tax return.
`arrange` takes {"rates": {"DE": "16"}}.
"""

from __future__ import annotations

import base64
import json
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tripartite.connectors.simulating import Bench, Reply, Request, json_reply

# Standard and reduced VAT in percent, by country; a code below the standard is asked for by its tax code.
VAT = {"DE": ("19", "7"), "AT": ("20", "10"), "PL": ("23", "8"), "FR": ("20", "5.5"), "NL": ("21", "9")}
# Sales and use tax: (jurisdiction type, name, fraction), by state and the beginning of the postal code ("" for all).
SALES: dict[str, dict[str, tuple[tuple[str, str, str], ...]]] = {
    "CO": {
        "": (("STA", "COLORADO", "0.029"),),
        "802": (
            ("STA", "COLORADO", "0.029"),
            ("CTY", "DENVER", "0.0481"),
            ("STJ", "REGIONAL TRANSPORTATION DISTRICT", "0.01"),
            ("STJ", "SCIENTIFIC AND CULTURAL FACILITIES DISTRICT", "0.001"),
        ),
    },
    "TX": {"": (("STA", "TEXAS", "0.0625"),), "752": (("STA", "TEXAS", "0.0625"), ("CIT", "DALLAS", "0.02"))},
    "OR": {"": ()},
}
REDUCED = ("PB", "PF")  # books and food, in these tables
NOT_TAXED = ("NT",)
ORDERS = {"PurchaseOrder", "SalesOrder", "ReturnOrder"}


def build(settings: dict[str, str], seed: int = 0) -> AvaTax:
    """An AvaTax with these settings; the same seed strikes the same faults."""
    return AvaTax(settings, seed)


class Refused(Exception):
    def __init__(self, status: int, code: str, number: int, message: str, refers_to: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.body = {
            "error": {
                "code": "GetTaxError" if code == "InvalidAddress" else code,
                "message": message,
                "target": "HttpRequest",
                "details": [
                    {
                        "code": code,
                        "number": number,
                        "message": message,
                        "faultCode": "Client",
                        "helpLink": f"/avatax/errors/{code}",
                        "refersTo": refers_to,
                        "severity": "Error",
                    }
                ],
            }
        }


class AvaTax(Bench):
    """The ASGI app."""

    def __init__(self, settings: dict[str, str], seed: int) -> None:
        super().__init__(seed=seed)
        self.settings = settings
        self.companies = settings.get("companies", "DEFAULT,DE01,PL02,AT04,US01").split(",")
        self.rates = {country: rates[0] for country, rates in VAT.items()}
        pairs = (pair.partition("=") for pair in settings.get("rates", "").split(",") if pair)
        self.rates |= {country: rate for country, _, rate in pairs}
        self.quotes: dict[str, dict[str, Any]] = {}
        self.recorded: list[str] = []
        self.truth = lambda: {"quotes": self.quotes, "recorded": self.recorded}
        self.arrange = self._arrange
        self.route("GET", "/api/v2/utilities/ping", "ping", self._ping)
        self.route("POST", "/api/v2/transactions/create", "tax_quote", self._create)

    def _arrange(self, wanted: dict[str, Any]) -> dict[str, int]:
        self.rates |= wanted.get("rates", {})
        return {"rates": len(self.rates)}

    def _signed_in(self, request: Request) -> bool:
        pair = f"{self.settings.get('account_id', '2000000001')}:{self.settings.get('license_key', 'avalara-license')}"
        return request.headers.get("authorization", "") == f"Basic {base64.b64encode(pair.encode()).decode()}"

    async def _ping(self, request: Request, _: re.Match[str]) -> Reply:
        if (early := await self.before("ping")) is not None:
            return early
        return json_reply({"version": "26.9.0", "authenticated": self._signed_in(request)})

    async def _create(self, request: Request, _: re.Match[str]) -> Reply:
        if (early := await self.before("tax_quote")) is not None:
            return early
        try:
            if not self._signed_in(request):
                raise Refused(401, "AuthenticationException", 28, "Authentication failed.")
            if self.fault("tax_quote", "rate_limit"):
                raise Refused(400, "RequestLimitExceeded", 1715, "Too many requests.")
            try:
                asked = json.loads(request.body, parse_float=Decimal, parse_int=Decimal)
            except ValueError:
                raise Refused(400, "ValueRequiredError", 5, "The body is not JSON.") from None
            answer = self._reckon(asked)
        except Refused as refused:
            return json_reply(refused.body, refused.status)
        code = str(answer["code"])
        known = self.quotes.setdefault(code, {"company": asked["companyCode"], "times": 0})
        known["times"] += 1
        known["total"] = str(answer["totalTax"])
        if answer["status"] != "Temporary":
            self.recorded.append(code)
        if (late := await self.after("tax_quote")) is not None:
            return late
        self._lie(answer)
        return Reply(201, _json(answer), {"content-type": "application/json"})

    def _lie(self, answer: dict[str, Any]) -> None:
        if self.fault("tax_quote", "foreign"):
            answer["code"] = "DE01-" + "0" * 32
        if self.fault("tax_quote", "recorded"):
            answer["status"] = "Saved"
        if self.fault("tax_quote", "wrong_jurisdiction"):
            for line in answer["lines"]:
                for detail in line["details"]:
                    detail |= {"country": "CA", "region": "ON", "jurisName": "ONTARIO"}
        if self.fault("tax_quote", "fraction"):
            answer["lines"][0]["tax"] += Decimal("0.01")

    def _reckon(self, asked: dict[str, Any]) -> dict[str, Any]:
        for name in ("date", "customerCode", "lines"):
            if not asked.get(name):
                raise Refused(400, "ValueRequiredError", 5, f"Field '{name}' is required.", name)
        company = asked.get("companyCode") or "DEFAULT"
        if company not in self.companies:
            raise Refused(404, "EntityNotFoundError", 4, f"Company with code '{company}' not found.", "companyCode")
        kind = asked.get("type", "SalesOrder")
        ship_from, ship_to = self._places(asked.get("addresses") or {})
        vendor = str(asked.get("businessIdentificationNo") or "")[:2]
        lines = [self._line(line, ship_from, ship_to, vendor) for line in asked["lines"]]
        return {
            "id": Decimal(0),
            "code": asked["code"],
            "date": asked["date"],
            "taxDate": asked["date"],
            "status": "Temporary" if kind in ORDERS else "Committed" if asked.get("commit") else "Saved",
            "type": kind,
            "currencyCode": asked.get("currencyCode") or "USD",
            "customerCode": asked["customerCode"],
            "totalAmount": sum((line["lineAmount"] for line in lines), Decimal(0)),
            "totalTax": sum((line["tax"] for line in lines), Decimal(0)),
            "totalTaxCalculated": sum((line["tax"] for line in lines), Decimal(0)),
            "version": Decimal(1),
            "softwareVersion": "26.9.0.0",
            "lines": lines,
            "messages": [],
        }

    def _places(self, said: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        single = said.get("singleLocation")
        ship_to = said.get("shipTo") or single or {}
        ship_from = said.get("shipFrom") or single or {}
        if self.fault("tax_quote", "bad_address") or not self._known(ship_from) or not self._known(ship_to):
            raise Refused(400, "InvalidAddress", 309, "Address is incomplete or invalid.", "Address")
        return ship_from, ship_to

    def _known(self, place: dict[str, Any]) -> bool:
        if not place.get("country"):
            return False
        if place["country"] == "US":
            return place.get("region") in SALES and bool(place.get("postalCode"))
        return len(place["country"]) == 2

    def _line(
        self, line: dict[str, Any], ship_from: dict[str, Any], ship_to: dict[str, Any], vendor: str
    ) -> dict[str, Any]:
        amount = Decimal(line["amount"])
        details = self._details(amount, str(line.get("taxCode") or ""), ship_from, ship_to, vendor)
        return {
            "lineNumber": line["number"],
            "lineAmount": amount,
            "taxableAmount": amount if details else Decimal(0),
            "exemptAmount": Decimal(0) if details else amount,
            "taxCode": line.get("taxCode", ""),
            "tax": sum((detail["tax"] for detail in details), Decimal(0)),
            "details": details,
        }

    def _details(
        self, amount: Decimal, code: str, ship_from: dict[str, Any], ship_to: dict[str, Any], vendor: str
    ) -> list[dict[str, Any]]:
        country = ship_to["country"]
        if code.startswith(NOT_TAXED):
            return []
        if country == "US":
            table = SALES[ship_to["region"]]
            postal = str(ship_to.get("postalCode", ""))
            rows = max(((start, rows) for start, rows in table.items() if postal.startswith(start)), default=("", ()))[
                1
            ]
            return [
                _detail(amount, Decimal(rate), country, ship_to["region"], kind, name, "Use")
                for kind, name, rate in rows
            ]
        if country not in self.rates:
            return []
        rate = Decimal(VAT[country][1] if code.startswith(REDUCED) else self.rates[country]) / 100
        name = f"{country} VAT"
        if ship_from["country"] == country or vendor == country:
            return [_detail(amount, rate, country, country, "CNT", name, "Output")]
        if ship_from["country"] not in VAT:
            return []
        if self.settings.get("reverse_charge", "net_zero") == "none":
            return []
        output = _detail(amount, rate, country, country, "CNT", name, "Output")
        return [output, {**output, "taxType": "Input", "tax": -output["tax"]}]


def _detail(
    amount: Decimal, rate: Decimal, country: str, region: str, kind: str, name: str, tax_type: str
) -> dict[str, Any]:
    return {
        "country": country,
        "region": region,
        "jurisType": kind,
        "jurisName": name,
        "rate": rate,
        "taxableAmount": amount,
        "tax": (amount * rate).quantize(Decimal("0.01"), ROUND_HALF_UP),
        "taxType": tax_type,
        "taxName": f"{name} {tax_type}",
    }


def _json(value: Any) -> bytes:
    """JSON with numbers in their exact digits, and zeros behind them as .NET writes them."""
    return _text(value).encode()


def _text(value: Any) -> str:
    match value:
        case Decimal():
            return format(value, "f")
        case dict():
            return "{" + ",".join(f"{json.dumps(key)}:{_text(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ",".join(_text(each) for each in value) + "]"
        case _:
            return json.dumps(value)
