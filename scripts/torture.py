"""Kill the service again and again under load, and look whether it keeps its word.

    python scripts/torture.py --cycles 100 [--workers 2] [--config my.yaml]

Each cycle starts `python app.py` over the same data folder; clients add (waiting or not, with and without an
Idempotency-Key), delete and search while indexes are rebuilt and inboxes ingested; at random moments random
processes are killed with SIGKILL, at last all of them. After each start, every picture whose add was acknowledged
must be listed once and found, and none whose deletion was acknowledged. Nothing is repaired by hand. The exit status
is 1 if a promise broke.
"""

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

import requests

from index_store.integrity import trouble_in
from retrieval.settings import Settings, load_settings, merge
from scripts.torturing.killing import Victim
from scripts.torturing.ledger import Ledger
from scripts.torturing.tormentor import Tormentor

LOAD = {
    "server": {"port": 0, "threads": 16},
    "extractor": {"name": "thumbnail"},
    "maintenance": {"poll_s": 0.1, "rebuild_after": 40, "inbox_settle_s": 0.0, "ingest_after_s": 0.5},
}
SAMPLE = 40  # pictures searched for after each start


def main(argv: Sequence[str] | None = None) -> int:
    """Torment a service; prints what was seen as JSON and returns the exit status."""
    arguments = _parser().parse_args(argv)
    ledger, random = Ledger(), Random(arguments.seed)  # noqa: S311
    began = monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        settings = _settings(arguments, Path(folder) / "data")
        for number in range(arguments.cycles):
            _cycle(settings, ledger, random, arguments)
            _tell(number + 1, arguments.cycles, ledger)
        _last_look(settings, ledger, random)
    summary = {**ledger.counts, "faults": ledger.faults, "seconds": round(monotonic() - began)}
    print(json.dumps({"cycles": arguments.cycles, "workers": arguments.workers, **summary}, indent=2))
    return 1 if ledger.faults else 0


def _cycle(settings: Settings, ledger: Ledger, random: Random, arguments: argparse.Namespace) -> None:
    """Start, compare with what was promised, torment, kill."""
    with Victim(settings) as victim:
        ledger.counts["slowest_start_ms"] = max(ledger.counts["slowest_start_ms"], round(1e3 * victim.ready()))
        _compare(victim, ledger, random)
        over = threading.Event()
        own = [Random(random.random()) for _ in range(arguments.clients)]  # noqa: S311
        with ThreadPoolExecutor(arguments.clients) as pool:
            rounds = [pool.submit(Tormentor(victim, ledger, each, over).torment) for each in own]
            _kill_now_and_then(victim, ledger, random, arguments.seconds)
            over.set()
            victim.kill_all()
        for each in rounds:
            each.result()


def _kill_now_and_then(victim: Victim, ledger: Ledger, random: Random, seconds: float) -> None:
    """For a random time, of which some is spent with single processes gone. The service itself is not spared."""
    end = monotonic() + random.uniform(0.1, 2 * seconds)
    while (left := end - monotonic()) > 0:
        sleep(min(left, random.uniform(0.1, seconds)))
        if random.random() < 0.5 and (kind := victim.kill_one(random)):
            ledger.counts[f"killed_{kind}"] += 1
        if _is_over(victim):
            return
    ledger.counts["killed_all"] += 1


def _is_over(victim: Victim) -> bool:
    """Without its master a service ends by itself."""
    return victim.process.poll() is not None


def _compare(victim: Victim, ledger: Ledger, random: Random) -> None:
    ledger.settle(victim.images())
    gone = ledger.ids_gone()
    for state in ("here", "gone"):
        known = [number for number, its in ledger.states.items() if its == state]
        for number in random.sample(known, min(SAMPLE, len(known))):
            matches = [match["id"] for match in victim.search(number)]
            if state == "here" and ledger.ids[number] not in matches:
                ledger.fault(f"picture {number} was added and is not found")
            if lost := gone & set(matches):
                ledger.fault(f"deleted pictures are found: {sorted(lost)}")
            ledger.counts["compared"] += 1


def _last_look(settings: Settings, ledger: Ledger, random: Random) -> None:
    """What waits in the inbox comes in, the index is built anew, and all hangs together."""
    with Victim(settings) as victim:
        victim.ready()
        for kind in ("ingest", "rebuild"):
            victim.run_job(kind)
        ledger.settle(victim.images())
        if waiting := [number for number, state in ledger.states.items() if state == "queued"]:
            ledger.fault(f"pictures that were taken for the next ingest are missing: {waiting}")
        _compare(victim, ledger, random)
        victim.stop()
    if trouble := trouble_in(settings.data_dir / "catalog.db"):
        ledger.fault(f"the catalog is damaged: {trouble}")
    litter = [path.name for path in settings.data_dir.rglob("*") if path.name.startswith(".building-")]
    if litter:
        ledger.fault(f"unfinished indexes are left: {litter}")
    ledger.counts["pictures_at_the_end"] = sum(state == "here" for state in ledger.states.values())


def _tell(done: int, of: int, ledger: Ledger) -> None:
    here = sum(state == "here" for state in ledger.states.values())
    print(f"{done} of {of}: {here} pictures, {len(ledger.faults)} faults", file=sys.stderr)


def _settings(arguments: argparse.Namespace, data_dir: Path) -> Settings:
    changes: dict[str, Any] = {}
    merge(changes, LOAD)
    merge(changes, {"data_dir": str(data_dir), "server": {"workers": arguments.workers}})
    if arguments.model:
        changes["extractor"] = {}
    return load_settings(arguments.config, **changes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=100, help="starts and kills (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="serving processes (%(default)s)")
    parser.add_argument("--clients", type=int, default=6, help="side by side (%(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="a cycle's load, on average (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of moments and choices (%(default)s)")
    parser.add_argument("--model", action="store_true", help="with the configured extractor, not thumbnails")
    parser.add_argument("--config", type=Path, help="YAML file with what differs from config.yaml")
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except requests.RequestException as error:
        sys.exit(f"the service cannot be asked though nobody killed it: {error}")
    except RuntimeError as error:
        sys.exit(str(error))
