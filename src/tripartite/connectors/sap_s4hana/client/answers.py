"""Takes SAP's answers apart: the error and its details, the warning. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tripartite.connectors.sap_s4hana import wire
from tripartite.connectors.sap_s4hana.client.transport import value_of

_LONGEST_DETAIL = 600

_errors = msgspec.json.Decoder(wire.ErrorBody)


def error_of(content: bytes) -> wire.Error | None:
    try:
        return _errors.decode(content).error
    except msgspec.DecodeError:
        return None


def details_of(error: wire.Error) -> Iterable[wire.ErrorDetail]:
    return error.innererror.errordetails if error.innererror else ()


def text_of(error: wire.Error) -> str:
    """The message and what its details add: the first is often general, and the last only the gateway's exception."""
    first = error.message if isinstance(error.message, str) else error.message.value
    texts = {first: None} if first else {}
    for detail in details_of(error):
        if detail.message and not detail.code.startswith("/IWBEP/CX_"):
            texts.setdefault(detail.message if detail.message == first else f"{detail.code} {detail.message}")
    return "; ".join(texts)[:_LONGEST_DETAIL]


def notice_of(headers: Mapping[str, str]) -> str:
    text = value_of(headers, "sap-message")
    if not text:
        return ""
    try:
        notice = msgspec.json.decode(text, type=wire.Notice)
    except msgspec.DecodeError:
        return ""
    return f"{notice.code} {notice.message}".strip()[:_LONGEST_DETAIL]
