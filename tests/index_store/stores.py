"""Stores over a folder, what is in them, and the files that an index consists of."""

from pathlib import Path

import numpy as np

from index_store import Catalog, ImageStore, IndexSettings
from tests.index_store.vectors import DIM, answers, new_images, oracle

NAME = "pictures"


def new_store(folder: Path, fingerprint: str = "f1", dim: int = DIM, **changes: float) -> ImageStore:
    """`changes` are of IndexSettings."""
    settings = IndexSettings(**{"exact_below": 100_000, "recall_target": 0.95, **changes})
    return ImageStore(Catalog(f"sqlite:///{folder / 'catalog.db'}"), folder / "index", settings, fingerprint, dim)


def add_all(store: ImageStore, vectors: np.ndarray, prefix: str = "", name: str = NAME) -> list[str]:
    """Keeps one picture a vector; gives their ids."""
    return [outcome.id for outcome in store.add(name, new_images(vectors, prefix))]


def found(store: ImageStore, queries: np.ndarray, top_k: int = 10, name: str = NAME) -> list[list[tuple[str, float]]]:
    """(id, score) of what each query finds."""
    return [answers(matches) for matches in store.search(name, queries, top_k)]


def exactly(queries: np.ndarray, ids: list[str], vectors: np.ndarray, top_k: int = 10) -> list[list[tuple[str, float]]]:
    """What `found` has to be."""
    return [oracle(query, ids, vectors, top_k) for query in queries]


def ids_of(results: list[list[tuple[str, float]]]) -> list[list[str]]:
    return [[image_id for image_id, _ in result] for result in results]


def recall(results: list[list[tuple[str, float]]], expected: list[list[tuple[str, float]]]) -> float:
    """Share of the expected pictures that were found."""
    pairs = zip(ids_of(results), ids_of(expected), strict=True)
    return float(np.mean([len(set(got) & set(want)) / len(want) for got, want in pairs]))


def index_folder(folder: Path) -> Path:
    """The index folder of the one collection there is."""
    (only,) = (folder / "index").iterdir()
    return only


def generation_folders(folder: Path) -> list[Path]:
    return sorted(path for path in index_folder(folder).iterdir() if path.is_dir())


def current_folder(folder: Path) -> Path:
    here = index_folder(folder)
    return here / (here / "CURRENT").read_text()


def generation_in_use(store: ImageStore, name: str = NAME) -> str | None:
    """Name of the generation that this very store searches."""
    view = store._views._views.get(store.collection(name).uid)
    generation = view._snapshot.generation if view else None
    return generation.name if generation else None


def let_swap(store: ImageStore, name: str = NAME) -> str | None:
    """Search once, so that a newer generation is noticed, and wait until it is in use."""
    store.search(name, np.zeros((1, store._binding.dim), np.float32), 1)
    store._views.close()
    return generation_in_use(store, name)
