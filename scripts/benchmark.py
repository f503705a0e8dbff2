"""Measure the service against the bare pipeline on this machine: `python scripts/benchmark.py FOLDER`.

The bare pipeline decodes, prepares and embeds the same files in one process, without HTTP and index: one by one, and
batched with decoding on all cores beside embedding. All is measured in rounds, one after the other in each, and every
figure is a median over the rounds, as is every ratio, so that a machine whose speed varies does not matter much.

Crawlers add with `reject`, each picture twice in two files of the same pixels, into a new collection each round; where
both were accepted, the benchmark stops with an error.
"""

import argparse
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import CREATED
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from extractor import Extractor, Pixels
from index_store import Catalog
from retrieval.bulk import BulkAdder, ImageFile
from retrieval.engine import Engine
from retrieval.settings import Settings, load_settings
from scripts.build_index import pictures
from scripts.load import Answer
from scripts.serving import serving

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = (1, 4, 16, 64)
CRAWLERS = 16
WARM_UP = 16
Figures = dict[str, float]
# What is promised: (figure, baseline, bound, whether the ratio is to stay below it).
AIMS = (
    ("/search, 1 client: p50 ms", "bare one by one: ms", 1.2, True),
    ("/search, 16 clients: requests/s", "bare batched: pictures/s", 0.88, False),
    ("/add with reject, 16 clients: requests/s", "/search, 16 clients: requests/s", 0.8, False),
    ("bulk: pictures/s", "bare batched: pictures/s", 0.85, False),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write JSON if asked; returns 1 if an aim is missed."""
    given = _parser().parse_args(argv)
    files = list(pictures([given.folder])) if given.folder.is_dir() else []
    if not files:
        print(f"benchmark: no pictures in {given.folder}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(given.config, data_dir=folder, server={"host": "127.0.0.1", "port": 0})
        rounds = measure(settings, list(islice(cycle(files), given.pictures)), files, given.rounds)
    figures = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    missed = report(figures, ratios(rounds))
    if given.json:
        given.json.write_text(json.dumps({"figures": figures, "ratios": ratios(rounds), "rounds": rounds}, indent=2))
    return 1 if missed else 0


def measure(settings: Settings, files: list[ImageFile], all_files: list[ImageFile], rounds: int) -> list[Figures]:
    """Figures of each round, over `files`, with `all_files` in the index."""
    data = [file.path.read_bytes() for file in files]
    with ExitStack() as stack:
        engine = stack.enter_context(Engine.open(settings, Catalog(settings.catalog_url)))
        for _ in BulkAdder(settings, engine, "default").add(all_files):
            pass
        port = stack.enter_context(serving(settings))
        results: list[Figures] = []
        for number in tqdm(range(-1, rounds), desc="rounds", unit="round"):
            figures = bare(engine.extractor, data, settings.extractor.batch_size)
            figures |= bulk(settings, engine, files, f"round{number}")
            for clients in CLIENTS:
                figures |= search(port, data, clients)
            figures |= crawl(port, data, f"crawl{number}")
            results.append(figures)
    return results[1:]  # the first was for warming up


def bare(extractor: Extractor, data: list[bytes], batch_size: int) -> Figures:
    """The pipeline alone, one by one and batched."""
    times = []
    for each in data[: max(WARM_UP, len(data) // 4)]:
        started = perf_counter()
        extractor.embed_prepared([_decoded(extractor, each)])
        times.append(1e3 * (perf_counter() - started))
    started = perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        inputs = pool.map(lambda each: _decoded(extractor, each), data)
        while batch := list(islice(inputs, batch_size)):
            extractor.embed_prepared(batch)
    rate = len(data) / (perf_counter() - started)
    return {"bare one by one: ms": statistics.median(times), "bare batched: pictures/s": rate}


def bulk(settings: Settings, engine: Engine, files: list[ImageFile], collection: str) -> Figures:
    """What build_index.py does, into a new collection."""
    named = [ImageFile(f"{number}-{file.id}", file.path) for number, file in enumerate(files)]
    started = perf_counter()
    added = sum(outcome.status == "added" for outcome in BulkAdder(settings, engine, collection).add(named))
    return {"bulk: pictures/s": added / (perf_counter() - started)}


def search(port: int, data: list[bytes], clients: int) -> Figures:
    """POST /search from another process, pictures in base64; with a byte more, for known bytes need no model."""
    bodies = [json.dumps({"base64": base64.b64encode(each + b"\0").decode()}) for each in data]
    count = len(data) if clients > 1 else max(WARM_UP, len(data) // 4)
    answers, seconds = load(port, "/search", bodies[:count], clients)
    return _told(f"/search, {clients} client{'s' if clients > 1 else ''}", answers, seconds)


def crawl(port: int, data: list[bytes], collection: str) -> Figures:
    """POST /add from another process, as many crawlers do; raises RuntimeError where a picture was accepted twice."""
    distinct = list(dict.fromkeys(data))
    bodies = [
        json.dumps(
            {
                "base64": base64.b64encode(each + bytes(1 + copy)).decode(),
                "collection": collection,
                "on_duplicate": "reject",
            }
        )
        for each in distinct
        for copy in range(2)  # one after the other, so that two crawlers are likely to have them at the same time
    ]
    answers, seconds = load(port, "/add", bodies, CRAWLERS)
    accepted = [number // 2 for number, status, _ in answers if status == CREATED]
    if not accepted or len(accepted) > len(set(accepted)):
        raise RuntimeError(f"{len(accepted)} of {len(bodies)} files accepted, {len(set(accepted))} different pictures")
    return _told(f"/add with reject, {CRAWLERS} clients", answers, seconds)


def load(port: int, path: str, bodies: list[str], clients: int) -> tuple[list[Answer], float]:
    """Each of the bodies once, from a process with so many clients: the answers, and the seconds in all."""
    orders = {"port": port, "path": path, "bodies": bodies, "clients": clients, "requests": len(bodies)}
    run = subprocess.run(  # noqa: S603  # nothing in the command comes from outside
        [sys.executable, str(ROOT / "scripts/load.py")],
        input=json.dumps(orders),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told = json.loads(run.stdout)
    return told["answers"], told["seconds"]


def ratios(rounds: list[Figures]) -> Figures:
    """Each figure as a ratio to its baseline in the same round, median over the rounds."""
    found: dict[str, list[float]] = defaultdict(list)
    for figures in rounds:
        for name, value in figures.items():
            found[name].append(value / figures[_baseline(name)])
    return {name: statistics.median(values) for name, values in found.items()}


def report(figures: Figures, compared: Figures) -> list[str]:
    """Print the table and the aims; gives those missed."""
    print(f"\n{'':42}{'median':>10}   ratio")
    for name, value in figures.items():
        print(f"{name:42}{value:10.1f}  {compared[name]:6.2f} of {_baseline(name)}")
    missed = []
    for name, baseline, bound, below in AIMS:
        reached = compared[name] <= bound if below else compared[name] >= bound
        missed += [] if reached else [name]
        word = "at most" if below else "at least"
        print(f"{'reached' if reached else 'MISSED':8}{name} is {compared[name]:.2f} of {baseline}, {word} {bound}")
    return missed


def _decoded(extractor: Extractor, data: bytes) -> Pixels:
    return extractor.prepare(Image.open(BytesIO(data)).convert("RGB"))


def _told(name: str, answers: list[Answer], seconds: float) -> Figures:
    p50, p99 = np.percentile([ms for _, _, ms in answers], (50, 99))
    return {
        f"{name}: p50 ms": float(p50),
        f"{name}: p99 ms": float(p99),
        f"{name}: requests/s": len(answers) / seconds,
    }


def _baseline(name: str) -> str:
    usual = "bare one by one: ms" if name.endswith("ms") else "bare batched: pictures/s"
    return next((baseline for promised, baseline, *_ in AIMS if promised == name), usual)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="pictures to measure with")
    parser.add_argument("--config", type=Path, metavar="FILE", help="what differs from config.yaml")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument(
        "--pictures", type=int, default=256, help="pictures a round and measurement (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
