"""The pages: what a reader sees, rendered whole and without JavaScript."""

from __future__ import annotations

import re

import pytest
from lxml import html as lxml_html

from components.console.console_bench import (
    HASH,
    INVOICE_ID,
    Shown,
    books,
    console,
    invoice,
    listed,
    postgres,
    worker_id_or_main,
)

__all__ = ["books", "console", "postgres", "worker_id_or_main"]

PAGES = (
    "/",
    "/invoices",
    f"/invoices/{INVOICE_ID}",
    f"/invoices/{INVOICE_ID}/document",
    f"/invoices/{INVOICE_ID}/messages",
    f"/invoices/{INVOICE_ID}/history",
    f"/invoices/{INVOICE_ID}/proof",
    "/queue",
    "/estate",
    "/audit",
    "/me",
    "/traces/4bf92f3577b34da6a3ce929d0e0e4736",
)


def words_of(page: str) -> str:
    """What a person reads: the text without markup, white space joined."""
    return re.sub(r"\s+", " ", lxml_html.fromstring(page).text_content())


async def test_every_page_has_one_heading_a_title_landmarks_and_no_inline_script_or_style(console: Shown) -> None:
    await console.sign_in()
    for address in PAGES:
        answer = await console.client.get(address)
        assert answer.status_code == 200, address
        tree = lxml_html.fromstring(answer.text)
        assert len(tree.xpath("//h1")) == 1, address
        assert tree.xpath("//title")[0].text_content().endswith("Tripartite")
        assert len(tree.xpath("//main")) == 1
        assert tree.xpath("//nav[@aria-label]")
        assert tree.xpath("//a[@class='skip' and @href='#main']")
        assert not tree.xpath("//script[not(@src)]"), address
        assert not tree.xpath("//style | //*[@style] | //*[starts-with(name(@*), 'on')]"), address
        assert not [name for node in tree.iter() for name in node.attrib if name.startswith(("on", "hx-on"))]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "private, no-cache"
        ids = [node.attrib["id"] for node in tree.xpath("//*[@id]")]
        assert len(ids) == len(set(ids)), address
