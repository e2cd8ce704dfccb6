"""An event as the outside gets it: CloudEvents 1.0 in JSON, with account numbers masked.

    event = cloud_event(message, estate="norddal", sequence=17)     None where the event is ours alone

`id` and `source` name an event once and for all: whoever gets it twice may drop the second. `sequence` grows within
one `subject`. Extension attributes are lower case without separators, as the specification asks.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from tripartite.core import codec
from tripartite.core.contracts.published import BY_NAME, number_of
from tripartite.core.envelope import Message
from tripartite.core.objects import BankAccount

MEDIA_TYPE = "application/cloudevents+json"
SCHEMA_AT = "/v1/asyncapi.json"
_IBAN = re.compile(r"\b[A-Za-z]{2}[0-9]{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,4})?\b", re.ASCII)


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes of one event; `data` has the shape that the catalogue names for its `type`."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str  # /estates/NAME/companies/CODE
    type: str
    subject: str  # kind/number: what it is about
    time: datetime  # when it happened in the world, UTC
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    companycode: str
    correlationid: str
    sequence: str  # decimal; a higher one of the same subject is later
    data: Any
    causationid: str | msgspec.UnsetType = msgspec.UNSET
    origin: str | msgspec.UnsetType = msgspec.UNSET  # the connection whose news it carries; absent: our own


def cloud_event(message: Message, *, estate: str, sequence: int) -> CloudEvent | None:
    """A message of the bus as an event for the outside; None where the catalogue does not name its type."""
    published = BY_NAME.get(message.type)
    if published is None:
        return None
    value: Any = codec.decode_own(message.payload, published.shape)
    return CloudEvent(
        id=message.message_id,
        source=f"/estates/{quote(estate, safe='')}/companies/{quote(message.company_code, safe='')}",
        type=message.type,
        subject=f"{published.kind}/{number_of(value)}",
        time=message.occurred_at,
        dataschema=f"{SCHEMA_AT}#/components/schemas/{published.shape.__name__}",
        companycode=message.company_code,
        correlationid=message.correlation_id,
        causationid=message.causation_id or msgspec.UNSET,
        origin=message.source or msgspec.UNSET,
        sequence=str(sequence),
        data=masked(value),
    )


def masked(value: Any) -> Any:
    """The same value without account numbers: country and last four stay, in accounts and in whatever words name one.

    A value without any is given back as it is.
    """
    match value:
        case BankAccount():
            return msgspec.structs.replace(value, account=_masked_account(value.account))
        case str():
            return _IBAN.sub(_masked_found, value) if len(value) >= 15 else value
        case tuple():
            return tuple(masked(each) for each in value)
        case msgspec.Struct():
            changes = {}
            for name in _names(type(value)):
                before = getattr(value, name)
                after = masked(before)
                if after is not before and after != before:
                    changes[name] = after
            return msgspec.structs.replace(value, **changes) if changes else value
        case _:
            return value


@cache
def _names(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    return kind.__struct_fields__


def _masked_account(account: str) -> str:
    plain = account.replace(" ", "")
    country = plain[:2] if plain[:2].isalpha() else ""
    return f"{country}**{plain[-4:]}" if len(plain) > 8 else "**"


def _masked_found(found: re.Match[str]) -> str:
    plain = found[0].replace(" ", "").upper()
    if not 15 <= len(plain) <= 34 or int("".join(str(int(mark, 36)) for mark in plain[4:] + plain[:4])) % 97 != 1:
        return found[0]  # an order number that looks like one stays readable
    return _masked_account(plain)
