"""What a connection's settings tell the translation: the agreement with one bank, in words of ISO 20022.

    initiator_id        our customer id at the bank (GrpHdr/InitgPty/Id); default none
    service_level       of transfers that are not SEPA: NURG (default), URGP, SDVA, ...
    charge_bearer       of the same: SHAR (default), DEBT, CRED
    category_purpose    of all; default SUPP (supplier payment), `none` for no purpose
    batch_booking       `no` (default): one debit for each transfer; `yes`: one for the file
    sepa_remittance     `structured` (default): one invoice is named in a structure; `unstructured`: in text
    address             `required` (default): needed beyond SEPA, and always with town and country; `as_given`
    clearing_system     the code list of local bank codes that say none themselves (USABA, GBDSC, ...); default none
    entry_reference     `shared` (default): the bank may give one reference to several entries; `unique`: never
    time_zone           IANA zone of times that the bank states without offset; default UTC

Pure: a mapping of words in, a struct out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import msgspec


class SettingInvalid(ValueError):
    """A setting of the connection that cannot be meant: named, with what is allowed. Found before anything runs."""

    def __init__(self, setting: str, detail: str) -> None:
        super().__init__(f"setting {setting!r}: {detail}")
        self.setting = setting


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    initiator_id: str = ""
    service_level: str = "NURG"
    charge_bearer: str = "SHAR"
    category_purpose: str = "SUPP"
    batch_booking: bool = False
    sepa_structured: bool = True
    address_required: bool = True
    clearing_system: str = ""
    entry_reference_unique: bool = False
    zone: ZoneInfo = ZoneInfo("UTC")


_CODE = re.compile(r"[A-Z0-9]{1,4}\Z")
_SYSTEM = re.compile(r"[A-Z]{5}\Z")


def read_settings(settings: Mapping[str, str]) -> Settings:
    """The translation's part of a connection's settings. Errors: `SettingInvalid`, naming the setting."""
    given = {
        name: _code(settings, name, usual)
        for name, usual in (("service_level", "NURG"), ("charge_bearer", "SHAR"), ("category_purpose", "SUPP"))
    }
    if given["charge_bearer"] not in ("SHAR", "DEBT", "CRED"):
        raise SettingInvalid("charge_bearer", "SHAR, DEBT or CRED; SEPA transfers always say SLEV")
    system = settings.get("clearing_system", "")
    if system and not _SYSTEM.match(system):
        raise SettingInvalid("clearing_system", "five letters of the external code list, e.g. USABA")
    if len(settings.get("initiator_id", "")) > 35:
        raise SettingInvalid("initiator_id", "at most 35 characters")
    return Settings(
        initiator_id=settings.get("initiator_id", ""),
        service_level=given["service_level"],
        charge_bearer=given["charge_bearer"],
        category_purpose=given["category_purpose"],
        batch_booking=_one_of(settings, "batch_booking", ("no", "yes")) == "yes",
        sepa_structured=_one_of(settings, "sepa_remittance", ("structured", "unstructured")) == "structured",
        address_required=_one_of(settings, "address", ("required", "as_given")) == "required",
        clearing_system=system,
        entry_reference_unique=_one_of(settings, "entry_reference", ("shared", "unique")) == "unique",
        zone=_zone(settings.get("time_zone", "UTC")),
    )


def _one_of(settings: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    value = settings.get(name, words[0])
    if value not in words:
        raise SettingInvalid(name, " or ".join(words))
    return value


def _code(settings: Mapping[str, str], name: str, usual: str) -> str:
    value = settings.get(name, usual)
    if name == "category_purpose" and value == "none":
        return ""
    if not _CODE.match(value):
        raise SettingInvalid(name, "a code of up to four capital letters and digits")
    return value


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError):
        # ZoneInfoNotFoundError is a KeyError of its own on some platforms and an OSError for a bad path.
        raise SettingInvalid("time_zone", "an IANA time zone, e.g. Europe/Berlin") from None
    except KeyError:
        raise SettingInvalid("time_zone", "an IANA time zone, e.g. Europe/Berlin") from None
