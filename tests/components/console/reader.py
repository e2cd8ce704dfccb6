"""A person who reads the console of a whole house: the real components answer, nothing is written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from lxml import html as lxml_html

from support.api import Api
from support.caller import Answer, Caller

READING = (
    *("console.read", "invoice.read", "order.read", "receipt.read", "supplier.read", "exception.read", "intake.read"),
    *("lineage.read", "delivery.read", "estate.read", "trace.read", "audit.read", "raw.read", "payment.read"),
    *("requisition.read", "approval.read", "budget.read"),
)


class Reader:
    """Somebody at the console, without JavaScript."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    async def get(self, address: str) -> Answer:
        return await self.caller.get(address)

    async def page(self, address: str) -> Any:
        """A page that must be there, as a tree."""
        answer = await self.caller.get(address)
        assert answer.status == 200, (address, answer)
        tree = lxml_html.fromstring(answer.body.decode())
        assert len(tree.xpath("//h1")) == 1, address
        assert not tree.xpath("//script[not(@src)] | //style | //*[@style]"), address
        ids = [node.attrib["id"] for node in tree.xpath("//*[@id]")]
        assert len(ids) == len(set(ids)), address
        return tree

    async def text(self, address: str) -> str:
        """What a person reads on a page."""
        return words_of(await self.page(address))

    async def post(self, address: str, fields: dict[str, str]) -> Answer:
        """Send a form of a page."""
        form = "application/x-www-form-urlencoded"
        return await self.caller.post(address, urlencode(fields).encode(), form)

    async def send(self, page: str, form: str, **typed: str) -> Answer:
        """Open `page`, fill the form whose address ends with `form`, and send it."""
        tree = await self.page(page)
        forms = tree.xpath("//main//form[@method='post']")
        (found,) = [each for each in forms if each.attrib["action"].endswith(form)]
        fields = {each.attrib["name"]: each.attrib.get("value", "") for each in found.xpath(".//input[@name]")}
        return await self.post(found.attrib["action"], {**fields, **typed})


def words_of(tree: Any) -> str:
    """The text of a page without markup, white space joined."""
    text = " ".join(tree.xpath("//main")[0].itertext()).replace("\u00a0", " ")
    return re.sub(r"\s+", " ", text).strip()


def links_of(tree: Any) -> list[str]:
    """Where the main part of a page leads."""
    return [str(each) for each in tree.xpath("//main//a/@href") if str(each).startswith("/")]


async def reader(
    api: Api,
    name: str = "mira",
    permissions: Iterable[str] = READING,
    companies: Iterable[str] | None = None,
    person: str = "",
) -> Reader:
    """Somebody with these rights, signed in."""
    return Reader(await api.person(name, permissions, companies, person))
