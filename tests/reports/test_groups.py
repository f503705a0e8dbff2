"""The clean-up report: what its pages say of a plan."""

import base64
import hashlib
import os
import posixpath
import re
from itertools import pairwise
from pathlib import Path

from cleaning.plan import Copy, Plan, PlannedGroup, Trouble
from reports.groups import write_groups
from reports.pages import MOST_ITEMS, UNFOLDED
from tests.corpus import encoded, photo
from tests.reports.html import Element, pages, path_of
from tests.reports.plans import LIMITS, copy, jpeg, picture, plan, sidecar, simple

FIRST = "pages/similar-1.html"


def report(folder: Path, given: Plan) -> dict[str, Element]:
    write_groups(given, folder / "report", LIMITS, apply="clean --apply plan.json", quiet=True)
    return pages(folder / "report")


def one_group(folder: Path, *copies: Copy) -> Plan:
    keeper = picture(folder / "keeper.jpg", jpeg(1)).model_copy(
        update={"companions": (sidecar(folder / "keeper.xmp"),)}
    )
    return plan([PlannedGroup(keeper=keeper, kept_for="largest-resolution", copies=copies)])


def order_of(page: Element) -> list[str]:
    return [each.attributes["id"] for each in page.all("article")]


def test_groups_come_by_doubt_and_by_space(tmp_path: Path) -> None:
    groups = [
        PlannedGroup(keeper=picture(tmp_path / f"{name}.jpg", jpeg(1)), kept_for="oldest", copies=(each,))
        for name, each in {
            "sure": copy(tmp_path / "1.jpg", jpeg(1) + bytes(50), "exact", 1),
            "held": copy(tmp_path / "2.jpg", jpeg(1) + bytes(9000), "near", 0.1, held="protected"),
            "close": copy(tmp_path / "3.jpg", jpeg(1) + bytes(100), "near", 0.9),
            "odd": copy(tmp_path / "4.jpg", jpeg(1) + bytes(10), "near", float("nan")),
            "far": copy(tmp_path / "5.jpg", jpeg(1) + bytes(20), "near", 0.6),
            "pixels": copy(tmp_path / "6.jpg", jpeg(1) + bytes(30), "identical", 0.2),
        }.items()
    ]
    made = report(tmp_path, plan(groups))
    assert order_of(made[FIRST]) == [f"group-{number}" for number in (4, 5, 3, 6, 1, 2)]
    assert order_of(made["pages/space-1.html"]) == [f"group-{number}" for number in (3, 1, 6, 5, 4, 2)]


def test_a_group_says_what_is_kept_and_why_and_what_goes(tmp_path: Path) -> None:
    goes = copy(tmp_path / "b/goes.jpg", jpeg(2), "near", 0.7312, companions=(sidecar(tmp_path / "b/goes.xmp"),))
    stays = copy(
        tmp_path / "c/stays.jpg", jpeg(3), "exact", 1, held="below a protected folder", missing={"GPS": "48, 11"}
    )
    loses = copy(tmp_path / "d/loses.jpg", jpeg(4), "identical", 1, missing={"DateTimeOriginal": "2019:07:01"})
    group = report(tmp_path, one_group(tmp_path, goes, stays, loses))[FIRST].one("article")
    assert "3 copies, saves" in group.text
    keeper, (first, second, third) = group.one(class_="keeper"), group.all("li", class_="copy")
    assert (
        "kept for largest-resolution keeper.jpg" in keeper.text
        and "stays, too: keeper.xmp (sidecar, 4 bytes)" in keeper.text
    )
    assert "96 × 72 · JPEG ·" in keeper.text and str(tmp_path) in keeper.text
    assert "near 0.731 goes goes.jpg" in first.text and "goes along: goes.xmp" in first.text
    assert (
        "exact stays" in second.text
        and "Held: below a protected folder" in second.text
        and "Only here GPS 48, 11" in second.text
    )
    assert "Would be lost DateTimeOriginal 2019:07:01" in third.text
    assert [len(each.all("input", type="checkbox")) for each in (first, second, third)] == [1, 0, 1]


def test_the_first_page_counts(tmp_path: Path) -> None:
    goes = copy(
        tmp_path / "goes.jpg", jpeg(2) + bytes(1000), "near", 0.7312, companions=(sidecar(tmp_path / "goes.xmp"),)
    )
    stays = copy(tmp_path / "stays.jpg", jpeg(3), "exact", 1, held="kept by name")
    given = one_group(tmp_path, goes, stays)
    about = given.about.model_copy(update={"troubles": (Trouble(path="/bad\n.jpg", reason="cut short"),)})
    index = report(tmp_path, given.model_copy(update={"about": about}))["index.html"]
    assert f"{(goes.size + 4) / 1000:.1f} kB saved, of 1.0 MB" in index.text
    assert "1 copy to go, of 100 pictures" in index.text and "1 group" in index.text
    assert "near alike by score: look at these 1 0" in index.text and "exact the same bytes 0 1 0 bytes" in index.text
    assert "0.70 to 0.75 1 0" in index.text and "1: kept by name" in index.text
    assert "/bad\\n.jpg cut short" in index.text and "clean --apply plan.json" in index.text


def test_no_group_is_no_page(tmp_path: Path) -> None:
    made = report(tmp_path, plan([]))
    assert list(made) == ["index.html"] and "No copies were found" in made["index.html"].text


def test_every_link_leads_somewhere_and_every_thumbnail_is_there(tmp_path: Path) -> None:
    made = report(tmp_path, simple(tmp_path, MOST_ITEMS + 5))
    assert {"index.html", FIRST, "pages/similar-2.html", "pages/space-1.html", "pages/space-2.html"} == set(made)
    for place, page in made.items():
        ids = [each.attributes["id"] for each in page if "id" in each.attributes]
        assert len(ids) == len(set(ids))
        for link in page.all("a"):
            if not link.attributes["href"].startswith("file:"):
                file, _, anchor = link.attributes["href"].partition("#")
                target = made[posixpath.normpath(posixpath.join(posixpath.dirname(place), file)) if file else place]
                assert not anchor or any(each.has(id=anchor) for each in target), link
        for image in page.one("main").all("img"):
            assert (tmp_path / "report" / place).parent.joinpath(image.attributes["src"]).is_file()
            assert image.attributes["loading"] == "lazy" and image.attributes["alt"]


def test_landmarks_headings_and_labels(tmp_path: Path) -> None:
    for page in report(tmp_path, simple(tmp_path)).values():
        assert page.one("html").attributes["lang"] == "en" and page.one("title").text
        assert len(page.all("h1")) == len(page.all("main")) == 1
        assert page.one("a", class_="skip").attributes["href"] == "#main"
        levels = [int(each.tag[1]) for each in page if re.fullmatch("h[1-6]", each.tag)]
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert all(each.attributes.get("aria-label") for each in page.all("nav"))
        ids = {each.attributes.get("id") for each in page}
        assert all(each.attributes["aria-labelledby"] in ids for each in page.all("article"))


def test_nothing_can_run_or_be_loaded_but_what_the_page_is_made_of(tmp_path: Path) -> None:
    for page in report(tmp_path, simple(tmp_path)).values():
        policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
        assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy and "http" not in policy
        for tag in ("style", "script"):
            digest = hashlib.sha256("".join(map(str, page.one(tag).content)).encode()).digest()
            assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}';" in policy
        for each in page:
            assert not [name for name in each.attributes if name.startswith("on") or name in ("style", "srcset")]
            assert not any(value.startswith(("http", "//", "javascript:")) for value in each.attributes.values())


HOSTILE = [
    b'"><script>alert(1)</script>.jpg',
    b"' onerror='alert(1).jpg",
    b"{{ 7 * 7 }}{% raw %}.jpg",
    b"</title></style></script><!--.jpg",
    b"&lt;b&gt;&amp;.jpg",
    b"\xff\xfe not UTF-8.jpg",
    b"a\nb\tc\x1b[31m.jpg",
    b"a#b?c%20d+e;f.jpg",
    "\u202egpj.exe".encode(),
    ("\U0001f600" * 62).encode(),
    b" ",
]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    plain = report(
        tmp_path / "plain",
        one_group(tmp_path / "p", *(copy(tmp_path / f"p/{n}.jpg", jpeg(n)) for n in range(len(HOSTILE)))),
    )
    names = [os.fsencode(tmp_path) + b"/" + name for name in HOSTILE]
    copies = [copy(name, jpeg(n), held="", missing={}) for n, name in enumerate(names)]
    made = report(tmp_path / "hostile", one_group(tmp_path / "q", *copies))
    assert [each.tag for each in made[FIRST]] == [each.tag for each in plain[FIRST]]
    links = [path_of(each.attributes["href"]) for each in made[FIRST].all("a", class_="open")]
    assert [os.fsencode(link) for link in links[1:]] == names
    assert [
        path_of(each.attributes["value"])
        for each in made[FIRST].all("input", type="checkbox")
        if "value" in each.attributes
    ] == links[1:]
    assert '"><script>alert(1)<' in made[FIRST].text and "{{ 7 * 7 }}" in made[FIRST].text


def test_hostile_words_stay_text(tmp_path: Path) -> None:
    evil = "</p><script>alert(1)</script>\u202e\ud800\0"
    each = copy(tmp_path / "a.jpg", jpeg(2), held=evil, missing={evil: evil})
    given = one_group(tmp_path, each)
    (group,) = given.groups
    keeper = group.keeper.model_copy(update={"format": evil})
    about = {
        "folders": (evil,),
        "protected": (evil,),
        "keep": evil,
        "fingerprint": evil,
        "troubles": (Trouble(path=evil, reason=evil),),
    }
    given = plan([group.model_copy(update={"keeper": keeper, "kept_for": evil})], **about)
    for page in report(tmp_path, given).values():
        assert len(page.all("script")) == 1
        assert "</p><script>alert(1)</script>\\u202e\\ud800\\x00" in page.text


def test_a_file_that_is_gone_or_broken_has_a_reason_in_its_place(tmp_path: Path) -> None:
    gone, broken = copy(tmp_path / "gone.jpg", jpeg(2)), copy(tmp_path / "broken.jpg", b"no picture")
    Path(gone.path).unlink()
    group = report(tmp_path, one_group(tmp_path, gone, broken))[FIRST].one("article")
    assert [bool(each.all("img")) for each in group.all(class_="card")] == [True, False, False]
    assert "No preview of copy gone.jpg It cannot be read: No such file or directory." in group.text
    assert "This is not a picture in an accepted format." in group.text


def test_exact_copies_share_a_thumbnail_and_one_that_is_left_gives_it(tmp_path: Path) -> None:
    twins = [copy(tmp_path / f"{name}.jpg", jpeg(2), "exact", 1) for name in "ab"]
    Path(twins[0].path).unlink()
    made = report(tmp_path, one_group(tmp_path, *twins))
    images = [each.attributes["src"] for each in made[FIRST].one("main").all("img")]
    assert len(images) == 3 and images[1] == images[2]
    assert len(list((tmp_path / "report/thumbs").rglob("*.jpg"))) == 2


def test_formats_that_browsers_do_not_show_have_thumbnails(tmp_path: Path) -> None:
    copies = [
        copy(tmp_path / f"a.{name}", encoded(photo(1, (300, 200)), name), format=name)
        for name in ("HEIF", "TIFF", "AVIF")
    ]
    assert len(report(tmp_path, one_group(tmp_path, *copies))[FIRST].one("main").all("img")) == 4


def test_the_rest_of_a_large_group_is_folded_away(tmp_path: Path) -> None:
    copies = [copy(tmp_path / f"{n}.jpg", jpeg(2), "exact", 1) for n in range(UNFOLDED + 10)]
    group = report(tmp_path, one_group(tmp_path, *copies))[FIRST].one("article")
    assert "10 more copies" in group.text and len(group.one("details").all("li", class_="copy")) == 10


def test_a_second_run_makes_no_thumbnail_again(tmp_path: Path) -> None:
    given = simple(tmp_path)
    report(tmp_path, given)
    before = {each.name: each.stat().st_ino for each in (tmp_path / "report/thumbs").rglob("*.jpg")}
    assert before
    smaller = given.model_copy(update={"groups": given.groups[:1]})
    report(tmp_path, smaller)
    after = {each.name: each.stat().st_ino for each in (tmp_path / "report/thumbs").rglob("*.jpg")}
    assert len(after) == 2 and after.items() <= before.items()
