"""Catalogs of the first version become this one's when they are opened, and nothing of them is lost."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from index_store import AddOutcome, Catalog, CatalogUnavailable, ImageStore, JobBoard, Once, Recorded, Rules
from index_store.database import VERSION
from tests.index_store.stores import NAME, found
from tests.index_store.vectors import new_image
from tests.index_store.workers import open_catalog

X, Y = np.eye(2, dtype=np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A catalog of version 1: picture a at X, picture b deleted, one job done."""
    path = tmp_path / "catalog.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(Path(__file__).with_name("catalog-v1.sql").read_text())
        connection.execute(
            "INSERT INTO jobs (kind, state, attempts, created_at, progress) "
            "VALUES ('rebuild', 'queued', 0, '2025-01-05 00:00:00', '{}')"
        )
        connection.commit()
    return path


@pytest.fixture
def old(path: Path, open_store: Callable) -> ImageStore:
    return open_store(dim=2)


def rows(path: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def shape(path: Path) -> dict[str, object]:
    """Columns of each table, by name, without their order or defaults, and what each index is on."""
    made: dict[str, object] = {}
    for kind, name, sql in rows(path, "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"):
        columns = rows(path, f"PRAGMA table_info({name})")
        made[name] = sorted(c[1:4] for c in columns) if kind == "table" else re.sub(r"\s+", " ", sql)
    return made


def test_it_opens_and_is_of_this_version(old: ImageStore, path: Path) -> None:
    assert VERSION == 3
    assert rows(path, "SELECT id, value, schema_version FROM clock") == [(1, 3, 3)]


def test_its_tables_are_those_of_a_new_catalog(old: ImageStore, path: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    Catalog(f"sqlite:///{tmp_path / 'new/catalog.db'}").close()
    assert shape(path) == shape(tmp_path / "new/catalog.db")


def test_its_pictures_are_found_as_before_and_have_content(old: ImageStore) -> None:
    assert found(old, X[None]) == [[("a", 1.0)]]
    (image,) = old.images(NAME)
    assert (image.indeterminate, image.metadata, image.sha256, image.source) == (False, {"n": 1}, "aa", "/a")
    assert old.collection(NAME).threshold == 0.6


def test_its_pictures_are_compared_with_new_ones(old: ImageStore) -> None:
    images = [
        new_image("copy", X),
        new_image("bytes", Y, sha256="aa"),
        new_image("pixels", X, pixels_sha256="ab", indeterminate=True),
        new_image("b", Y, sha256="ba"),  # what was deleted may come again
        new_image("blank", X, indeterminate=True),
    ]
    outcomes = old.add(NAME, images, Rules(0.6, reject=True))
    assert [outcome.status for outcome in outcomes] == ["duplicate", "duplicate", "duplicate", "added", "added"]
    known = old.known(old.collection(NAME), "aa")
    assert known is not None and known[0].id == "a"


def test_its_jobs_can_be_done(old: ImageStore) -> None:
    board = JobBoard(old.catalog)
    job = board.claim()
    assert job is not None and (job.kind, job.options) == ("rebuild", {})
    assert board.ask("duplicates", NAME, {"keep": "oldest"}).options == {"keep": "oldest"}


def test_answers_can_be_recorded(old: ImageStore) -> None:
    def encode(outcomes: list[AddOutcome]) -> bytes:
        return outcomes[0].id.encode()

    old.add(NAME, [new_image("new", Y)], recorded=Recorded(Once("key", "f" * 64, 60), encode))
    assert rows(Path(str(old.catalog.engine.url.database)), "SELECT key, answer FROM answers") == [("key", b"new")]


def test_opened_twice_it_is_changed_once(old: ImageStore, open_store: Callable, path: Path) -> None:
    old.add(NAME, [new_image("blank", Y, indeterminate=True)])
    again = open_store(dim=2)
    assert [image.indeterminate for image in again.images(NAME)] == [False, True]
    assert rows(path, "SELECT schema_version FROM clock") == [(3,)]


def test_several_processes_may_open_it_at_once(path: Path, in_processes: Callable, open_store: Callable) -> None:
    assert in_processes(open_catalog, 4) == ["ok"] * 4
    assert rows(path, "SELECT schema_version FROM clock") == [(3,)]
    assert found(open_store(dim=2), X[None]) == [[("a", 1.0)]]


@pytest.mark.parametrize("version", [0, 4])
def test_a_catalog_of_another_program_version_is_left_alone(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE clock SET schema_version = ?", (version,))
        connection.commit()
    before = shape(path)
    with pytest.raises(CatalogUnavailable, match=f"schema version {version}, this program reads 1 to 3"):
        Catalog(f"sqlite:///{path}")
    assert shape(path) == before


def test_what_is_interrupted_leaves_the_old_catalog(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut in the middle, say: all or nothing."""
    from index_store import migration

    before = shape(path)
    monkeypatch.setitem(migration.STEPS, 2, (*migration.STEPS[2], "SELECT * FROM nowhere"))
    with pytest.raises(CatalogUnavailable, match="nowhere"):
        Catalog(f"sqlite:///{path}")
    assert shape(path) == before


def test_known_bytes_are_found_by_their_index(old: ImageStore) -> None:
    """Reading every row for each search would cost more than the search."""
    from index_store import rows as statements

    query = statements._OLDEST_BY_SHA256.params(key=1, sha256="aa", uid="u")
    text = query.compile(old.catalog.engine, compile_kwargs={"literal_binds": True})
    with old.catalog.reading() as connection:
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all())
    assert "images_by_sha256" in plan
    assert "TEMP B-TREE" not in plan
