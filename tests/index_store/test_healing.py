"""An index that is found damaged or missing is asked to be built again; what a killed rebuild left is removed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from index_store import ImageStore, JobBoard
from tests.disk import no_room
from tests.index_store.stores import NAME, add_all, current_folder, found, index_folder, let_swap
from tests.index_store.vectors import unit_vectors

QUERIES = unit_vectors(3, seed=9)


@pytest.fixture
def built(store: ImageStore) -> ImageStore:
    add_all(store, unit_vectors(100, seed=0))
    store.rebuild(NAME)
    return store


def asked(store: ImageStore) -> list[tuple[str, str | None]]:
    return [(job.kind, job.collection) for job in JobBoard(store.catalog).newest()]


def test_nothing_is_asked_for_while_all_is_well(built: ImageStore, open_store: Callable) -> None:
    let_swap(built)
    store = open_store()
    store.warm_up()
    assert asked(store) == []


@pytest.mark.parametrize("file", ["index.faiss", "vectors.f16", "seqs.i64", "manifest.json"])
def test_damage_found_at_the_start_asks_for_a_rebuild_that_heals(
    built: ImageStore, open_store: Callable, tmp_path: Path, file: str
) -> None:
    answers = found(built, QUERIES)
    path = current_folder(tmp_path) / file
    path.write_bytes(path.read_bytes()[:-3])
    store = open_store()
    store.warm_up()
    assert found(store, QUERIES) == answers
    assert asked(store) == [("rebuild", NAME)]
    assert store.rebuild(NAME).changed
    assert found(store, QUERIES) == answers


def test_an_index_that_was_deleted_is_asked_for(built: ImageStore, open_store: Callable, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "index")
    store = open_store()
    store.warm_up()
    assert asked(store) == [("rebuild", NAME)]


def test_an_index_that_was_never_made_is_not_missed(store: ImageStore) -> None:
    add_all(store, unit_vectors(10, seed=0))
    found(store, QUERIES)
    assert asked(store) == []


def test_damage_again_and_again_is_asked_for_once_in_a_while(built: ImageStore, tmp_path: Path) -> None:
    """A disk that damages every index would else be kept busy with rebuilding."""
    board = JobBoard(built.catalog)
    for number in range(3):
        add_all(built, unit_vectors(5, seed=number + 1), f"more{number}-")
        built.rebuild(NAME)
        path = current_folder(tmp_path) / "vectors.f16"
        path.write_bytes(path.read_bytes()[:-3])
        let_swap(built)
        if job := board.claim():
            board.finish(job.id, {})
    assert len(asked(built)) == 1


def test_a_search_does_not_fail_where_nothing_can_be_asked_for(
    built: ImageStore, open_store: Callable, tmp_path: Path
) -> None:
    answers = found(built, QUERIES)
    (current_folder(tmp_path) / "seqs.i64").unlink()
    store = open_store()
    with no_room():
        assert found(store, QUERIES) == answers


def test_what_a_killed_rebuild_left_is_removed_by_the_next(built: ImageStore, tmp_path: Path) -> None:
    folder = index_folder(tmp_path)
    before = set(folder.iterdir())
    (folder / ".building-0123").mkdir()
    (folder / ".building-0123/vectors.f16").write_bytes(b"half")
    (folder / ".CURRENT.0123.tmp").write_text("gen")
    assert not built.rebuild(NAME).changed
    assert set(folder.iterdir()) == before
