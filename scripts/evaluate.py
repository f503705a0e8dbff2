"""Measure how well edited copies of pictures are found again, on any folder, without labels.

    python scripts/evaluate.py FOLDER                                     the service's settings
    python scripts/evaluate.py FOLDER --config default --config dhash     compared, on the same copies
    python scripts/evaluate.py FOLDER --config default,extractor.size=224
    python scripts/evaluate.py FOLDER --grid grid.yaml                    every combination of some settings
    python scripts/evaluate.py --pairs pairs.csv --references FOLDER      labelled pairs
    python scripts/evaluate.py --classes FOLDER                           each sub-folder is a class

Prints a table and writes results.json, report.html and charts. How to read them: docs/evaluation.md. The exit status is
0, or 2 where the evaluation cannot be done.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from evaluation import charts, grid, tables
from evaluation.configs import DEFAULT, load_descriptor, settings_of
from evaluation.descriptors import BASELINES
from evaluation.edits import STRENGTHS
from evaluation.errors import EvaluationError
from evaluation.labelled import classes_task, pairs_task, read_pairs
from evaluation.pictures import Photo, Reader, look_through
from evaluation.report import about, write_report
from evaluation.results import evaluate
from evaluation.suite import Plan
from evaluation.task import Task
from extractor import ExtractorError
from retrieval.settings import BadSettings
from scripts.build_index import pictures

OUT = Path("run/evaluation")


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate what the command line names; returns the exit status."""
    given = _parser().parse_args(argv)
    if given.edits:
        print(tables.of_edits().markdown())
        return 0
    try:
        run(given)
    except (EvaluationError, BadSettings, ExtractorError, OSError) as error:
        return _stop("; ".join(str(error).splitlines()))
    except KeyboardInterrupt:
        again = "; the same command goes on from here" if given.grid else ""
        return _stop(f"interrupted{again}", status=130)
    return 0


def run(given: argparse.Namespace) -> None:
    """The evaluation. Raises EvaluationError, BadSettings, ExtractorError, OSError."""
    combinations = grid.read_grid(given.grid) if given.grid else None
    specs = given.config or [DEFAULT]
    _check(given, specs)
    given.out.mkdir(parents=True, exist_ok=True)  # now, rather than when all is measured
    with TemporaryFile(dir=given.out):
        pass
    if combinations is not None:
        run_grid(given, specs[0], combinations)
        return
    charts.require_matplotlib()
    descriptors = [load_descriptor(spec) for spec in specs]
    task = task_of(given, specs)
    print(f"{about(task)}\n", file=sys.stderr)
    results = evaluate(task, descriptors, given.batch)
    files = write_report(task, results, given.out)  # before the tables, whose reader may have gone (`| head`)
    print(tables.overview(results).markdown())
    if task.kind == "suite":
        print(f"\n{tables.by_edit(results).title}\n\n{tables.by_edit(results).markdown()}")
    print(f"\nwrote {', '.join(str(file) for file in files)}", file=sys.stderr)


def run_grid(given: argparse.Namespace, base: str, combinations: list[dict[str, Any]]) -> None:
    """Measures what is not in the log yet, and prints the table, the best first. Raises as `run` does."""
    task = task_of(given, [base])
    print(f"{about(task)} {len(combinations)} combinations.\n", file=sys.stderr)
    log = grid.Log(given.out / "results.jsonl")
    records = []
    for record in grid.search_grid(task, combinations, base, given.batch, log):
        records.append(record)
        state = f"passed over: {'; '.join(record['invalid'].splitlines())}" if "invalid" in record else "measured"
        tqdm.write(f"{len(records)}/{len(combinations)} {grid.name_of(record['changes'])}: {state}", file=sys.stderr)
    best = grid.best_first(records, _figure)
    if not best:
        raise EvaluationError("no combination of the grid is valid")
    print(tables.of_grid(best, list(combinations[0])).markdown())


def _figure(record: dict[str, Any]) -> float:
    accuracy = record["result"]["accuracy"]
    return float(accuracy.get("micro_ap", accuracy.get("mean_ap")))


def task_of(given: argparse.Namespace, specs: Sequence[str]) -> Task:
    """The task that the command line describes; says on stderr which pictures are left out of it."""
    own = next((spec for spec in specs if spec not in BASELINES), DEFAULT)
    reader = Reader(settings_of(own).input, given.longest)
    if given.pairs:
        more = _photos(given.references, reader) if given.references else ()
        beside = given.pairs.parent
        rows = read_pairs(given.pairs)
        task, problems = pairs_task(rows, given.queries or beside, given.references or beside, reader, more)
    elif given.classes:
        task, problems = classes_task(_photos(given.classes, reader))
    else:
        found = look_through(_photos(given.folder, reader))
        _report(found.problems)
        return Plan(given.copies, given.strangers, given.seed, given.strengths).suite(found)
    _report(problems)
    return task


def _photos(folder: Path, reader: Reader) -> list[Photo]:
    """Every picture below the folder. Raises EvaluationError where there is none."""
    photos = [Photo(file.id, file.path, reader) for file in pictures([folder])]
    if not photos:
        raise EvaluationError(f"no pictures in {folder}")
    return photos


def _report(problems: list[str]) -> None:
    for problem in problems:
        tqdm.write(f"passed over: {problem}", file=sys.stderr)


def _check(given: argparse.Namespace, specs: Sequence[str]) -> None:
    """Raises EvaluationError for what can be seen to be wrong before anything is read."""
    if sum(bool(way) for way in (given.folder, given.pairs, given.classes)) != 1:
        raise EvaluationError("give one of FOLDER, --pairs and --classes")
    for folder in (given.folder, given.classes, given.queries, given.references):
        if folder is not None and not folder.is_dir():
            raise EvaluationError(f"no such folder: {folder}")
    if len(set(specs)) < len(specs):
        raise EvaluationError("a configuration is given twice")
    if given.grid and (len(specs) > 1 or specs[0] in BASELINES):
        raise EvaluationError("--grid changes one configuration, which must not be a baseline")


def _stop(message: str, status: int = 2) -> int:
    print(f"evaluate: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="pictures; sub-folders count too")
    parser.add_argument(
        "--config",
        action="append",
        metavar="NAME",
        help=f"what to measure: {DEFAULT}, a file of settings that differ, KEY=VALUE settings after a comma, or a "
        f"baseline ({', '.join(BASELINES)}); give it again to compare (default: {DEFAULT})",
    )
    parser.add_argument("--grid", type=Path, metavar="FILE", help="YAML, e.g. `extractor.size: [224, 288]`")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER", help="for the results (%(default)s)")
    parser.add_argument("--batch", type=_positive, default=16, metavar="N", help="pictures at a time (%(default)s)")
    side = "longer side to which larger pictures are scaled down before they are edited (%(default)s)"
    parser.add_argument("--longest", type=_positive, default=1024, metavar="PIXELS", help=side)
    parser.add_argument("--edits", action="store_true", help="list the edits and their strengths, and stop")
    _add_suite(parser.add_argument_group("edited copies"))
    _add_labelled(parser.add_argument_group("labelled sets"))
    return parser


def _add_suite(group: Any) -> None:
    group.add_argument("--copies", type=_at_least(2), default=1000, metavar="N", help="edited copies (%(default)s)")
    text = "part of the pictures kept out of the references (%(default)s)"
    group.add_argument("--strangers", type=_part, default=0.2, metavar="PART", help=text)
    group.add_argument("--seed", type=_at_least(0), default=0, metavar="N", help="of all that is random (%(default)s)")
    text = f"of the edits, after commas (default: {','.join(STRENGTHS)}); figures of different ones are not comparable"
    group.add_argument("--strengths", type=_strengths, default=STRENGTHS, metavar="NAMES", help=text)


def _add_labelled(group: Any) -> None:
    text = "columns query and reference: paths below --queries and --references; an empty reference is a stranger's"
    group.add_argument("--pairs", type=Path, metavar="CSV", help=text)
    group.add_argument("--queries", type=Path, metavar="FOLDER", help="default: the CSV's")
    text = "default: the CSV's; if given, all pictures in it are searched, not only those that the CSV names"
    group.add_argument("--references", type=Path, metavar="FOLDER", help=text)
    group.add_argument("--classes", type=Path, metavar="FOLDER", help="pictures of a sub-folder belong together")


def _at_least(lowest: int) -> Any:
    def read(text: str) -> int:
        if (value := int(text)) < lowest:
            raise argparse.ArgumentTypeError(f"{value} is less than {lowest}")
        return value

    read.__name__ = "number"  # argparse calls it so in its messages
    return read


_positive = _at_least(1)


def _strengths(text: str) -> tuple[str, ...]:
    """ "strong,weak" -> ("weak", "strong"): one order, so that one choice is one suite."""
    names = text.split(",")
    if unknown := [name for name in names if name not in STRENGTHS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(STRENGTHS)}")
    return tuple(name for name in STRENGTHS if name in names)


def _part(text: str) -> float:
    if not 0 < (value := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
