"""A store of synthetic vectors, filled and indexed as the service would."""

import json
import shutil
from contextlib import closing
from pathlib import Path
from time import perf_counter

from tqdm import tqdm

from index_store import Catalog, ImageStore, NewImage
from index_store.records import Vectors
from retrieval.settings import load_settings
from scripts.benchmarking.figures import Figures
from scripts.benchmarking.vectors import CHUNK, DIM, chunks

NAME = "measured"
MARK = "filled.json"  # written last: a folder without it was left half filled


def filled(folder: Path, size: int) -> Figures:
    """Store and index `size` vectors, unless an earlier run has; what that took."""
    mark = folder / MARK
    if mark.exists():
        earlier: Figures = json.loads(mark.read_text())
        return earlier
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    figures = _fill(folder, size)
    mark.write_text(json.dumps(figures))
    return figures


def store_in(folder: Path) -> ImageStore:
    """The store of a filled folder."""
    settings = load_settings(data_dir=folder)
    return ImageStore(Catalog(settings.catalog_url), folder / "index", settings.index, "measured", DIM)


def picture(number: int, vector: Vectors) -> NewImage:
    """A picture as the catalog would have it; its id is its number."""
    sha256 = f"{number:064x}"
    return NewImage(str(number), vector, sha256, sha256, 640, 480, 50_000, "JPEG", None, {})


def _fill(folder: Path, size: int) -> Figures:
    with closing(store_in(folder)) as store:
        started = perf_counter()
        for start, chunk in tqdm(chunks(size), f"fill {size:,}", -(-size // CHUNK), unit="chunk"):
            store.add(NAME, [picture(start + number, vector) for number, vector in enumerate(chunk)])
        added = perf_counter()
        store.rebuild(NAME)
        built = perf_counter()
    index = sum(path.stat().st_size for path in (folder / "index").rglob("*") if path.is_file())
    return {
        "add: vectors/s": size / (added - started),
        "build: s": built - added,
        "disk, index: bytes a vector": index / size,
        "disk, catalog: bytes a vector": (folder / "catalog.db").stat().st_size / size,
    }
