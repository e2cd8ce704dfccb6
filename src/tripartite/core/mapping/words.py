"""One document's foreign words, made ours one by one; what has no counterpart is remembered and becomes one finding.

A missing word is never replaced by a default. The document goes on without it, and the finding holds it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from tripartite.core.estate import Company, Estate
from tripartite.core.estate.names import name_key, number_key, tax_id_key
from tripartite.core.findings import Finding
from tripartite.core.mapping.units import unit_of
from tripartite.core.mapping.xrefs import Xrefs, party_keys
from tripartite.core.money import Rate
from tripartite.core.objects import Party


class Words:
    """What is known for one document of one connection, and what was missing so far."""

    def __init__(self, estate: Estate, xrefs: Xrefs, connection: str) -> None:
        self.estate = estate
        self.xrefs = xrefs
        self.connection = connection
        entry = estate.connection(connection)
        assert entry is not None, f"{connection} is not a connection of the estate"
        self.entry = entry
        self.on: date | None = None  # the day whose tax rates count
        self.missing: dict[tuple[str, str], list[int]] = {}
        self.findings: list[Finding] = []
        # Words that this document says again and again, each looked up once.
        self._orders: dict[str, str] = {}
        self._taxes: dict[tuple[str, str, Rate | None], tuple[str, ...]] = {}

    def miss(self, kind: str, foreign: str, line: int) -> None:
        self.missing.setdefault((kind, foreign), []).append(line)

    # Company ----------------------------------------------------------------------------------------------------

    def company(self, stated: str, buyer: Party | None) -> Company | None:
        """The company a document is for: by the system's own code, else by the buyer's tax number, identifiers or
        exact name, else the connection's default or only company.

        A buyer's tax number that is none of ours is never overruled by a default: the document is for somebody else.
        """
        if stated:
            code = self.estate.word(self.connection, "company", stated)
            return self._served(code, "company", stated)
        if buyer is not None and buyer.tax_id:
            code = self.estate.company_named("tax_id", tax_id_key(buyer.tax_id))
            return self._served(code, "buyer tax number", buyer.tax_id)
        if buyer is not None:
            named = {code for key in party_keys(buyer) if (code := self.estate.company_named("party_id", key))}
            if not named:
                named = {code for name in (buyer.name, buyer.trading_name) if (code := self._alias(name))}
            if len(named) == 1:
                return self._served(named.pop(), "buyer", buyer.name)
            if named:
                self.miss("buyer", f"{buyer.name} ({' or '.join(sorted(named))})", 0)
                return None
        served = self.estate.companies_of(self.connection)
        default = self.entry.default_company or (served[0] if len(served) == 1 else "")
        return self._served(default or None, "buyer", buyer.name if buyer and buyer.name else "not stated")

    def _alias(self, name: str) -> str | None:
        return self.estate.company_named("name", name_key(name)) if name else None

    def _served(self, code: str | None, kind: str, foreign: str) -> Company | None:
        company = self.estate.company(code) if code else None
        if company is None:
            self.miss(kind, foreign, 0)
            return None
        if not self.entry.serves(company.code):
            self.miss(kind, f"{foreign} ({company.code} is not served by {self.connection})", 0)
            return None
        return company

    # Supplier ---------------------------------------------------------------------------------------------------

    def supplier(self, stated_id: str, number: str, party: Party | None) -> str:
        """Our id of the supplier: by the channel's own number, else by tax number, else by an identifier with a
        scheme; never by name. Empty, with a finding, where nobody is found or several are.
        """
        by_tax = self.xrefs.ids("supplier_tax_id", "", tax_id_key(party.tax_id)) if party and party.tax_id else ()
        number = number.strip()
        by_number = (stated_id,) if stated_id else self.xrefs.ids("supplier", self.connection, number) if number else ()
        if len(by_number) == 1:
            if by_tax and by_number[0] not in by_tax:
                self._find(
                    "tax.supplier_number_invalid",
                    f"The channel says supplier {by_number[0]}, the tax number {party.tax_id if party else ''} on the "
                    f"document belongs to {', '.join(by_tax)}.",
                )
            return by_number[0]
        candidates = by_number or by_tax
        by_id: tuple[str, ...] = ()
        for key in party_keys(party) if party else ():
            by_id = self.xrefs.ids("supplier_party_id", "", key)
            if by_id:
                break
        if by_id:
            # An identifier decides between twins, but never brings in somebody whom the tax number excludes.
            both = tuple(entry for entry in candidates if entry in by_id)
            candidates = both if candidates else by_id
        if len(candidates) == 1:
            return candidates[0]
        called = number or (party.tax_id or party.name if party else "") or "not stated"
        if candidates:
            self._find(
                "supplier.duplicate", f"{called} stands for {len(candidates)} suppliers: {', '.join(candidates)}."
            )
        self._find("supplier.unknown", f"No single supplier on file is {called!r} of {self.connection}.")
        return ""

    def _find(self, code: str, words: str) -> None:
        self.findings.append(Finding(code=code, words=words, rule="mapping"))

    # Numbers, units, taxes --------------------------------------------------------------------------------------

    def order_number(self, stated: str) -> str:
        """Our form of an order number: as cross-referenced, else without blanks and in upper case."""
        if stated not in self._orders:
            key = number_key(stated)
            known = self.xrefs.ids("order", self.connection, key)
            ours = known[0] if len(known) == 1 else self.estate.word(self.connection, "order", key) or key
            self._orders[stated] = ours
        return self._orders[stated]

    def unit(self, stated: str, line: int) -> str:
        """Our unit for the system's: by mapping, else by Recommendation 20 where the system speaks it."""
        if not stated:
            return ""
        if "unit" in self.entry.own_words or self.entry.role == "documents":
            ours = unit_of(self.estate.word(self.connection, "unit", stated) or stated)
        else:
            ours = self.estate.word(self.connection, "unit", stated)
        if ours is None:
            self.miss("unit", stated, line)
            return stated
        return ours

    def tax(
        self, codes: tuple[str, ...], category: str, rate: Rate | None, company: Company | None, line: int
    ) -> tuple[str, ...]:
        """Our tax codes: for codes the system stated, else for category and rate in the company's country.

        Nothing stated stays nothing (the match asks for it where tax is due); what cannot be mapped is missing.
        """
        if codes:
            mapped = tuple(self._tax_code(code, line) for code in codes)
            return tuple(code for code in mapped if code)
        if not category or company is None:
            return ()
        place = (company.country, category, rate)
        if place in self._taxes:
            return self._taxes[place]
        rows = self.estate.tax_code_for(company.country, category, rate, self.on)
        if len(rows) == 1:
            self._taxes[place] = (rows[0].code,)
            return self._taxes[place]
        self.miss("tax", f"{company.country} {category}" + (f" {rate} %" if rate is not None else ""), line)
        return ()

    def _tax_code(self, code: str, line: int) -> str:
        ours = self.estate.word(self.connection, "tax_code", code)
        if ours is None:
            self.miss("tax_code", code, line)
        return ours or ""

    def dimension(self, kind: str, stated: str, line: int) -> str:
        """Our cost centre or account for the system's; what cannot be mapped is missing and stays out."""
        if not stated:
            return ""
        ours = self.estate.word(self.connection, kind, stated)
        if ours is None:
            self.miss(kind, stated, line)
        return ours or ""

    def all_findings(self) -> tuple[Finding, ...]:
        """What was found, and one finding for all missing words of the document: one exception, one cause."""
        if not self.missing:
            return tuple(self.findings)
        parts = [
            f"{kind} {foreign!r}{_where(lines)}"
            for (kind, foreign), lines in sorted(self.missing.items(), key=lambda entry: entry[0])
        ]
        breach = "; ".join(f"{kind}:{foreign}" for kind, foreign in sorted(self.missing))
        words = f"{self.connection} says {', '.join(parts)}; there is no word of ours for it."
        missing = Finding(code="integration.mapping_missing", breach=breach, unit="words", words=words, rule="mapping")
        return (*self.findings, missing)


def _where(lines: Iterable[int]) -> str:
    numbers = sorted({line for line in lines if line})
    if not numbers:
        return ""
    shown = ", ".join(str(number) for number in numbers[:5])
    return f" (line {shown}{', ...' if len(numbers) > 5 else ''})"
