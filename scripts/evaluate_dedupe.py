"""How good a plan of scripts/dedupe.py is, for a folder of scripts/make_redundant.py, which knows what copies what.

    python scripts/evaluate_dedupe.py OUT dedupe-plan.json

Prints precision (of the pairs of a kept picture and a copy, those that show the same photograph), pair recall (of the
pairs of an original and a copy that was made of it, those in one group), and the recall by edit. Exit status 0, or 2.
"""

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from cleaning.plan import Plan, PlanError
from scripts.make_redundant import TRUTH

Truth = dict[str, tuple[str, str]]  # path of a copy -> path of its original, and its edits


@dataclass(frozen=True)
class Measured:
    """Pairs of a kept picture and a copy, those that are wrong, and whether each true pair was found, by edits."""

    pairs: int
    wrong: tuple[tuple[str, str], ...]
    found: Mapping[str, Sequence[bool]]
    originals_removed: int

    @property
    def precision(self) -> float:
        return 1 - len(self.wrong) / max(self.pairs, 1)

    @property
    def recall(self) -> float:
        every = [each for found in self.found.values() for each in found]
        return sum(every) / max(len(every), 1)


def measure(truth: Truth, plan: Plan) -> Measured:
    """Compare; paths of both are absolute."""
    group_of = {path: number for number, paths in enumerate(_paths(plan)) for path in paths}
    pairs = [(group.keeper.path, copy.path) for group in plan.groups for copy in group.copies]
    found: dict[str, list[bool]] = defaultdict(list)
    for copy, (original, edits) in truth.items():
        found[edits].append(copy in group_of and group_of[copy] == group_of.get(original))
    return Measured(
        pairs=len(pairs),
        wrong=tuple(pair for pair in pairs if _shown(truth, pair[0]) != _shown(truth, pair[1])),
        found=found,
        originals_removed=sum(copy not in truth for _, copy in pairs),
    )


def read_truth(folder: Path) -> Truth:
    """Raises OSError, KeyError."""
    with (folder / TRUTH).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    base = folder.resolve()
    return {str(base / row["path"]): (str(base / row["original"]), row["edits"]) for row in rows}


def told(measured: Measured) -> str:
    """Figures, and a table by edit; a copy with two edits counts for both."""
    by_edit: dict[str, list[bool]] = defaultdict(list)
    for edits, found in measured.found.items():
        for edit in edits.split(" + "):
            by_edit[edit] += found
    lines = [f"wrong: {keeper} <- {copy}" for keeper, copy in measured.wrong]
    total = sum(map(len, measured.found.values()))
    lines += [
        f"precision {measured.precision:.4f} ({len(measured.wrong)} of {measured.pairs:,} pairs are wrong)",
        f"pair recall {measured.recall:.4f} (of {total:,}); {measured.originals_removed} originals would be removed",
        "",
        "| edit | copies | pair recall |",
        "| --- | --- | --- |",
    ]
    rows = sorted(by_edit.items(), key=lambda item: (sum(item[1]) / len(item[1]), item[0]))
    return "\n".join([*lines, *(f"| {edit} | {len(all_)} | {sum(all_) / len(all_):.3f} |" for edit, all_ in rows)])


def _paths(plan: Plan) -> list[list[str]]:
    return [[group.keeper.path, *(copy.path for copy in group.copies)] for group in plan.groups]


def _shown(truth: Truth, path: str) -> str:
    return truth.get(path, (path, ""))[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Compare what the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="OUT", help="of scripts/make_redundant.py")
    parser.add_argument("plan", type=Path, metavar="PLAN", help="of scripts/dedupe.py")
    given = parser.parse_args(argv)
    try:
        print(told(measure(read_truth(given.folder), Plan.read(given.plan))))
    except (OSError, KeyError, PlanError) as error:
        print(f"evaluate_dedupe: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
