"""The service over HTTP, and bulk indexing, against the bare pipeline."""

import base64
import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from http.client import CREATED
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter

from tqdm import tqdm

from index_store import Catalog
from retrieval.bulk import BulkAdder, ImageFile
from retrieval.engine import Engine
from retrieval.settings import Settings
from scripts.benchmarking.aims import baselines
from scripts.benchmarking.bare import WARM_UP, Usual, bare
from scripts.benchmarking.figures import BenchmarkError, Figures, Rounds, percentiles, timed
from scripts.load import Answer
from scripts.serving import serving

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = (1, 4, 16, 64)
CRAWLERS = 16


def measure(settings: Settings, all_files: Sequence[ImageFile], count: int, rounds: int, peers: bool) -> Rounds:
    """Rounds over `count` pictures, with `all_files` in the index; the folder of `settings` is for this run alone.

    Files that cannot be read are left out. Raises BenchmarkError.
    """
    batch_size = settings.extractor.batch_size
    with ExitStack() as stack:
        engine = stack.enter_context(Engine.open(settings, Catalog(settings.catalog_url)))
        outcomes = BulkAdder(settings, engine, "default").add(all_files)
        readable = [outcome.file for outcome in outcomes if outcome.status == "added"]
        if not readable:
            raise BenchmarkError("none of the files is a picture that can be read")
        files = list(islice(cycle(readable), count))
        data = [file.path.read_bytes() for file in files]
        usual = Usual.of(settings.extractor) if peers else None
        ms, port = timed(lambda: stack.enter_context(serving(settings)))
        results: list[Figures] = []
        for number in tqdm(range(-1, rounds), desc="service", unit="round"):
            figures = bare(engine.extractor, data, batch_size) | (usual.measured(data) if usual else {})
            figures |= bulk(settings, engine, files, f"round{number}")
            for clients in CLIENTS:
                figures |= search(port, data, clients)
            results.append(figures | crawl(port, data, f"crawl{number}"))
    # The first round was for warming up.
    return Rounds(results[1:], {name: _baseline(name) for name in results[0]}, {"start-up: s": ms / 1e3})


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
    return _told(search_by(clients), answers, seconds)


def search_by(clients: int) -> str:
    """What its figures are called."""
    return f"/search, {clients} client{'s' if clients > 1 else ''}"


def crawl(port: int, data: list[bytes], collection: str) -> Figures:
    """POST /add from another process, as many crawlers do; raises BenchmarkError where a picture was accepted twice."""
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
        raise BenchmarkError(
            f"{len(accepted)} of {len(bodies)} files accepted, {len(set(accepted))} different pictures"
        )
    return _told(f"/add with reject, {CRAWLERS} clients", answers, seconds)


def load(port: int, path: str, bodies: list[str], clients: int) -> tuple[list[Answer], float]:
    """Each of the bodies once, from a process with so many clients: the answers, and the seconds in all.

    Raises BenchmarkError where one is refused.
    """
    orders = {"port": port, "path": path, "bodies": bodies, "clients": clients, "requests": len(bodies)}
    run = subprocess.run(  # noqa: S603  # nothing in the command comes from outside
        [sys.executable, str(ROOT / "scripts/load.py")],
        input=json.dumps(orders),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if run.returncode:
        raise BenchmarkError(f"POST {path} by {clients} clients failed; see above")
    told = json.loads(run.stdout)
    return told["answers"], told["seconds"]


def _told(name: str, answers: list[Answer], seconds: float) -> Figures:
    return percentiles(name, [ms for _, _, ms in answers]) | {f"{name}: requests/s": len(answers) / seconds}


def _baseline(name: str) -> str:
    usually = "bare one by one: ms" if name.endswith("ms") else "bare batched: pictures/s"
    return baselines("service").get(name, usually)
