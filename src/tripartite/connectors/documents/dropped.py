"""What the readers of UBL and CII drop on purpose, by name, each with the reason. Everything else is carried.

An element or attribute that is in no reader's table and not here goes to the object's `extra` under its path. A name
comes into this file only by review: it must say nothing about the business, and the raw document keeps it anyway.
"""

from __future__ import annotations

_CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"

ELEMENTS: dict[str, str] = {
    _CBC + "UBLVersionID": "version of the syntax, not of the business; 2.0 and 2.1 share one namespace",
    _CBC + "NetworkID": "UBL demands a card network beside a card number; EN 16931 has no term for it",
    _DS + "Signature": "not verified: who sent a document is known from its channel, never from the document",
}

_LISTS = "metadata of the code list or identifier scheme, not of the value; the scheme itself is kept"

ATTRIBUTES: dict[str, str] = {
    "schemeName": _LISTS,
    "schemeAgencyID": _LISTS,
    "schemeAgencyName": _LISTS,
    "schemeVersionID": _LISTS,
    "schemeDataURI": _LISTS,
    "schemeURI": _LISTS,
    "listID": _LISTS,
    "listVersionID": _LISTS,
    "listAgencyID": _LISTS,
    "listAgencyName": _LISTS,
    "listName": _LISTS,
    "listURI": _LISTS,
    "listSchemeURI": _LISTS,
    "unitCodeListID": _LISTS,
    "unitCodeListAgencyID": _LISTS,
    "unitCodeListAgencyName": _LISTS,
    "currencyCodeListVersionID": _LISTS,
    "languageID": "the language a text says it is in; the text is kept as it is",
    "encodingCode": "how an embedded file is encoded; it is decoded, and its digest is of the decoded bytes",
    _XSI + "schemaLocation": "a hint where a schema might lie; never fetched, and no reader needs it",
    _XSI + "noNamespaceSchemaLocation": "as schemaLocation",
}

# Values that are dropped only where they say nothing; elsewhere the same element is carried.
VALUES: dict[str, str] = {
    "cac:OrderReference/cbc:ID": "a placeholder (NA, Dummywert) that UBL demands beside a sales order number",
    "cac:PartyTaxScheme/cac:TaxScheme/cbc:ID": "UBL demands a scheme beside a local tax number; BT-32 has none",
    "BT-114": "a stated rounding of zero; no rounding is the same and is what most documents say",
}
