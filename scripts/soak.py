"""Soak the service in mixed load while its index is rebuilt again and again: `python scripts/soak.py [FOLDER]`.

A service of its own answers searches, adds, deletes, comparisons, lists and bad requests. Every answer is checked: what
was added is found at once, what was deleted is not. Latency during rebuilds is compared with that between them, in the
same run; memory, threads and descriptors must not grow. docs/soak.md says how to read the table. The exit status is 1
if an aim is missed.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from index_store import Catalog, NewImage
from retrieval.engine import Engine
from retrieval.settings import Settings, load_settings
from scripts.build_index import pictures
from scripts.serving import ROOT, Service, service_of
from scripts.soaking import watch
from scripts.soaking.calls import Calls
from scripts.soaking.client import Client
from scripts.soaking.pictures import Variants
from scripts.soaking.rebuilds import Rebuilds
from scripts.soaking.record import Record
from scripts.soaking.report import Soaked, table

SAMPLES = ROOT / ".samples/skimage/data"
COLLECTION = "default"
WARM_UP = 0.2  # of the time: each thread has had to do with everything, and its memory its size
CHUNK = 2000
PAGE = 1000
OURS_ALONE = {"cron": "0 0 29 2 *", "rebuild_after": 10**9}  # no rebuilds but those that are asked for


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    given = _parser().parse_args(argv)
    variants = Variants([file.path for file in pictures([given.folder])] if given.folder.is_dir() else [])
    if not len(variants):
        print(f"soak: no colour photographs in {given.folder}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        settings = _settings(given, folder)
        fill(settings, given.filler)
        with service_of(settings) as service:
            soaked = soak(service, settings.data_dir, variants, given)
    print(table(soaked))
    if given.json:
        given.json.write_text(json.dumps(soaked.as_json(), indent=1))
    return 1 if any(aim.reached is False for aim in soaked.aims()) else 0


def fill(settings: Settings, count: int) -> None:
    """Store and index vectors of no picture, so that rebuilds have something to do."""
    if not count:
        return
    chance = np.random.default_rng(0)
    with closing(Catalog(settings.catalog_url)) as catalog, Engine.open(settings, catalog) as engine:
        for start in tqdm(range(0, count, CHUNK), desc="fill", unit="chunk"):
            vectors = chance.standard_normal((min(CHUNK, count - start), engine.extractor.dim), dtype=np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            engine.store.add(COLLECTION, [_filler(start + place, each) for place, each in enumerate(vectors)])
        engine.store.rebuild(COLLECTION)


def soak(service: Service, folder: Path, variants: Variants, given: argparse.Namespace) -> Soaked:
    """Load, rebuild and watch."""
    record = Record()
    share = max(1, given.stored // given.clients)
    clients = [Client(str(number), service.port, variants, record, share) for number in range(1, given.clients + 1)]
    rebuilds = Rebuilds(service.port, record, given.rebuild_every, COLLECTION)
    for client in clients:
        client.start()
    for client in clients:
        client.filled.wait()
    rebuilds.start()
    began = monotonic()
    warm_at = began + WARM_UP * 60 * given.minutes
    samples = list(_watched(service, record, warm_at))
    before = watch.disk(folder)
    samples += _watched(service, record, began + 60 * given.minutes)
    ended = monotonic()
    rebuilds.stop()
    for client in clients:
        client.stopping.set()
    for client in clients:
        client.join()
    _check_stored(service, record, clients, given.filler)
    options = {name: str(value) for name, value in vars(given).items()}
    found = watch.disk(folder), watch.generations(folder)
    return Soaked(record, samples, warm_at, ended, before, *found, options)


def _watched(service: Service, record: Record, until: float) -> Iterator[watch.Sample]:
    """A sample each second, and a line of progress."""
    with tqdm(total=round(until - monotonic()), desc="soak", unit="s", mininterval=5) as progress:
        while (now := monotonic()) < until:
            yield (it := watch.sample(service.pid))
            counts = f"{len(record.requests)} requests, {record.errors} errors, {len(record.rebuilds)} rebuilds"
            progress.set_postfix_str(f"{counts}, {it.rss:.0f} MB, load {it.load:.1f}", refresh=False)
            progress.update()
            sleep(max(0, now + 1 - monotonic()))


def _check_stored(service: Service, record: Record, clients: list[Client], filler: int) -> None:
    """At the end, there is exactly what was added and not deleted."""
    expected = {image_id for client in clients for image_id in client.owned}
    expected |= {_filler_id(number) for number in range(filler)}
    with closing(Calls(service.port, record)) as calls:
        found = set(_listed(calls))
    if lost := sorted(expected - found):
        record.error(f"{len(lost)} added pictures are not there: {lost[:5]}")
    if ghosts := sorted(found - expected):
        record.error(f"{len(ghosts)} pictures are there that nobody added, or that were deleted: {ghosts[:5]}")


def _listed(calls: Calls) -> Iterator[str]:
    after: int | None = 0
    while after is not None:
        page = calls.ask("list", "GET", f"/images?limit={PAGE}&after={after}", 200).json()
        yield from (image["id"] for image in page["images"])
        after = page["next"]


def _filler(number: int, vector: Any) -> NewImage:
    digest = f"{number:064x}"
    return NewImage(_filler_id(number), vector, digest, digest, 640, 480, 50_000, "JPEG", None, {})


def _filler_id(number: int) -> str:
    return f"filler/{number}"


def _settings(given: argparse.Namespace, folder: str) -> Settings:
    server: dict[str, Any] = {"host": "127.0.0.1", "port": 0}
    changes: dict[str, Any] = {"data_dir": folder, "maintenance": OURS_ALONE}
    changes["server"] = server | ({"workers": given.workers} if given.workers else {})
    return load_settings(
        given.config, **changes, **({"extractor": {"name": given.extractor}} if given.extractor else {})
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add(
        "folder", type=Path, nargs="?", default=SAMPLES, metavar="FOLDER", help="photographs that variants are cut from"
    )
    add("--minutes", type=float, default=10.0, help="after the collection is filled (default: %(default)s)")
    add("--clients", type=int, default=16, help="default: %(default)s")
    add("--rebuild-every", type=float, default=20.0, metavar="S", help="seconds (default: %(default)s)")
    add("--stored", type=int, default=320, help="pictures kept stored, about (default: %(default)s)")
    add("--filler", type=int, default=5_000, help="vectors stored besides, of no picture (default: %(default)s)")
    add("--config", type=Path, metavar="FILE", help="what differs from config.yaml")
    add("--extractor", metavar="NAME", help="thumbnail, for a quick run (default: as configured)")
    add("--workers", type=int, help="serving processes (default: as configured)")
    add("--json", type=Path, metavar="OUT", help="write all figures there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
