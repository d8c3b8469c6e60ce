"""Every page, in a real browser: as it is by day, by night and on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import PHONE, Shop, Window

pytestmark = pytest.mark.slow

CAMPAIGN = "/console/campaigns/winback"
PAGES = (
    "/console",
    CAMPAIGN,
    "/console/campaigns/newsletter",
    "/console/campaigns/review-please",
    f"{CAMPAIGN}/decisions",
    f"{CAMPAIGN}/measurement",
    f"{CAMPAIGN}/forecast",
    f"{CAMPAIGN}/segments",
    f"{CAMPAIGN}/assist",
    "/console/strategy",
    "/console/strategy/measurement",
    "/console/strategy/versions/2",
    "/console/proposals",
    "/console/proposals/1",
    "/console/reviews",
    "/console/reviews/weekly",
    "/console/audit",
    "/console/recipients",
    "/console/quarantine",
    "/console/decisions",
)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_sound_by_day_by_night_and_on_a_phone(path: str, shop: Shop, window: Callable[..., Window]) -> None:
    opened = window(shop)
    opened.go(path)
    opened.is_sound()
    opened.page.emulate_media(color_scheme="dark")
    opened.is_sound()
    opened.page.set_viewport_size(PHONE)
    opened.go(path)
    opened.is_sound()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_what_it_has_to_say_without_script(path: str, shop: Shop, window: Callable[..., Window]) -> None:
    opened = window(shop, script=False)
    opened.go(path)
    assert opened.page.locator("main").inner_text().strip()
    assert opened.page.locator("h1").inner_text().strip()


def test_a_decision_is_explained_from_the_log(shop: Shop, window: Callable[..., Window]) -> None:
    opened = window(shop)
    opened.go(f"{CAMPAIGN}/decisions")
    opened.page.locator("main table a[href*='/console/decisions/']").first.click()
    opened.page.wait_for_url(re.compile("/console/decisions/[0-9a-f]{32}"))
    opened.is_sound()
    assert "recomputed" in opened.page.locator("main").inner_text().lower()


def test_whoever_uses_the_keyboard_gets_past_the_navigation_with_the_first_key(
    shop: Shop, window: Callable[..., Window]
) -> None:
    opened = window(shop)
    opened.go("/console")
    opened.page.keyboard.press("Tab")
    skip = opened.page.locator(".skip")
    assert skip.evaluate("one => document.activeElement === one")
    box = skip.bounding_box()
    assert box is not None
    assert box["x"] >= 0, "the way past is seen by whoever is on it"
    assert box["y"] >= 0
    opened.page.keyboard.press("Enter")
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize("path", ["/console", CAMPAIGN, f"{CAMPAIGN}/measurement", "/console/audit"])
def test_a_page_fits_on_paper(path: str, shop: Shop, window: Callable[..., Window]) -> None:
    opened = window(shop)
    opened.go(path)
    opened.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    opened.page.emulate_media(media="print")
    opened.page.set_viewport_size(PAPER)
    wider = opened.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0, f"{wider} pixels are cut off"
    for each in ("nav", "button", ".skip", "details.action"):
        assert not any(one.is_visible() for one in opened.page.locator(each).all()), f"nobody clicks {each} on paper"
    assert opened.page.get_by_role("heading", level=1).is_visible()
    assert "As of" in opened.page.locator("footer").inner_text()


def test_pictures_stay_as_high_as_they_are_when_the_window_changes(shop: Shop, window: Callable[..., Window]) -> None:
    opened = window(shop)
    opened.go(CAMPAIGN)
    before = opened.page.evaluate(HEIGHTS)
    svg = opened.page.locator(".plot .main-svg").first
    width = svg.get_attribute("width") or ""
    opened.page.set_viewport_size({"width": 1000, "height": 2000})
    expect(svg).not_to_have_attribute("width", width)
    opened.is_still()
    assert opened.page.evaluate(HEIGHTS) == before


def test_a_variant_has_the_same_number_and_colour_on_every_page(shop: Shop, window: Callable[..., Window]) -> None:
    opened = window(shop)
    badges: list[dict[str, str]] = []
    for path in (CAMPAIGN, f"{CAMPAIGN}/measurement"):
        opened.go(path)
        badges.append(opened.page.evaluate(BADGES))
    assert len(badges[0]) == 5
    assert badges[0] == badges[1]


PAPER = {"width": 718, "height": 1_016}  # what is between the margins of a page of A4, in CSS pixels
HEIGHTS = """[...document.querySelectorAll('.plot')].map((one) =>
    [one.offsetHeight, one.querySelector('.main-svg').getAttribute('height')])"""
BADGES = """Object.fromEntries([...document.querySelectorAll("main th[scope=row] .badge")].map((one) =>
    [one.closest("th").querySelector("bdi")?.textContent ?? one.nextSibling.textContent.trim(),
     one.textContent + " " + one.className]))"""
