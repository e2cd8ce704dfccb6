"""What a connection's settings tell the readers: the company's time zone and how Coupa names a company.

    time_zone             IANA zone of the company; without it a time is cut in the offset it was stated in
    company_from          where a document names its company: "account-type" (chart of accounts, default),
                          "segment-1" .. "segment-20" of the account, "content-group" of the delivery address, or
                          "none": the company stays open
    company.<word>        our company code for that word
    company_map           "listed": only words with a `company.<word>` are companies (default where there is one);
                          "same": the word stands as stated and the mapping has the say (default where there is none)
    cost_centre_from      the account segment that is the cost centre, e.g. "segment-2"
    erp_connection        the connection whose vendor number the supplier's `number` is
    order_version         "internal-revision" (default) or "updated-at": what makes a later version of an order
    over_percent, under_percent              tolerance of quantity on every line; default "0"
    over_percent_field, under_percent_field  the order line's custom field that states it per line

Pure: a mapping of words in, a struct out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import msgspec

from tripartite.core.money import NumberInvalid, Rate

_SEGMENT = re.compile(r"segment-(?:[1-9]|1[0-9]|20)\Z")


class SettingInvalid(ValueError):
    """A setting of the connection that cannot be meant: named, with what is allowed. Found before anything runs."""

    def __init__(self, setting: str, detail: str) -> None:
        super().__init__(f"setting {setting!r}: {detail}")
        self.setting = setting


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    zone: ZoneInfo | None = None
    company_from: str = "account-type"  # empty: nowhere
    company_same: bool = True
    companies: Mapping[str, str] = {}
    cost_centre_from: str = ""
    erp_connection: str = ""
    version_by_time: bool = False
    over_percent: str = "0"
    under_percent: str = "0"
    over_percent_field: str = ""
    under_percent_field: str = ""


def read_settings(settings: Mapping[str, str]) -> Settings:
    """The readers' part of a connection's settings; settings of the client are left alone.

    Errors: `SettingInvalid`, naming the setting.
    """
    source = settings.get("company_from", "account-type")
    if source not in {"none", "account-type", "content-group"} and not _SEGMENT.match(source):
        raise SettingInvalid("company_from", "account-type, content-group, segment-1 .. segment-20 or none")
    centre = settings.get("cost_centre_from", "")
    if centre and not _SEGMENT.match(centre):
        raise SettingInvalid("cost_centre_from", "segment-1 .. segment-20")
    companies = {
        name.removeprefix("company."): code for name, code in settings.items() if name.startswith("company.") and code
    }
    mode = _one_of(settings, "company_map", ("listed", "same") if companies else ("same", "listed"))
    if mode == "listed" and not companies:
        raise SettingInvalid("company_map", "no `company.<word>` says which company a word is")
    return Settings(
        zone=_zone(settings.get("time_zone", "")),
        company_from="" if source == "none" else source,
        company_same=mode == "same",
        companies=companies,
        cost_centre_from=centre,
        erp_connection=settings.get("erp_connection", ""),
        version_by_time=_one_of(settings, "order_version", ("internal-revision", "updated-at")) == "updated-at",
        over_percent=_percent(settings, "over_percent"),
        under_percent=_percent(settings, "under_percent"),
        over_percent_field=settings.get("over_percent_field", ""),
        under_percent_field=settings.get("under_percent_field", ""),
    )


def _one_of(settings: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    word = settings.get(name, words[0])
    if word not in words:
        raise SettingInvalid(name, " or ".join(words))
    return word


def _zone(name: str) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise SettingInvalid("time_zone", f"{name[:40]!r} is not an IANA time zone") from None


def _percent(settings: Mapping[str, str], name: str) -> str:
    text = settings.get(name, "0")
    if text == "unlimited" and name == "over_percent":
        return text
    try:
        if Rate.parse(text) < 0:
            raise SettingInvalid(name, "a percentage of at least 0")
    except NumberInvalid:
        raise SettingInvalid(name, "a plain decimal percentage") from None
    return text
