"""Which changes are thought of for which reason, in the order of the catalogue, and what would be wrong to do.

The table of `exceptions.md` ("Counterfactuals"), read by reason code. Which of the offers hold is found out by running
the match on them; what would be wrong is said whether or not it would work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec.structs import replace

from tripartite.core.counterfactuals import goods, papers, parties, prices, taxes
from tripartite.core.counterfactuals.offers import Offer, Trouble

Family = Callable[[Trouble], Iterator[Offer]]

FAMILIES: Mapping[str, tuple[Family, ...]] = {
    "match.quantity_over_received": (goods.more_comes, goods.less_is_claimed),
    "match.not_received": (goods.more_comes,),
    "match.quantity_returned": (goods.less_is_claimed, goods.more_comes),
    "match.quantity_over_accepted": (goods.more_is_accepted, goods.less_is_claimed),
    "match.quantity_over_delivered": (goods.more_is_ordered, goods.less_is_claimed),
    "match.quantity_over_ordered": (goods.more_is_ordered, goods.less_is_claimed),
    "match.quantity_over_withdrawn": (goods.more_comes, goods.less_is_claimed),
    "match.catch_weight_out_of_range": (goods.weigh_ticket,),
    "match.amount_over_order_limit": (goods.limit_is_raised, goods.less_is_claimed),
    "match.amount_over_line": (goods.advance_is_agreed, prices.quantity_is_stated),
    "service.no_entry": (goods.more_comes,),
    "service.over_entry": (goods.more_comes, goods.less_is_claimed),
    "match.price_over_limit": (
        prices.order_price_is_amended,
        prices.difference_is_credited,
        prices.price_is_corrected,
        goods.less_is_credited,
    ),
    "match.credit_over_billed": (goods.less_is_credited,),
    "match.price_cumulative_over_limit": (prices.difference_is_credited, prices.order_price_is_amended),
    "match.price_under_limit": (prices.order_price_is_amended, prices.price_is_corrected),
    "match.price_version_differs": (
        prices.difference_is_credited,
        prices.price_is_corrected,
        prices.order_price_is_amended,
    ),
    "match.price_basis_inconsistent": (prices.basis_is_corrected,),
    "match.price_over_contract": (
        prices.difference_is_credited,
        prices.price_is_corrected,
        prices.contract_price_is_changed,
    ),
    "match.total_over_expected": (prices.tolerated_sum_is_lowered,),
    "match.amount_over_supplier_limit": (prices.supplier_limit_is_raised,),
    "match.arithmetic": (prices.sums_are_corrected,),
    "match.unit_unknown": (parties.conversion_is_agreed,),
    "charge.over_planned": (taxes.charge_is_planned, taxes.charge_is_dropped),
    "charge.unplanned": (taxes.charge_is_planned, taxes.charge_is_dropped),
    "charge.carrier_unmatched": (goods.shipment_arrives, taxes.charge_is_planned),
    "tax.amount_over": (taxes.engine_confirms, taxes.tax_is_corrected),
    "tax.amount_under": (taxes.engine_confirms, taxes.tax_is_corrected),
    "tax.code_differs": (taxes.tax_mapping_is_corrected, taxes.order_tax_is_amended, taxes.tax_code_is_corrected),
    "tax.missing": (taxes.tax_code_is_corrected,),
    "tax.ratio_implausible": (taxes.tax_is_corrected,),
    "tax.withholding_wrong": (taxes.withholding_is_corrected,),
    "currency.mismatch": (parties.currency_is_settled,),
    "currency.rate_missing": (parties.rate_is_loaded,),
    "currency.rate_over_limit": (parties.rate_is_loaded,),
    "supplier.mismatch": (parties.same_party_is_confirmed,),
    "supplier.unknown": (parties.supplier_is_confirmed,),
    "supplier.inactive": (parties.supplier_is_confirmed,),
    "supplier.blocked": (parties.supplier_is_confirmed,),
    "supplier.bank_mismatch": (parties.supplier_is_confirmed,),
    "reference.order_missing": (papers.order_becomes_known,),
    "reference.order_unknown": (papers.order_becomes_known,),
    "reference.line_unmatched": (papers.line_is_linked,),
    "reference.line_ambiguous": (papers.line_is_linked,),
    "reference.receipt_missing": (goods.note_arrives,),
    "reference.order_closed": (papers.order_is_opened,),
    "reference.order_not_approved": (papers.order_is_opened,),
    "reference.contract_invalid": (papers.contract_is_extended,),
    "reference.credit_orphan": (papers.original_is_named,),
    "duplicate.exact": (papers.twin_is_settled,),
    "duplicate.probable": (papers.twin_is_settled,),
    "duplicate.cross_entity": (papers.twin_is_settled,),
    "terms.early": (papers.date_passes,),
}


def may_be_cleared(code: str) -> bool:
    """Whether any change of fact is thought of for a reason; the others are for a person to decide."""
    return code in FAMILIES or code == "approval.changed_after"


def offers_for(trouble: Trouble) -> Iterator[Offer]:
    """Everything that may clear a finding. What was booked and changed since is cleared by what clears the change."""
    for family in FAMILIES.get(trouble.finding.code, ()):
        yield from family(trouble)
    if trouble.finding.code == "approval.changed_after":
        for other in trouble.result.findings:
            for family in FAMILIES.get(other.code, ()):
                yield from family(replace(trouble, finding=other))


# What must not be done, as (deed, why), by reason code or, where that has none, by area.
WRONG: Mapping[str, tuple[str, str]] = {
    "match.quantity": (
        "Receiving confirms goods that are not there, or AP edits the quantity",
        "The receipt proves that goods came and the supplier's document is evidence: neither is made to fit.",
    ),
    "match.quantity_over_ordered": (
        "Splitting the rest into a second order",
        "It goes round the approval that the larger order would have needed.",
    ),
    "match.quantity_over_delivered": (
        "Splitting the rest into a second order",
        "It goes round the approval that the larger order would have needed.",
    ),
    "match.amount_over_order_limit": (
        "Splitting the rest into a second order",
        "It goes round the approval that the higher limit would have needed.",
    ),
    "match.price": (
        "AP edits the price on the invoice, or the tolerance is raised for one invoice",
        "The supplier's document is evidence, and a tolerance is a rule for all invoices with an approval of its own.",
    ),
    "match.not_received": (
        "Approving the invoice to make it go away",
        "It would be paid for goods that nobody has seen; the receipt clears it without anybody's act.",
    ),
    "service": (
        "The biller's contact or the buyer accepts the service himself",
        "Who ordered or sold it may not be the one who says that it was done.",
    ),
    "tax": (
        "Changing the tax code to fit the amount",
        "The code says how a supply is taxed; a wrong one makes the return wrong, whatever the sum.",
    ),
    "supplier": (
        "Calling the number on the invoice, or paying just this one",
        "Who forges a letter forges its number too; a confirmation comes from a number already on file, by two people.",
    ),
    "duplicate": (
        "Paying both, or changing a number so that they look different",
        "One delivery is owed for once; a correction names what it replaces.",
    ),
    "match.arithmetic": (
        "AP corrects the sum",
        "The supplier's document is evidence; it goes back with the sum shown.",
    ),
    "reference": (
        "Linking the invoice to any open order that still has room",
        "An order is the approval of one purchase, not of the next that fits in.",
    ),
    "currency": (
        "Typing a rate that makes the amounts agree",
        "The rate is the table's of that day; a difference is booked as an exchange difference.",
    ),
    "charge": (
        "Adding the charge to the price of a line",
        "It would hide the charge from its own limit and from the price of the goods.",
    ),
}


def wrong_deed(code: str) -> tuple[str, str] | None:
    """What must not be done about a reason, and why: by its code, else its family of codes, else its area."""
    area, _, rest = code.partition(".")
    for name in (code, f"{area}.{rest.partition('_')[0]}", area):
        if name in WRONG:
            return WRONG[name]
    return None
