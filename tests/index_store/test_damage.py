"""Promise 2: whatever happens to the files of an index, answers stay right and the next rebuild heals."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from index_store import ImageStore, NewImage, sweep
from index_store.generation import Manifest
from tests.index_store.stores import (
    NAME,
    add_all,
    current_folder,
    exactly,
    found,
    generation_folders,
    generation_in_use,
    index_folder,
    let_swap,
)
from tests.index_store.vectors import near, new_image, unit_vectors

VECTORS = unit_vectors(200, seed=0)
QUERIES = near(VECTORS[:8], 0.8)
IDS = [str(number) for number in range(200) if number != 3]
LIVING = VECTORS[[number for number in range(200) if number != 3]]
FILES = ["index.faiss", "vectors.f16", "seqs.i64", "manifest.json", "../CURRENT"]


@pytest.fixture
def built(store: ImageStore) -> ImageStore:
    """180 pictures in a generation, 20 in the delta, one deleted since."""
    add_all(store, VECTORS[:150])
    store.rebuild(NAME)
    store.add(NAME, _pictures(150, 180))
    store.rebuild(NAME)
    store.add(NAME, _pictures(180, 200))
    store.delete(NAME, "3")
    return store


def _pictures(start: int, stop: int) -> list[NewImage]:
    return [new_image(str(number), VECTORS[number]) for number in range(start, stop)]


def _answers_are_right(store: ImageStore) -> bool:
    return found(store, QUERIES) == exactly(QUERIES, IDS, LIVING)


def _heals(store: ImageStore, folder: Path) -> bool:
    """After a rebuild the answers come from the new generation, which a second rebuild finds whole."""
    report = store.rebuild(NAME)
    in_use = let_swap(store)
    right = _answers_are_right(store) and report.changed and in_use == report.generation
    return right and not store.rebuild(NAME).changed and len(generation_folders(folder)) <= 2


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _flip_first(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


def _flip_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def _remove(path: Path) -> None:
    path.unlink()


def test_an_undamaged_index_is_in_use(built: ImageStore, tmp_path: Path) -> None:
    assert let_swap(built) == current_folder(tmp_path).name
    assert _answers_are_right(built)


def test_the_index_can_be_deleted_while_running(built: ImageStore, tmp_path: Path) -> None:
    in_use = let_swap(built)
    shutil.rmtree(tmp_path / "index")
    assert _answers_are_right(built)
    assert generation_in_use(built) == in_use
    assert _heals(built, tmp_path)


def test_the_index_can_be_deleted_before_a_start(built: ImageStore, open_store: Callable, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "index")
    store = open_store()
    assert _answers_are_right(store)
    assert _heals(store, tmp_path)


@pytest.mark.parametrize("harm", [_truncate, _empty, _flip_first, _flip_middle, _remove])
@pytest.mark.parametrize("file", FILES)
def test_any_damaged_file_is_survived(
    built: ImageStore, open_store: Callable, tmp_path: Path, file: str, harm: Callable
) -> None:
    harm(current_folder(tmp_path) / file)
    store = open_store()
    assert _answers_are_right(store)
    assert _heals(store, tmp_path)


@pytest.mark.parametrize("old, new", [('"covers": 180', '"covers": 150'), ('"nprobe": null', '"nprobe": 1')])
def test_a_manifest_that_still_reads_but_says_something_else_is_not_believed(
    built: ImageStore, open_store: Callable, tmp_path: Path, old: str, new: str
) -> None:
    manifest = current_folder(tmp_path) / "manifest.json"
    assert old in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(old, new))
    store = open_store()
    assert _answers_are_right(store)
    assert _heals(store, tmp_path)


@pytest.mark.parametrize(
    "pointer",
    [b"", b"../x", b"..", b".", b"/etc", b"gen-1-a", b"gen-\0", b"\xff\xfe", b"x" * 5000, b"gen-1-a\ngen-2-b"],
)
@pytest.mark.parametrize("running", [False, True])
def test_a_garbage_pointer_is_survived(
    built: ImageStore, open_store: Callable, tmp_path: Path, pointer: bytes, running: bool
) -> None:
    if running:
        let_swap(built)
    (index_folder(tmp_path) / "CURRENT").write_bytes(pointer)
    store = built if running else open_store()
    assert _answers_are_right(store)
    assert _heals(store, tmp_path)


def test_a_pointer_put_back_to_the_generation_before_is_survived(
    built: ImageStore, open_store: Callable, tmp_path: Path
) -> None:
    older = next(path for path in generation_folders(tmp_path) if path != current_folder(tmp_path))
    (index_folder(tmp_path) / "CURRENT").write_text(older.name)
    store = open_store()
    assert _answers_are_right(store)
    assert generation_in_use(store) == older.name
    assert _heals(store, tmp_path)


def test_a_broken_new_generation_leaves_the_one_in_use(built: ImageStore, open_store: Callable, tmp_path: Path) -> None:
    in_use = let_swap(built)
    open_store().rebuild(NAME)
    _flip_middle(current_folder(tmp_path) / "vectors.f16")
    assert let_swap(built) == in_use
    assert _answers_are_right(built)
    assert _heals(built, tmp_path)


def test_a_generation_of_an_earlier_layout_is_built_again(
    store: ImageStore, open_store: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_all(store, VECTORS)
    store.delete(NAME, "3")
    with monkeypatch.context() as earlier:
        earlier.setattr(Manifest, "to_json", lambda manifest: json.dumps({**asdict(manifest), "layout": 1}).encode())
        store.rebuild(NAME)
    updated = open_store()
    assert _answers_are_right(updated)
    assert generation_in_use(updated) is None
    assert _heals(updated, tmp_path)


@pytest.mark.parametrize("changes", [{}, {"fingerprint": "another"}])
def test_a_generation_of_another_collection_is_not_searched(
    built: ImageStore, open_store: Callable, tmp_path: Path, changes: dict
) -> None:
    other = open_store(**changes)
    add_all(other, unit_vectors(180, seed=7), name="other")
    other.rebuild("other")
    (foreign,) = (tmp_path / "index").glob("other-*/gen-*")
    (here,) = (tmp_path / "index").glob(f"{NAME}-*")
    shutil.copytree(foreign, here / foreign.name)
    (here / "CURRENT").write_text(foreign.name)
    store = open_store()
    assert _answers_are_right(store)
    assert store.rebuild(NAME).changed
    assert let_swap(store) not in (None, foreign.name)
    assert _answers_are_right(store)


def test_the_whole_index_folder_of_another_catalog_is_not_searched(built: ImageStore, open_store, tmp_path) -> None:
    (tmp_path / "elsewhere").mkdir()
    other = open_store(tmp_path / "elsewhere")
    add_all(other, unit_vectors(180, seed=7))
    other.rebuild(NAME)
    here = index_folder(tmp_path)
    shutil.rmtree(here)
    shutil.copytree(index_folder(tmp_path / "elsewhere"), here)
    store = open_store()
    assert _answers_are_right(store)
    assert _heals(store, tmp_path)


def test_sweeping_removes_what_no_collection_owns_and_nothing_else(built: ImageStore, tmp_path: Path) -> None:
    root = tmp_path / "index"
    before = set(root.iterdir())
    (root / "gone-0123456789ab").mkdir()
    (root / "holiday photos").mkdir()
    (root / "note.txt").write_text("keep")
    sweep(built.catalog, root)
    assert set(root.iterdir()) == before | {root / "holiday photos", root / "note.txt"}
