"""Measure this machine: `python scripts/benchmark.py FOLDER`, with pictures of any kind in FOLDER.

service   The bare pipeline, which decodes, prepares and embeds the pictures in one process without HTTP and index;
          beside it the same on ONNX Runtime and Pillow; bulk indexing; POST /search by 1 to 64 clients and POST /add
          by crawlers, from another process. Crawlers add with `reject`, each picture twice in two files of the same
          pixels, into a new collection each round; where both were accepted, the benchmark stops with an error.
files     scripts/build_index.py over a folder of files, as a whole process, against the peers immaculate, with the
          same models, and ImageHash. immaculate gets an environment of its own in .peers, from PyPI.
index     The index alone, with synthetic vectors at several sizes, against FAISS's and usearch's defaults.

The first two are measured in rounds, all one after the other in each, and every figure is a median over the rounds, as
is every ratio, so that a machine whose speed varies does not matter much. Exit status: 0, or 1 where an aim is missed.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from evaluation.charts import require_matplotlib
from evaluation.errors import EvaluationError
from extractor import ExtractorError
from retrieval.bulk import ImageFile
from retrieval.settings import BadSettings, load_settings
from scripts.benchmarking import files, index, service
from scripts.benchmarking.aims import AIMS, verdicts
from scripts.benchmarking.charts import charts
from scripts.benchmarking.figures import BenchmarkError, Measured
from scripts.benchmarking.machine import in_words, machine
from scripts.benchmarking.report import as_json, tables, verdicts_as_json
from scripts.build_index import pictures

PARTS = tuple(AIMS)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the parts, print tables and aims, and write JSON and charts if asked; returns the exit status."""
    parser = _parser()
    given = parser.parse_args(argv)
    if trouble := _misuse(given):
        parser.error(trouble)
    found = list(pictures([given.folder])) if given.folder else []
    if not found and _takes_pictures(given):
        return _stop(f"no pictures in {given.folder}")
    try:
        _make_room(given)
        results = _all(given, found)
    except (BenchmarkError, BadSettings, EvaluationError, ExtractorError, OSError) as error:
        return _stop(str(error))
    return report(results)


def report(results: dict[str, Measured]) -> int:
    """Print tables and aims; gives the exit status."""
    for part, measured in results.items():
        print(tables(part, measured))
    judged = [verdict for part, measured in results.items() for verdict in verdicts(part, measured)]
    print("", *judged, sep="\n")
    return 0 if all(verdict.reached for verdict in judged) else 1


def _all(given: argparse.Namespace, found: list[ImageFile]) -> dict[str, Measured]:
    """Part by part; what is done is written at once."""
    described, results = machine(), dict[str, Measured]()
    print(in_words(described), flush=True)
    for part in given.parts:
        results[part] = _measured(part, given, found)
        _write(given, results, described)
    return results


def _measured(part: str, given: argparse.Namespace, found: list[ImageFile]) -> Measured:
    if part == "index":
        up_to = int(given.peers_up_to) if given.peers else 0
        return index.measure(index.Plan([*map(int, given.sizes)], given.queries, up_to, given.store, given.keep))
    with tempfile.TemporaryDirectory() as folder:
        own = {"host": "127.0.0.1", "port": 0}
        # Rounds ask about the same pictures again, and each is to be embedded.
        settings = load_settings(given.config, data_dir=folder, server=own, extractor={"recent": 0})
        if part == "service":
            return service.measure(settings, found, given.pictures, given.rounds, given.peers)
        programs = files.programs(settings.extractor.name, given.config, given.peers, given.peer_python)
        return files.measure(found, given.files, given.rounds, programs)


def _write(given: argparse.Namespace, results: dict[str, Measured], described: dict[str, object]) -> None:
    if given.plots:
        for part, measured in results.items():
            for name, data in charts(part, measured).items():
                (given.plots / name).write_bytes(data)
    if given.json:
        aims = [each for part, measured in results.items() for each in verdicts_as_json(part, measured)]
        parts = {part: as_json(measured) for part, measured in results.items()}
        given.json.write_text(json.dumps({"machine": described, "aims": aims, "parts": parts}, indent=2))


def _make_room(given: argparse.Namespace) -> None:
    """Before an hour's work and not after. Raises EvaluationError, OSError."""
    if given.plots:
        require_matplotlib()
        given.plots.mkdir(parents=True, exist_ok=True)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.touch()


def _takes_pictures(given: argparse.Namespace) -> bool:
    return set(given.parts) != {"index"}


def _misuse(given: argparse.Namespace) -> str:
    """What is wrong with options that do not go together, or nothing."""
    if given.folder is None and _takes_pictures(given):
        return "name a FOLDER of pictures; only --parts index does without"
    if given.store and not given.store.is_dir():
        return f"no such folder: {given.store}"
    return "--keep goes with --store" if given.keep and not given.store else ""


def _stop(message: str) -> int:
    print(f"benchmark: {message}", file=sys.stderr)
    return 2


def _count(text: str) -> int:
    """1000 or 1e3."""
    try:
        count = int(float(text))
    except (ValueError, OverflowError):
        count = 0
    if count < 1 or count != float(text):
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 on")
    return count


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("folder", nargs="?", type=Path, metavar="FOLDER", help="pictures to measure with")
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="default: all of them")
    add("--config", type=Path, metavar="FILE", help="of service and files: what differs from config.yaml")
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    add("--plots", type=Path, metavar="FOLDER", help="write charts there, as PNG")
    add("--rounds", type=_count, default=5, help="of service and files (%(default)s)")
    add("--pictures", type=_count, default=256, help="of service: pictures a round and measurement (%(default)s)")
    text = "of files: how many; where FOLDER has fewer, copies cropped by some pixels follow (%(default)s)"
    add("--files", type=_count, default=500, help=text)
    add("--sizes", type=_count, nargs="+", default=[10**4, 10**5, 10**6], help="of index: vectors (1e4 1e5 1e6)")
    add("--queries", type=_count, default=1000, help="of index: searches for each size (%(default)s)")
    add(
        "--store", type=Path, metavar="FOLDER", help="of index: where there are 4 kB a vector; default: temporary files"
    )
    text = "leave the filled stores there; each later run with --keep adds a thousand vectors and fills nothing anew"
    add("--keep", action="store_true", help=text)
    add("--peers", action=argparse.BooleanOptionalAction, default=True, help="measure other software, too")
    text = "of index: the largest size that it is measured at (%(default)s)"
    add("--peers-up-to", type=_count, default=10**5, metavar="SIZE", help=text)
    text = "Python 3.12 or newer for immaculate's environment; default: what is found on PATH"
    add("--peer-python", metavar="COMMAND", help=text)
    return parser


if __name__ == "__main__":
    sys.exit(main())
