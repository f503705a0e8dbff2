"""Compare scripts/dedupe.py with other programs that find copies, over a folder of scripts/make_redundant.py.

    python scripts/make_redundant.py PHOTOS MADE --seed 1
    python scripts/compare_dedupe.py MADE                       installs immaculate and imagededup (6 GB) into .peers
    python scripts/compare_dedupe.py MADE --no-peers            dedupe.py alone: a first run, and one with its cache

Runs one after the other, each a process of its own, and prints a table: seconds of the clock and of the processor, the
most memory that it and its children had at once, pairs that it says are copies, how many of these show different
photographs, precision (of all pairs reported, the part that shows one photograph: an original and its copy, or two
copies of it), and pair recall (of the pairs of an original and a copy in truth.csv, the part reported). Of a program
that reports groups, all pairs of a group count as reported. All files are read once before the first one starts.

Exit status: 0, 2 where MADE or dedupe.py will not do, 130 after Ctrl-C; a peer that fails is told and left out.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from scripts.benchmarking.figures import BenchmarkError
from scripts.benchmarking.finders import Dedupe, FindsCopies, Outcome, peers
from scripts.benchmarking.machine import in_words, machine
from scripts.evaluate_dedupe import Truth, read_truth
from scripts.make_redundant import TRUTH

COLUMNS = ("", "s", "processor s", "MB", "pairs reported", "of different photographs", "precision", "pair recall")


@dataclass(frozen=True)
class Row:
    """A program's figures.

    seconds: of the clock; processor: of all cores. peak: bytes. found: of `known` pairs of an original and a copy.
    """

    name: str
    seconds: float
    processor: float
    peak: int
    pairs: int
    wrong: int
    found: int
    known: int

    @property
    def precision(self) -> float:
        return 1 - self.wrong / max(self.pairs, 1)

    @property
    def recall(self) -> float:
        return self.found / max(self.known, 1)

    def told(self) -> str:
        """A line of the table."""
        took = (f"{self.seconds:,.1f}", f"{self.processor:,.1f}", f"{self.peak / 1e6:,.0f}")
        parts = (f"{self.precision:.4f}", f"{self.recall:.4f}")
        return f"| {' | '.join((self.name, *took, f'{self.pairs:,}', f'{self.wrong:,}', *parts))} |"


def row(name: str, outcome: Outcome, truth: Truth) -> Row:
    """Compare; paths of both are absolute."""
    known = {tuple(sorted((copy, original))) for copy, (original, _) in truth.items()}
    wrong = sum(_photograph(truth, left) != _photograph(truth, right) for left, right in outcome.pairs)
    watched = outcome.watched
    found = len(known & outcome.pairs)
    took = (watched.seconds, watched.processor, watched.peak)
    return Row(name, *took, len(outcome.pairs), wrong, found, len(known))


def compare(made: Path, truth: Truth, programs: Sequence[FindsCopies]) -> Iterator[Row]:
    """One after the other. Raises BenchmarkError where the first fails; others that fail are told and left out."""
    _read(made)
    for number, program in enumerate(programs):
        print(f"{program.name} ...", file=sys.stderr)
        try:
            yield row(program.name, program.run(made), truth)
        except BenchmarkError as error:
            if not number:
                raise
            print(f"{program.name} is left out: {error}", file=sys.stderr)


def _photograph(truth: Truth, path: str) -> str:
    return truth.get(path, (path, ""))[0]


def _read(folder: Path) -> None:
    """So that the first program does not wait for the disk longer than the others."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.read_bytes()


def main(argv: Sequence[str] | None = None) -> int:
    """Compare over what the command line names; returns the exit status."""
    given = _parser().parse_args(argv)
    try:
        return report(given)
    except KeyError as error:
        return _stop(f"{given.made / TRUTH} has no column {error}; make the folder with scripts/make_redundant.py")
    except (BenchmarkError, OSError) as error:
        return _stop(str(error))
    except KeyboardInterrupt:
        return _stop("interrupted", 130)


def report(given: argparse.Namespace) -> int:
    """Prints line by line. Raises what `main` tells."""
    made, truth = given.made.resolve(), read_truth(given.made)
    if given.json:
        given.json.touch()
    others = list(peers(given.peer_python)) if given.peers else []
    described, rows = machine(), []
    print(f"{in_words(described)}\n\n| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}", flush=True)
    with tempfile.TemporaryDirectory() as kept:
        runs = [Dedupe(name, Path(kept), given.config) for name in ("dedupe.py", "the same, second run")]
        for each in compare(made, truth, [*runs, *others]):
            print(each.told(), flush=True)
            rows.append(asdict(each) | {"precision": each.precision, "recall": each.recall})
    if given.json:
        given.json.write_text(json.dumps({"machine": described, "rows": rows}, indent=2))
    return 0


def _stop(message: str, status: int = 2) -> int:
    print(f"compare_dedupe: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("made", type=Path, metavar="MADE", help="of scripts/make_redundant.py")
    parser.add_argument("--config", type=Path, metavar="FILE", help="of dedupe.py: what differs from config.yaml")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True, help="run the others, too")
    text = "Python 3.12 or newer for the environments of the peers; default: what is found on PATH"
    parser.add_argument("--peer-python", metavar="COMMAND", help=text)
    return parser


if __name__ == "__main__":
    sys.exit(main())
