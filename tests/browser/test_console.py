"""The console in a browser: what only a browser shows. Keys, narrow screens, the content policy, without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from browser.conftest import PASSWORD, Opened, Site
from components.console.console_story import INVOICE_ID
from tripartite.runtime.http_app import SESSION_COOKIE

pytestmark = pytest.mark.browser

PAGES = ("/", "/queue", "/invoices", f"/invoices/{INVOICE_ID}", "/estate", "/audit", "/me")


def test_every_page_obeys_its_own_content_policy_and_throws_nothing(opened: Opened) -> None:
    for address in PAGES:
        page = opened.go(address)
        page.wait_for_load_state("networkidle")
        assert page.locator("h1").count() == 1
    assert opened.troubles == []


@pytest.mark.parametrize("address", PAGES)
def test_a_phone_of_360_pixels_needs_no_sideways_scroll(opened: Opened, address: str) -> None:
    opened.page.set_viewport_size({"width": 360, "height": 740})
    page = opened.go(address)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_reading_and_signing_in_work_without_javascript(plain: Opened) -> None:
    page = plain.go(f"/invoices/{INVOICE_ID}")
    page.fill("input[name=name]", "mira")
    page.fill("input[name=password]", PASSWORD)
    page.click("main button")
    assert page.url.endswith(f"/invoices/{INVOICE_ID}")
    page.click("nav.tabs >> text=History")
    page.wait_for_selector("#tab >> text=Woken by")
    assert page.url.partition("#")[0].endswith(f"/invoices/{INVOICE_ID}/history")


def test_a_tab_is_an_address_and_going_back_shows_the_one_before(opened: Opened) -> None:
    page = opened.go(f"/invoices/{INVOICE_ID}")
    page.evaluate("window.sameDocument = true")
    page.click("nav.tabs >> text=Messages")
    page.wait_for_selector("#tab >> text=Do not post it by hand")
    assert page.evaluate("window.sameDocument === true")  # only the tab was asked for
    page.reload()
    assert page.locator("#tab >> text=Do not post it by hand").count() == 1
    page.click("nav.tabs >> text=Proof")
    page.wait_for_url("**/proof")
    page.go_back()
    page.wait_for_selector("#tab >> text=Do not post it by hand")
    assert page.locator("nav.tabs [aria-current]").inner_text().startswith("Messages")


def test_keys_lead_to_pages_and_rows_and_never_fire_while_typing(opened: Opened) -> None:
    page = opened.go("/")
    page.keyboard.press("g")
    page.keyboard.press("v")
    page.wait_for_url("**/invoices")
    page.keyboard.press("j")
    assert page.locator("tr.at").count() == 1
    assert page.evaluate("document.activeElement.textContent") == "AB-2026-4471"
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/invoices/{INVOICE_ID}")
    page.keyboard.press("/")
    page.keyboard.type("gq?")
    assert page.input_value("#search") == "gq?"
    assert page.locator("dialog[open]").count() == 0
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("dialog[open] h2").inner_text() == "Keys"


def test_keys_that_are_switched_off_do_nothing(opened: Opened, site: Site) -> None:
    opened.page.context.add_cookies([{"name": "tripartite_keys", "value": "off", "url": site.url}])
    page = opened.go("/")
    page.keyboard.press("?")
    page.keyboard.press("g")
    page.keyboard.press("q")
    assert page.locator("dialog[open]").count() == 0
    assert page.url == site.url + "/"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_and_text_have_contrast_in_both_themes(chromium: Browser, site: Site, theme: str) -> None:
    context = chromium.new_context(color_scheme=theme)  # type: ignore[arg-type]
    context.add_cookies([{"name": SESSION_COOKIE, "value": site.session, "url": site.url}])
    page = context.new_page()
    page.goto(f"{site.url}/invoices/{INVOICE_ID}/messages")
    worst = page.evaluate(CONTRAST)
    assert worst["ratio"] >= 4.5, worst
    context.close()


def test_the_theme_is_changed_by_a_form_and_kept(opened: Opened) -> None:
    page = opened.go("/queue")
    page.click("form.theme button")
    page.wait_for_selector("html[data-bs-theme=dark]")
    assert page.url.endswith("/queue")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(12, 16, 23)"


def test_focus_is_seen_and_the_first_stop_skips_to_the_content(opened: Opened) -> None:
    page = opened.go("/invoices")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


# The lowest contrast of any text on its own background, by WCAG's formula.
CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const part = (v) => (v / 255 <= .03928 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const said = (node) => [...node.childNodes].filter((each) => each.nodeType === 3).map((each) => each.data.trim());
  let worst = { ratio: 99 };
  for (const node of document.querySelectorAll('main *, nav *, header *')) {
    const text = said(node).join(' ').trim();
    if (!text || !node.checkVisibility()) continue;
    const [a, b] = [light(rgba(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < worst.ratio) worst = { ratio, text: text.slice(0, 60), of: node.className };
  }
  return worst;
}"""
