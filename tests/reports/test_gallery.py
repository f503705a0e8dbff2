"""Many thumbnails: each content once, and never twice for two reports."""

import threading
from pathlib import Path

import pytest

from reports.gallery import make_thumbnails, place
from reports.thumbnails import CallSource, Source
from tests.reports.plans import LIMITS, jpeg


def key(number: int) -> str:
    return f"{number:064x}"


def made(sources: dict[str, tuple[Source, ...]], new: Path, old: Path) -> dict[str, str]:
    return make_thumbnails(sources, new, old, LIMITS, quiet=True)


def test_every_content_gets_one_or_a_reason(tmp_path: Path) -> None:
    sources: dict[str, tuple[Source, ...]] = {key(n): (CallSource(lambda n=n: jpeg(n)),) for n in range(200)}
    failed = made(sources | {key(200): (CallSource(lambda: b"no picture"),)}, tmp_path, tmp_path / "none")
    assert list(failed) == [key(200)] and "not a picture" in failed[key(200)]
    assert {str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*.jpg")} == {place(key(n)) for n in range(200)}


def test_what_the_last_report_has_is_taken_over(tmp_path: Path) -> None:
    sources: dict[str, tuple[Source, ...]] = {key(1): (CallSource(lambda: jpeg(1)),)}
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    made(sources, tmp_path / "old", tmp_path / "none")
    assert made({key(1): ()}, tmp_path / "new", tmp_path / "old") == {}
    assert (tmp_path / "old" / place(key(1))).samefile(tmp_path / "new" / place(key(1)))


def test_an_empty_file_of_a_crash_is_made_again(tmp_path: Path) -> None:
    hollow = tmp_path / "old" / place(key(1))
    hollow.parent.mkdir(parents=True)
    hollow.touch()
    (tmp_path / "new").mkdir()
    made({key(1): (CallSource(lambda: jpeg(1)),)}, tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "new" / place(key(1))).stat().st_size


def test_an_interrupt_ends_it_soon(tmp_path: Path) -> None:
    asked = []

    def data() -> bytes:
        asked.append(threading.get_ident())
        if len(asked) == 5:
            raise KeyboardInterrupt
        return jpeg(1)

    with pytest.raises(KeyboardInterrupt):
        made({key(n): (CallSource(data),) for n in range(2000)}, tmp_path, tmp_path / "none")
    assert len(asked) < 200 and threading.get_ident() not in asked
