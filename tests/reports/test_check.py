"""The report of a delivery: every picture with its verdict, beside what it repeats."""

from datetime import UTC, datetime
from pathlib import Path

from reports.check import MOST_MATCHES, write_check
from reports.checked import CheckAbout, Checked, Match, Shown
from tests.reports.html import Element, pages, path_of
from tests.reports.plans import LIMITS, jpeg, put

ABOUT = CheckAbout(datetime(2026, 11, 23, tzinfo=UTC), ("/delivery",), ("masters",), "http://127.0.0.1:8080", 0.5)


def shown(path: Path, seed: int) -> Shown:
    return Shown(**put(path, jpeg(seed)), width=96, height=72, format="JPEG")


def stored(seed: int, **facts: str) -> Shown:
    return Shown(id=f"cats/{seed}.jpg", collection="masters", thumbnail=lambda: jpeg(seed), **facts)


def report(folder: Path, *records: Checked, about: CheckAbout = ABOUT) -> dict[str, Element]:
    write_check(records, about, folder / "report", LIMITS, quiet=True)
    return pages(folder / "report")


def test_pictures_come_by_verdict_with_what_they_repeat(tmp_path: Path) -> None:
    made = report(
        tmp_path,
        Checked(shown(tmp_path / "1.jpg", 1), "new"),
        Checked(
            shown(tmp_path / "2.jpg", 2),
            "near",
            (Match(stored(2, source="https://a.example/2.jpg"), "near", 0.9, 0.9987),),
        ),
        Checked(shown(tmp_path / "3.jpg", 3), "near", (Match(shown(tmp_path / "2.jpg", 2), "near", 0.6),)),
        Checked(Shown(path=str(tmp_path / "4.jpg")), "unreadable", reason="The JPEG file is cut short"),
        Checked(shown(tmp_path / "5.jpg", 5), "exact", (Match(stored(5), "exact", 1.0, 1.0),)),
    )
    assert set(made) == {
        "index.html",
        *(f"pages/{verdict}-1.html" for verdict in ("new", "near", "exact", "unreadable")),
    }
    index = made["index.html"].text
    assert "5 pictures 2 near 1 exact 1 unreadable 1 new" in index
    assert "/delivery, checked against masters and itself." in index
    near = made["pages/near-1.html"]
    assert [each.attributes["id"] for each in near.all("article")] == ["picture-3", "picture-2"]
    match = near.all("article")[1].one("li")
    assert "near 0.900 confidence 0.9987 2.jpg cats" in match.text and "in collection masters" in match.text
    assert match.one("a").attributes["href"] == "https://a.example/2.jpg"
    assert path_of(near.all("article")[0].one("li").one("a").attributes["href"]) == str(tmp_path / "2.jpg")
    assert "The JPEG file is cut short" in made["pages/unreadable-1.html"].text
    assert [
        len(made[f"pages/{verdict}-1.html"].one("main").all("img"))
        for verdict in ("new", "near", "exact", "unreadable")
    ] == [1, 4, 2, 0]


def test_stored_pictures_are_shown_from_what_is_kept_of_them(tmp_path: Path) -> None:
    def refused() -> bytes:
        raise ConnectionRefusedError(111, "Connection refused")

    lost = Shown(id="a", collection="masters", thumbnail=refused)
    none = Shown(id="b", collection="masters")
    made = report(
        tmp_path,
        Checked(shown(tmp_path / "1.jpg", 1), "near", tuple(Match(each, "near", 0.9) for each in (lost, none))),
    )
    article = made["pages/near-1.html"].one("article")
    assert (
        "It cannot be read: Connection refused." in article.text and "Nothing is known of where it is." in article.text
    )


def test_what_others_say_of_their_pictures_is_hostile(tmp_path: Path) -> None:
    evil = "</b><script>alert(1)</script>"
    match = Match(Shown(id=evil, collection=evil, source=f"javascript:{evil}", format=evil), evil, 0.5)
    made = report(tmp_path, Checked(shown(tmp_path / "1.jpg", 1), "indeterminate", (match,), reason=evil))
    page = made["pages/indeterminate-1.html"]
    assert len(page.all("script")) == 1 and f"javascript:{evil}" in page.text
    assert not any(each.attributes["href"].startswith("javascript") for each in page.all("a"))


def test_a_digest_that_is_none_names_no_file(tmp_path: Path) -> None:
    evil = Shown(id="a", collection="masters", sha256="../../../../evil", thumbnail=lambda: jpeg(1))
    page = report(tmp_path, Checked(evil, "new"))["pages/new-1.html"]
    assert ".." not in page.one("main").one("img").attributes["src"].removeprefix("../")
    assert not list(tmp_path.rglob("*evil*"))


def test_a_picture_that_repeats_hundreds_shows_some(tmp_path: Path) -> None:
    picture = shown(tmp_path / "1.jpg", 1)
    made = report(tmp_path, Checked(picture, "near", (Match(picture, "near", 0.9),) * 300))
    page = made["pages/near-1.html"]
    assert len(page.all("li", class_="copy")) == MOST_MATCHES and f"{300 - MOST_MATCHES} more matches" in page.text


def test_no_picture_is_a_report_too(tmp_path: Path) -> None:
    about = CheckAbout(ABOUT.made_at, ("/delivery",), (), "data", troubles=(("/delivery/x", "Permission denied"),))
    made = report(tmp_path, about=about)
    assert list(made) == ["index.html"] and "0 pictures" in made["index.html"].text
    assert (
        "checked against itself" in made["index.html"].text
        and "/delivery/x Permission denied" in made["index.html"].text
    )
