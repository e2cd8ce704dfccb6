"""Under which of our codes a line falls: the stated one, unless goods come from another member state of the union.

Rules: Council Directive 2006/112/EC, articles 138 (the supply is exempt there), 20 and 200 (the acquisition is taxed
here, by the buyer). Who the seller is, for the tax, says the number he sells under: a German supplier with an Austrian
number who sells in Austria is domestic there. Nothing else is decided here: a code that already says exempt, reverse
charge or nothing stays as it is, and so does every supply from outside the union.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tripartite.core.objects import TaxCode
from tripartite.core.objects.tax_quote import TaxQuestion
from tripartite.core.tax.tables import TaxTables

Treatment = Literal["domestic", "intra_community", "third_country"]

UNION = frozenset(
    [
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU"),
        *("LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    ]
)
_PREFIXES = {"EL": "GR"}  # Greece sells under EL; the others under their ISO code
INTRA_COMMUNITY = "K"  # UNTDID 5305


def seller_country(question: TaxQuestion) -> str:
    """Where the seller is taxed: by the prefix of his VAT number, else by where the goods come from; else empty."""
    prefix = question.supplier_tax_id.strip()[:2].upper()
    prefix = _PREFIXES.get(prefix, prefix)
    if prefix in UNION:
        return prefix
    return question.ship_from.country if question.ship_from is not None else ""


def treatment_of(question: TaxQuestion) -> Treatment:
    """How a supply is treated where it arrives. Domestic too where nobody said where it comes from."""
    seller = seller_country(question)
    buyer = question.ship_to.country if question.ship_to is not None else ""
    if not seller or not buyer or seller == buyer:
        return "domestic"
    left = question.ship_from.country if question.ship_from is not None else seller
    if {seller, buyer, left} <= UNION:
        # Goods that never left the country are domestic there, whatever number they are sold under.
        return "domestic" if left == buyer else "intra_community"
    return "third_country"


def codes_for(codes: Sequence[TaxCode], question: TaxQuestion, tables: TaxTables) -> tuple[TaxCode, ...]:
    """The codes a line falls under. Only what says "taxed by the seller" is replaced, by the one code there is."""
    if treatment_of(question) != "intra_community" or not any(one.kind == "normal" for one in codes):
        return tuple(codes)
    assert question.ship_to is not None
    other = tables.of_category(question.ship_to.country, INTRA_COMMUNITY, question.taxed_on)
    if other is None:
        return tuple(codes)
    kept = tuple(one for one in codes if one.kind != "normal")
    return (*kept, other) if other not in kept else kept
