"""Find copies of pictures in folders, look through them, and remove them so that all can be taken back.

    python scripts/dedupe.py FOLDER...                    writes dedupe-plan.json and dedupe-report/, changes nothing
    python scripts/dedupe.py --apply dedupe-plan.json     moves the copies to a quarantine
    python scripts/dedupe.py --undo dedupe-plan.json      puts everything back
    python scripts/dedupe.py --empty-quarantine dedupe-plan.json    deletes them for good, which frees the space

    python scripts/dedupe.py ~/Pictures --protect ~/Pictures/best --keep largest-resolution,oldest
    python scripts/dedupe.py ~/Pictures --relation identical    the same bytes or pixels only, without the model

A group is a picture that stays and copies, each of which matches it directly. What is found is remembered in a
cache: a second run reads only what is new, and an interrupted one goes on where it was. Before anything is moved, its
bytes and those of the picture that stays are looked at again. What counts as a copy, the rules, what is held back for
you to decide, and how well all this works: docs/cleaning.md.

Exit status: of a search 0 without copies, 1 where there are some; of --apply, --undo and --empty-quarantine 0 if all
was done, 1 if something was passed over; 2 where it cannot be done; 130 after Ctrl-C: the same command goes on.
"""

import argparse
import json
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from cleaning import acting_command
from cleaning.cache import Cache, DamagedCache, default_folder, set_aside
from cleaning.finding import Finder, FindingError, Question
from cleaning.keeping import DEFAULT, MEANINGS, Keep
from cleaning.plan import About, Plan, PlannedGroup, Relation, is_plan, write_plan
from cleaning.progress import Progress
from extractor import ExtractorError
from reports.folder import ReportError, check_folder
from reports.groups import write_groups
from retrieval.settings import BadSettings, Settings, load_settings

PLAN = Path("dedupe-plan.json")
TOLD = 10  # troubles that are told one by one
RELATIONS: tuple[Relation, ...] = ("exact", "identical", "near")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status."""
    parser = _parser()
    given = parser.parse_args(argv)
    if trouble := _misuse_of_acting(argv, given) if acting_command.is_asked(given) else _misuse(given):
        parser.error(trouble)
    if acting_command.is_asked(given):
        return acting_command.run(given)
    try:
        return find(given)
    except (BadSettings, ExtractorError, FindingError, ReportError, OSError) as error:
        return _stop("; ".join(str(error).splitlines()))
    except DamagedCache as error:
        return _stop(f"the cache in {_cache_folder(given)} is damaged ({error}); give the same command again")
    except KeyboardInterrupt:
        return _stop("interrupted; nothing was changed, and the same command goes on from here", 130)


def find(given: argparse.Namespace) -> int:
    """Writes the plan, prints what is in it; returns the exit status. Raises what `main` tells."""
    started = perf_counter()
    _try_out(given.plan)
    report = None if given.no_html else given.html or given.plan.with_name(f"{given.plan.stem}-report")
    if report:
        check_folder(report)
    question = Question(
        folders=given.folders,
        keep=Keep.parse(given.keep),
        protected=given.protect,
        relation=given.relation,
        threshold=given.threshold,
        precision=given.precision,
    )
    settings = load_settings(given.config)
    about, groups = _found(settings, given, question)
    write_plan(given.plan, about, groups)
    facts = figures(about, groups, perf_counter() - started)
    if report:
        apply = shlex.join(["python", "scripts/dedupe.py", "--apply", str(given.plan)])
        write_groups(Plan(about=about, groups=tuple(groups)), report, settings.input, apply, given.quiet)
    print(json.dumps(facts) if given.json else told(facts, about, given.plan, report))
    return 1 if groups else 0


def _found(settings: Settings, given: argparse.Namespace, question: Question) -> tuple[About, list[PlannedGroup]]:
    """With a cache that is damaged set aside, once."""
    folder = _cache_folder(given)
    try:
        return _answer(settings, folder, question, given.quiet)
    except DamagedCache as error:
        aside = set_aside(folder)
        print(f"dedupe: the cache is damaged ({error}); it is now {aside}, and a new one is made", file=sys.stderr)
        return _answer(settings, folder, question, given.quiet)


def _answer(settings: Settings, folder: Path, question: Question, quiet: bool) -> tuple[About, list[PlannedGroup]]:
    cache = Cache(folder)
    try:
        found = Finder(settings, cache, question, Progress(quiet)).find()
        cache.prune()
    finally:
        cache.close()
    return found


def figures(about: About, groups: Sequence[PlannedGroup], seconds: float) -> dict[str, object]:
    """What was found, in numbers; `saves_bytes` without what is held."""
    copies = [copy for group in groups for copy in group.copies]
    removed = Counter(copy.relation for copy in copies if not copy.held)
    return {
        "pictures": about.pictures,
        "bytes": about.bytes,
        "groups": len(groups),
        "copies": {name: removed[name] for name in RELATIONS},
        "held": sum(1 for copy in copies if copy.held),
        "with_missing_metadata": sum(1 for copy in copies if copy.missing),
        "saves_bytes": sum(group.saves_bytes for group in groups),
        "troubles": len(about.troubles),
        "seconds": round(seconds, 1),
        "pictures_per_second": round(about.pictures / max(seconds, 1e-9), 1),
    }


def told(facts: dict[str, object], about: About, plan: Path, report: Path | None) -> str:
    """The same for people, with the first troubles."""
    lines = [f"not looked at: {_shown(each.path)}: {each.reason}" for each in about.troubles[:TOLD]]
    if len(about.troubles) > TOLD:
        lines.append(f"... and {len(about.troubles) - TOLD:,} more, which the plan names")
    copies = facts["copies"]
    by_relation = ", ".join(f"{count:,} {name}" for name, count in copies.items()) if isinstance(copies, dict) else ""
    lines += [
        f"{facts['pictures']:,} pictures, {_size(facts['bytes'])}; {facts['seconds']} s, "
        f"{facts['pictures_per_second']:,} pictures/s",
        f"{facts['groups']:,} groups with {by_relation} copies to remove, which saves {_size(facts['saves_bytes'])}",
        f"{facts['held']:,} copies held back for you to decide, {facts['troubles']:,} files or folders not looked at",
        f"{facts['with_missing_metadata']:,} copies say something (date, place ...) that what is kept does not",
        f"nothing was changed; the plan is {plan}" + (f"; look through {report / 'index.html'}" if report else ""),
    ]
    return "\n".join(lines)


def _size(count: object) -> str:
    return f"{int(str(count)) / 1e6:,.1f} MB"


def _shown(path: str) -> str:
    """A name that is not UTF-8 cannot be printed as it is."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _try_out(plan: Path) -> None:
    """Whether the plan can be written, before hours of work. Raises OSError."""
    if plan.is_dir() or (plan.exists() and not is_plan(plan)):
        raise FileExistsError(f"{plan} is no plan of this program, and is not replaced: name another file with --plan")
    try:
        tempfile.TemporaryFile(dir=plan.parent).close()
    except OSError as error:
        raise OSError(f"no plan can be written in the folder {plan.parent}: {error.strerror}") from None


def _cache_folder(given: argparse.Namespace) -> Path:
    return given.cache or default_folder()


def _misuse(given: argparse.Namespace) -> str:
    """What is wrong with the command line of a search, or nothing."""
    if not given.folders:
        return "name at least one FOLDER, or --apply, --undo or --empty-quarantine"
    if missing := [_shown(folder) for folder in (*given.folders, *given.protect) if not Path(folder).is_dir()]:
        return f"no such folder: {', '.join(missing)}"
    return _misuse_of_scores(given) or _misuse_of_rules(given.keep)


def _misuse_of_acting(argv: Sequence[str] | None, given: argparse.Namespace) -> str:
    """The same where a plan is acted on: what a search goes by has no say there, and must not seem to."""
    if given.folders:
        return "a plan says what is done: name no folders beside it"
    acting = argparse.ArgumentParser()
    acting_command.add_arguments(acting.add_argument_group())
    allowed = {"folders", "quiet", *vars(acting.parse_args([]))}
    blank = argparse.Namespace(**dict.fromkeys(vars(given)))  # so that what is not named stays None, default or not
    named = [name for name, value in vars(_parser().parse_args(argv, blank)).items() if value is not None]
    idle = ", ".join(f"--{name.replace('_', '-')}" for name in named if name not in allowed)
    return f"the plan was made with its own options, and {idle} would change nothing: search anew" if idle else ""


def _misuse_of_scores(given: argparse.Namespace) -> str:
    if given.relation != "near" and (given.threshold, given.precision) != (None, None):
        return f"--threshold and --precision have no meaning with --relation {given.relation}"
    if given.threshold is not None and given.precision is not None:
        return "give --threshold or --precision, not both"
    if given.threshold is not None and not -1 <= given.threshold <= 1:
        return "--threshold is a cosine, -1 to 1"
    if given.precision is not None and not 0 < given.precision < 1:
        return "--precision is above 0 and below 1"
    return ""


def _misuse_of_rules(rules: str) -> str:
    try:
        Keep.parse(rules)
    except ValueError as error:
        return f"--keep: {error}"
    return ""


def _stop(message: str, status: int = 2) -> int:
    print(f"dedupe: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    rules = "\n".join(f"  {name:<20}{meaning}" for name, meaning in MEANINGS.items())
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"rules of --keep, the first that tells two pictures apart deciding:\n{rules}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="searched with its sub-folders")
    parser.add_argument("--plan", type=Path, default=PLAN, metavar="FILE", help="to write (%(default)s)")
    parser.add_argument("--keep", default=DEFAULT, metavar="RULES", help="(%(default)s)")
    text = "nothing in it is ever removed, and it is kept before all else; searched, too; may be given several times"
    parser.add_argument("--protect", action="append", default=[], metavar="DIR", help=text)
    parser.add_argument("--relation", choices=RELATIONS, default="near", help="how far copies may go (%(default)s)")
    text = (
        "cosine from which two pictures are copies; without it, their parts are looked at, too, where that is in doubt"
    )
    parser.add_argument("--threshold", type=float, metavar="X", help=text)
    text = "the same by the part of the pairs that are to be right, such as 0.99, as the calibration knows it"
    parser.add_argument("--precision", type=float, metavar="P", help=text)
    parser.add_argument("--cache", type=Path, metavar="DIR", help=f"what is remembered ({default_folder()})")
    parser.add_argument("--config", type=Path, metavar="FILE", help="what differs from config.yaml")
    parser.add_argument("--html", type=Path, metavar="DIR", help="the report (PLAN-report, beside the plan)")
    parser.add_argument("--no-html", action="store_true", help="write no report")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    acting_command.add_arguments(parser.add_argument_group("acting on a plan"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
