"""What the cache remembers, forgets and survives."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from cleaning.cache import NAME, Cache, Content, DamagedCache, set_aside
from cleaning.companions import NOTHING
from cleaning.riches import Riches
from cleaning.scan import Found

FILE = Found("/a/\udcff.jpg", 10, 20, 1, 2, 1, NOTHING)
ONE, OTHER = "1" * 64, "2" * 64
CONTENT = Content(
    "p" * 64,
    3,
    4,
    "JPEG",
    False,
    True,
    (("Make", "Leica"),),
    "",
    True,
    "limits",
    Riches(16, True, "f" * 64, "Display P3"),
)


def test_a_file_is_known_until_anything_about_it_changes(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put_hash(FILE, ONE)
    cache.commit()
    assert cache.hashes([FILE]) == {FILE.path: ONE}
    for changed in ({"size": 11}, {"mtime_ns": 21}, {"inode": 3}, {"path": "/b.jpg"}):
        assert cache.hashes([replace(FILE, **changed)]) == {}  # type: ignore[arg-type]
    cache.close()


def test_what_was_put_is_there_for_the_next_run(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put_content(ONE, CONTENT)
    cache.put_rows("model", ONE, b"vector")
    cache.close()
    cache = Cache(tmp_path)
    assert dict(cache.contents([ONE, OTHER])) == {ONE: CONTENT}
    assert dict(cache.rows("model", [ONE, OTHER])) == {ONE: b"vector"}
    assert dict(cache.rows("another model", [ONE])) == {}
    cache.close()


def test_more_than_fit_into_a_statement(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    hashes = [f"{number:064x}" for number in range(2345)]
    for sha256 in hashes:
        cache.put_rows("model", sha256, sha256.encode())
    cache.commit()
    assert dict(cache.rows("model", hashes)) == {sha256: sha256.encode() for sha256 in hashes}
    cache.close()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(DamagedCache):
        Cache(tmp_path)
    assert set_aside(tmp_path).read_bytes() == content
    Cache(tmp_path).close()


def test_damage_in_the_middle_is_told(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for number in range(2000):
        cache.put_rows("model", f"{number:064x}", bytes(1000))
    cache.close()
    data = bytearray((tmp_path / NAME).read_bytes())
    data[4096 * 20 :] = b"\xa5" * (len(data) - 4096 * 20)
    (tmp_path / NAME).write_bytes(data)
    with pytest.raises(DamagedCache):
        cache = Cache(tmp_path)
        list(cache.rows("model", [f"{number:064x}" for number in range(2000)]))


def test_two_runs_at_once(tmp_path: Path) -> None:
    caches = [Cache(tmp_path), Cache(tmp_path)]

    def fill(cache: Cache, first: int) -> None:
        for number in range(first, first + 300):
            cache.put_rows("model", f"{number:064x}", bytes(100))
            cache.commit()

    threads = [threading.Thread(target=fill, args=(cache, 200 * place)) for place, cache in enumerate(caches)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(dict(caches[0].rows("model", [f"{number:064x}" for number in range(500)]))) == 500
    for cache in caches:
        cache.close()


def test_what_nobody_uses_is_forgotten_and_what_is_used_is_not(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for sha256 in (ONE, OTHER):
        cache.put_content(sha256, CONTENT)
    cache.commit()
    later = Cache(tmp_path)
    later._today += 100
    list(later.contents([ONE]))
    assert later.prune(days=50) == 1
    assert dict(later.contents([ONE, OTHER])) == {ONE: CONTENT}
    cache.close()
    later.close()
