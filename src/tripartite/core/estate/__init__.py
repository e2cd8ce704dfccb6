"""The estate of a company as typed data: read from reviewed text, proved, and asked.

    load_estate(text) -> Estate, or what is wrong with its shape, with lines
    check_estate(estate, kinds, text) -> what does not hold between its rows

Not for policy (core/policy) and not for resolved secrets (runtime/secrets).
"""

from tripartite.core.estate.calendar import Calendar, add_business_time, business_time_between
from tripartite.core.estate.check import EstateFinding, KindFacts, check_estate
from tripartite.core.estate.model import (
    DOCUMENT_TYPES,
    FIELD_GROUPS,
    Company,
    Connection,
    Estate,
    Mode,
    Outbound,
    OwnAccount,
    Owner,
    RateRow,
    Route,
    Subscriber,
    TaxCodeRow,
    WordMapping,
)
from tripartite.core.estate.read import load_estate
from tripartite.core.estate.reading import Wrong

__all__ = [
    "DOCUMENT_TYPES",
    "FIELD_GROUPS",
    "Calendar",
    "Company",
    "Connection",
    "Estate",
    "EstateFinding",
    "KindFacts",
    "Mode",
    "Outbound",
    "OwnAccount",
    "Owner",
    "RateRow",
    "Route",
    "Subscriber",
    "TaxCodeRow",
    "WordMapping",
    "Wrong",
    "add_business_time",
    "business_time_between",
    "check_estate",
    "load_estate",
]
