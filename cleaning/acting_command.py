"""The command line of acting on a plan: `scripts/dedupe.py --apply`, `--undo` and `--empty-quarantine`.

The exit status is 0 where all was done, 1 where something was passed over or could not be put back (each is told),
2 where nothing could be begun, 130 after Ctrl-C and 143 after a request to end: what is under way is finished first,
and the same command goes on from there.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from cleaning.acting import apply_plan, header, pairs
from cleaning.emptying import empty_quarantine
from cleaning.finding_journals import find_journal, journal_of
from cleaning.journal import Journal, JournalError
from cleaning.kept import kept_of
from cleaning.places import Refused, Roots
from cleaning.plan import Plan, PlanError
from cleaning.records import Action, Header
from cleaning.stashing import remove_place
from cleaning.tallying import Tally, say, tallied
from cleaning.undoing import undo

MOVED = "nothing is freed until the quarantine is emptied: --empty-quarantine {journal}"
ENDINGS = {
    "quarantine": MOVED,
    "hardlink": MOVED,
    "reflink": "the copies share the blocks of their keepers; nothing about them changed, and there is nothing to undo",
    "delete": "{freed:,} bytes freed; this cannot be undone; what was deleted is noted in {journal}",
}


class Declined(Exception):
    """A person did not say yes."""


def add_arguments(parser: argparse._ArgumentGroup) -> None:
    """Those of `run`; one of the first three is for the caller to require."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--apply", type=Path, metavar="PLAN", help="do what the plan says; again, to go on with it")
    what.add_argument(
        "--undo", type=Path, nargs="?", const=Path(), metavar="WHAT",
        help="take back what was done: a plan, a journal, or a folder with a quarantine (default: this folder)",
    )  # fmt: skip
    what.add_argument(
        "--empty-quarantine",
        type=Path,
        metavar="WHAT",
        help="delete for good what --apply moved aside; named as for --undo",
    )
    parser.add_argument(
        "--action", choices=get_args(Action), default="quarantine",
        help="move copies aside (default), replace exact copies by hard links to their keepers, let them share their "
        "keepers' blocks (reflink: btrfs, XFS), or delete them, which cannot be undone",
    )  # fmt: skip
    parser.add_argument(
        "--quarantine", type=Path, metavar="DIR",
        help="where copies go; default: .imageretrieval-quarantine in the plan's folders, on each file's file system",
    )  # fmt: skip
    parser.add_argument("--journal", type=Path, metavar="FILE", help="default: beside the quarantine")
    parser.add_argument(
        "--kept", type=Path, action="append", default=[], metavar="FILE",
        help="a list from the report: its copies stay; may be given several times",
    )  # fmt: skip
    parser.add_argument("--yes", action="store_true", help="do not ask before something is deleted for good")


def is_asked(arguments: argparse.Namespace) -> bool:
    """Whether they ask for something that `run` does."""
    return bool(arguments.apply or arguments.undo is not None or arguments.empty_quarantine)


def run(arguments: argparse.Namespace) -> int:
    """Do what they say; the exit status."""
    try:
        if arguments.apply:
            tally = _apply(arguments)
        elif arguments.undo is not None:
            tally = _undo(arguments)
        else:
            tally = _empty(arguments)
    except (PlanError, JournalError, Refused, Declined, OSError, UnicodeEncodeError) as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:  # before anything was begun
        return 130
    if tally.signal:
        print("interrupted; the same command goes on from here", file=sys.stderr)
    return tally.status


def _apply(arguments: argparse.Namespace) -> Tally:
    plan = Plan.read(arguments.apply)
    leave = kept_of(plan, arguments.kept)
    count = sum(copy.path not in leave for _, copy in pairs(plan))
    if arguments.action == "delete":
        _confirm(f"{count:,} copies will be deleted for good", arguments.yes)
    quarantine = _quarantine(arguments)
    path = (arguments.journal or _default_journal(plan, quarantine)).absolute()
    with _tidied(plan, path), Journal.open(path, header(plan)) as journal:
        count += sum(copy.path in leave and number in journal.units for number, (_, copy) in enumerate(pairs(plan)))
        outcomes = apply_plan(plan, journal, arguments.action, str(quarantine) if quarantine else None, leave)
        tally = tallied(outcomes, count, arguments.action, _is_quiet(arguments))
    ending = ENDINGS[arguments.action].format(journal=path, freed=tally.freed)
    done = tally.counts["done"] + tally.counts["before"]
    say(f"{done:,} of {count:,} copies done ({tally.bytes:,} bytes), {tally.counts['refused']:,} passed over")
    say(ending if done else "nothing was done")
    return tally


def _undo(arguments: argparse.Namespace) -> Tally:
    with Journal.open(*_journal(arguments, arguments.undo)) as journal:
        count = len(journal.units)
        tally = tallied(undo(journal), count, "undo", _is_quiet(arguments))
    say(f"{tally.counts['done']:,} of {count:,} taken back, {tally.counts['refused']:,} could not be")
    return tally


def _empty(arguments: argparse.Namespace) -> Tally:
    with Journal.open(*_journal(arguments, arguments.empty_quarantine)) as journal:
        count = len(journal.units)
        _confirm(f"{count:,} copies in the quarantine will be deleted for good", arguments.yes)
        tally = tallied(empty_quarantine(journal), count, "empty", _is_quiet(arguments))
    say(f"{tally.counts['done']:,} of {count:,} deleted, {tally.freed:,} bytes freed; this cannot be undone")
    return tally


def _is_quiet(arguments: argparse.Namespace) -> bool:
    return bool(getattr(arguments, "quiet", False))


def _quarantine(arguments: argparse.Namespace) -> Path | None:
    if arguments.quarantine is None:
        return None
    if arguments.action == "delete":
        raise Declined("--quarantine has no use where copies are deleted")
    arguments.quarantine.mkdir(parents=True, exist_ok=True)
    return Path(os.path.realpath(arguments.quarantine))


def _default_journal(plan: Plan, quarantine: Path | None) -> Path:
    path = journal_of(plan, quarantine)
    if not quarantine:
        roots = Roots(plan.about.folders, plan.about.protected)
        with roots.folder(str(path.parent), make=True):
            return path
    return path


@contextmanager
def _tidied(plan: Plan, journal: Path) -> Iterator[None]:
    """A run that could not be begun leaves no folder."""
    try:
        yield
    except JournalError:
        remove_place(Roots(plan.about.folders), str(journal.parent))
        raise


def _journal(arguments: argparse.Namespace, what: Path) -> tuple[Path, Header | None]:
    quarantine = Path(os.path.realpath(arguments.quarantine)) if arguments.quarantine else None
    path, new = (arguments.journal, None) if arguments.journal else find_journal(what, quarantine)
    return path.absolute(), new


def _confirm(what: str, is_sure: bool) -> None:
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise Declined(f"{what}: say --yes, or answer on a terminal")
    print(f"{what}. This cannot be undone. Type yes: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise Declined("nothing was done")
