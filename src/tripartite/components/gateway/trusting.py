"""Whose signature counts on what comes over a connection, as the estate's settings say."""

from __future__ import annotations

from datetime import datetime

from tripartite.core.estate import Estate
from tripartite.runtime.protocol import Trust


def trust_of(estate: Estate, connection: str, at: datetime) -> Trust | None:
    """The signers that a connection names (`xml_signers`, `xml_signature`); None where it names none."""
    configured = estate.connection(connection)
    settings = configured.settings if configured else {}
    if "xml_signers" not in settings and "xml_signature" not in settings:
        return None
    return Trust(settings.get("xml_signers", ""), settings.get("xml_signature") == "required", at)
