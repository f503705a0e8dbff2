"""A report of thousands of groups stays one that people and browsers can go through (times: docs/reports.md)."""

import re
from pathlib import Path

import pytest

from cleaning.plan import Plan, PlannedGroup
from reports.groups import write_groups
from reports.pages import MOST_ITEMS
from tests.reports.browser import browsing
from tests.reports.plans import LIMITS, copy, jpeg, picture, plan

GROUPS = 3_000


def large_plan(folder: Path) -> Plan:
    """Every file has bytes of its own."""
    pictures = [jpeg(seed, (48, 36)) for seed in range(20)]
    groups = []
    for number in range(GROUPS):
        data = pictures[number % len(pictures)]
        keeper = picture(folder / f"a/{number}.jpg", data + b"%d" % number)
        near = copy(folder / f"b/{number}.jpg", data + b"copy %d" % number, score=0.5 + number % 499 / 1000)
        groups.append(PlannedGroup(keeper=keeper, kept_for="oldest", copies=(near,)))
    return plan(groups)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    given = large_plan(folder)
    write_groups(given, folder / "report", LIMITS, quiet=True)
    first = thumbnails(folder / "report")
    write_groups(given, folder / "report", LIMITS, quiet=True)
    assert thumbnails(folder / "report") == first, "the second run has nothing to decode"
    return folder / "report"


def thumbnails(report: Path) -> dict[str, int]:
    """By name the inode of each: those that are taken over stay the same files."""
    return {path.name: path.stat().st_ino for path in (report / "thumbs").rglob("*.jpg")}


@pytest.mark.slow
def test_every_group_is_on_one_page_of_each_order(report: Path) -> None:
    for slug in ("similar", "space"):
        files = [report / f"pages/{slug}-{number}.html" for number in range(1, GROUPS // MOST_ITEMS + 1)]
        found = [group for file in files for group in re.findall('<article [^>]*id="group-([0-9]+)"', file.read_text())]
        assert len(found) == len(set(found)) == GROUPS
        assert max(file.stat().st_size for file in files) < 400_000
    assert len(list((report / "pages").iterdir())) == 2 * GROUPS // MOST_ITEMS
    assert (report / "index.html").stat().st_size < 50_000
    assert len(list((report / "thumbs").rglob("*.jpg"))) == 2 * GROUPS


@pytest.mark.slow
def test_a_page_in_the_middle_loads_what_is_in_sight(report: Path, tmp_path: Path) -> None:
    with browsing(tmp_path) as browser:
        browser.open(report / "pages/similar-15.html")
        browser.wait("return document.querySelector('.keeper img').naturalWidth")
        assert (
            browser.run("return [...document.images].filter(image => image.complete && image.naturalWidth).length")
            < 100
        )
        browser.press("n")
        browser.wait("return location.pathname.endsWith('/similar-16.html')")
