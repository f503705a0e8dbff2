"""The reports in a real browser, from the disk: what it shows, what keys do, and that nothing is fetched or refused."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cleaning.kept import kept_of
from cleaning.plan import Plan, PlannedGroup
from reports.check import write_check
from reports.checked import CheckAbout, Checked, Match, Shown
from reports.groups import write_groups
from reports.pages import MOST_ITEMS
from tests.corpus import encoded, photo
from tests.reports.browser import Browser, browsing
from tests.reports.plans import LIMITS, MADE_AT, copy, jpeg, picture, plan, put, simple

pytestmark = pytest.mark.slow
COMPARED = "return [...document.querySelectorAll('#compare img')].map(image => [image.naturalWidth, image.src])"
LOADED = "return [...document.querySelectorAll('#compare img')].every(image => image.complete && image.naturalWidth)"
FOCUSED = "return document.activeElement.id"


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def chromium(downloads: Path) -> Iterator[Browser]:
    with browsing(downloads) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """After each test: no error, no word of the page's policy, and nothing asked for but files."""
    yield chromium
    assert chromium.console() == []
    assert [url for url in chromium.requested() if not url.startswith(("file:///", "blob:null/"))] == []


def written(folder: Path, given: Plan) -> Path:
    write_groups(given, folder / "report", LIMITS, quiet=True)
    return folder / "report/pages/similar-1.html"


def odd_names(folder: Path) -> Plan:
    """A group whose pictures have names that only their bytes say, and one in a format that browsers do not show."""
    names = [b"\xff\xfe.jpg", b"a#b?c%20d'\"<i>.jpg", "\u00fc \u4e2d\u6587\n.jpg".encode()]
    keeper = picture(os.fsencode(folder) + b"/keep\xe9.jpg", encoded(photo(1, (640, 480)), "JPEG"))
    large = [
        copy(os.fsencode(folder) + b"/" + name, encoded(photo(n, (600, 480)), "JPEG")) for n, name in enumerate(names)
    ]
    tiff = copy(folder / "scan.tif", encoded(photo(9, (600, 480)), "TIFF"), score=0.6)
    return plan([PlannedGroup(keeper=keeper, kept_for="oldest", copies=(*large, tiff))])


def test_a_page_shows_its_thumbnails_and_the_keys_go_through_groups_and_pages(browser: Browser, tmp_path: Path) -> None:
    browser.open(written(tmp_path, simple(tmp_path, MOST_ITEMS + 2)))
    browser.wait("return document.querySelector('.keeper img').naturalWidth == 96")
    assert browser.run("return getComputedStyle(document.querySelector('.card')).borderRadius") == "10px"
    browser.press("j", "j")
    assert browser.run(FOCUSED) == "group-2"
    browser.press("k", "n")
    browser.wait("return document.title.startsWith('Least similar first, page 2')")
    browser.press("j", "j", "j")  # there is no third group, and no third page
    assert browser.run(FOCUSED) == f"group-{MOST_ITEMS + 2}"
    browser.press("p")
    browser.wait("return document.title.startsWith('Least similar first, page 1')")


def test_the_tab_key_reaches_pictures_and_shows_where_it_is(browser: Browser, tmp_path: Path) -> None:
    browser.open(written(tmp_path, simple(tmp_path)))
    browser.press("Tab")
    assert browser.run("return document.activeElement.className") == "skip"
    browser.press("Enter", "Tab")
    assert "keeper" in browser.run("return document.activeElement.parentElement.className")
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_files_are_compared_at_full_size_whatever_they_are_called(browser: Browser, tmp_path: Path) -> None:
    given = odd_names(tmp_path)
    browser.open(written(tmp_path, given))
    browser.click(".copy .open")
    for number, width in enumerate((600, 600, 600)):
        browser.wait(LOADED)
        (kept, _), (compared, _) = browser.run(COMPARED)
        assert (kept, compared) == (640, width), number
        browser.press("ArrowRight")
    browser.wait("return document.querySelector('#compare figure:last-child img').src.includes('/thumbs/')")
    assert "cannot show scan.tif" in browser.run("return document.querySelector('#compare [role=status]').textContent")
    browser.wait(LOADED)


def test_two_pictures_are_flipped_in_place(browser: Browser, tmp_path: Path) -> None:
    browser.open(written(tmp_path, odd_names(tmp_path)))
    browser.press("j", "c", "f")
    shown = "return [...document.querySelectorAll('#compare figure')].map(each => getComputedStyle(each).visibility)"
    assert browser.run(shown) == ["visible", "hidden"]
    browser.press("f")
    assert browser.run(shown) == ["hidden", "visible"]
    browser.press("s")
    assert browser.run(shown) == ["visible", "visible"]
    browser.press("Escape")
    assert not browser.run("return document.querySelector('#compare').open")
    assert browser.run("return document.activeElement.className") == "open"


def test_marked_copies_are_remembered_saved_and_held(browser: Browser, tmp_path: Path, downloads: Path) -> None:
    given = odd_names(tmp_path)
    page = written(tmp_path, given)
    browser.open(page)
    browser.press("j", "c", "ArrowLeft", "x", "Escape", "Tab", "Tab", "x")
    assert browser.run("return document.querySelector('#bar').textContent").split()[:2] == ["2", "copies"]
    browser.open(page.with_name("space-1.html"))
    assert len(browser.run("return [...document.querySelectorAll('.copy.marked')].map(each => each.id)")) == 2
    browser.click("[data-do=save]")
    saved = waited_for(downloads / "kept.txt", browser)
    assert kept_of(given, [saved]) == {each.path for each in given.groups[0].copies[2:4]}
    browser.click("[data-do=forget]")
    browser.open(page)
    assert browser.run("return document.querySelector('#bar').hidden")


def waited_for(file: Path, browser: Browser) -> Path:
    browser.wait("return new Promise(done => setTimeout(() => done(true), 300))")
    assert file.is_file(), list(file.parent.iterdir())
    return file


def test_the_filter_needs_no_script(browser: Browser, tmp_path: Path) -> None:
    each = [copy(tmp_path / f"{name}.jpg", jpeg(1), name, 0.9) for name in ("near", "exact")]
    keeper = picture(tmp_path / "a.jpg", jpeg(1))
    page = written(tmp_path, plan([PlannedGroup(keeper=keeper, kept_for="oldest", copies=(one,)) for one in each]))
    browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        browser.click("[name=show][value=exact]")
        seen = browser.devtools("DOM.getDocument") and browser.devtools("Accessibility.getFullAXTree")
    finally:
        browser.devtools("Emulation.setScriptExecutionDisabled", value=False)
    headings = [node["name"]["value"] for node in seen["nodes"] if node.get("role", {}).get("value") == "heading"]
    assert headings == ["Least similar first", "Group 2"]


def test_keys_can_be_turned_off(browser: Browser, tmp_path: Path) -> None:
    browser.open(written(tmp_path, simple(tmp_path)))
    browser.click(".help summary")
    browser.click("#keys")
    browser.press("j")
    assert browser.run(FOCUSED) == "keys"
    browser.click("#keys")
    browser.press("j")
    assert browser.run(FOCUSED) == "group-1"


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_window(browser: Browser, tmp_path: Path, width: int) -> None:
    page = written(tmp_path / ("x" * 100), odd_names(tmp_path / ("y" * 200)))
    browser.devtools("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
    try:
        for each in (page, page.parents[1] / "index.html"):
            browser.open(each)
            assert browser.run("return document.documentElement.scrollWidth") <= width
    finally:
        browser.devtools("Emulation.clearDeviceMetricsOverride")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(browser: Browser, tmp_path: Path, scheme: str) -> None:
    browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.open(written(tmp_path, odd_names(tmp_path)))
    colours = json.loads(browser.run(CONTRAST))
    browser.devtools("Emulation.setEmulatedMedia", features=[])
    assert len(colours) > 5 and min(colours.values()) >= 4.5, colours


# The ratio of WCAG 2 for every element that has text of its own.
CONTRAST = """
const light = colour => {
  const parts = colour.match(/[0-9.]+/g).map(x => x / 255);
  const [r, g, b] = parts.map(x => x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
};
const behind = each => {
  for (; each; each = each.parentElement) {
    const colour = getComputedStyle(each).backgroundColor;
    if (!/, 0\\)$/.test(colour)) return colour;
  }
};
const found = {};
for (const each of document.querySelectorAll("body *")) {
  if (![...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()) || !each.checkVisibility()) continue;
  const [one, other] = [light(getComputedStyle(each).color), light(behind(each))].sort((a, b) => b - a);
  found[each.tagName + "." + each.className] = (one + .05) / (other + .05);
}
return JSON.stringify(found);
"""


def test_a_delivery_is_looked_through_the_same_way(browser: Browser, tmp_path: Path) -> None:
    delivered = Shown(**put(tmp_path / "new.jpg", encoded(photo(1, (640, 480)), "JPEG")))
    stored = Shown(id="a/b.jpg", collection="masters", source="https://a.example/b.jpg", thumbnail=lambda: jpeg(1))
    about = CheckAbout(MADE_AT, ("/delivery",), ("masters",), "data")
    write_check(
        [Checked(delivered, "near", (Match(stored, "near", 0.9, 0.99),))],
        about,
        tmp_path / "report",
        LIMITS,
        quiet=True,
    )
    browser.open(tmp_path / "report/index.html")
    browser.click(".figures a")
    browser.press("j", "c")
    browser.wait(LOADED)
    (delivered_width, _), (stored_width, source) = browser.run(COMPARED)
    assert (delivered_width, stored_width) == (640, 96) and "/thumbs/" in source
