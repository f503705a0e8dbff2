"""Acting on a plan: each copy is looked at again, and its keeper too, just before something is done to it.

A copy and its companions are a unit: noted in the journal, done together or not at all, noted as done.
"""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from pydantic import ValidationError

from cleaning import linux
from cleaning.journal import Journal, JournalError
from cleaning.linking import link_instead
from cleaning.moving import facts, move_aside
from cleaning.places import Entry, Refused
from cleaning.plan import Copy, Plan, PlanError, PlannedGroup
from cleaning.records import Action, Done, Dropping, Facts, Header, Intent, Kept
from cleaning.seen import Seen, reason, verified
from cleaning.stashing import stash_of, tidy
from cleaning.undoing import Outcome, Status, recover, sync, take_back, taken_back


def header(plan: Plan) -> Header:
    """Of the journal of a plan: another plan, even one cut by a line, is another run. Raises PlanError."""
    content = json.dumps(plan.model_dump(mode="python"), default=str)
    run = f"{plan.about.made_at:%Y%m%d-%H%M%S}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    try:
        return Header(run=run, folders=plan.about.folders, protected=plan.about.protected)
    except ValidationError as error:
        raise PlanError(f"the plan's folders: {error.errors()[0]['msg']}") from None


def apply_plan(
    plan: Plan,
    journal: Journal,
    action: Action = "quarantine",
    quarantine: str | None = None,
    leave: Collection[str] = (),
) -> Iterator[Outcome]:
    """One outcome for each copy to be removed, in the order of the plan; it may be closed between any two.

    quarantine: a folder without links in its path, instead of one in the plan's folders.
    leave:      paths of copies that are to stay all the same.
    What an earlier run left half-way is taken back first. Raises PlanError, JournalError.
    """
    plan.check()
    if other := next((each for each in journal.units.values() if each.intent.action != action), None):
        raise JournalError(f"this plan was begun as {other.intent.action}: go on with that, or take it back first")
    recover(journal)
    acting = _Acting(journal, action, quarantine)
    for number, (group, copy) in enumerate(pairs(plan)):
        if copy.path not in leave:
            yield acting.act(number, group, copy)
        elif number in journal.units and action != "reflink":
            yield Outcome(copy.path, "refused", f"{copy.path} is to be kept, but was moved before: --undo first")
    tidy(journal)


def pairs(plan: Plan) -> list[tuple[PlannedGroup, Copy]]:
    """Each copy that is to be removed."""
    return [(group, copy) for group in plan.groups for copy in group.removed]


@dataclass(frozen=True)
class _Held:
    """All that one action needs, looked at and open."""

    keeper: Seen
    files: tuple[Seen, ...]
    stashes: tuple[Entry, ...]
    facts: tuple[Facts, ...]


@dataclass(frozen=True)
class _Acting:
    journal: Journal
    action: Action
    quarantine: str | None

    def act(self, number: int, group: PlannedGroup, copy: Copy) -> Outcome:
        try:
            if number in self.journal.units and (outcome := self._finished(number, group, copy)):
                return outcome
            with ExitStack() as held:
                self._carry_out(number, self._held(held, group, copy))
        except (Refused, OSError, UnicodeEncodeError) as error:
            told = str(error) if isinstance(error, Refused) else f"{copy.path}: {reason(error)}"
            return Outcome(copy.path, "refused", told + self._rolled_back(number))
        return self._outcome(number, copy)

    def _held(self, held: ExitStack, group: PlannedGroup, copy: Copy) -> _Held:
        keeper = held.enter_context(verified(self.journal.roots, group.keeper))
        goes_along = copy.companions if self.action in ("quarantine", "delete") else ()
        files = tuple(held.enter_context(verified(self.journal.roots, each)) for each in (copy, *goes_along))
        _check(self.action, keeper, files)
        if self.action == "reflink":
            return _Held(keeper, files, (), ())
        paths = [stash_of(self.journal, each.entry, self.quarantine) for each in files]
        stashes = tuple(held.enter_context(self.journal.roots.entry(path)) for path in paths)
        return _Held(keeper, files, stashes, tuple(map(facts, files, paths)))

    def _carry_out(self, number: int, held: _Held) -> None:
        """Raises Refused, JournalError, OSError: then what was done of it is to be taken back."""
        folders = {each.entry.folder.path: each.entry.folder for each in held.files}
        self.journal.write(
            Intent(
                unit=number,
                action=self.action,
                path=held.files[0].entry.path,
                files=held.facts,
                folders={path: os.fstat(folder.fd).st_mtime_ns for path, folder in folders.items()},
                keeper=_kept(held.keeper),
            )
        )
        for each in (held.keeper, *held.files):
            each.check_still()
        _DO[self.action](held)
        for folder in (*folders.values(), *(stash.folder for stash in held.stashes)):
            sync(folder)
        if self.action == "delete":
            held.keeper.check_still()
            self.journal.write(Dropping(unit=number))
            drop(held.stashes)
        self.journal.write(
            Done(unit=number, folders={path: os.fstat(folder.fd).st_mtime_ns for path, folder in folders.items()})
        )

    def _finished(self, number: int, group: PlannedGroup, copy: Copy) -> Outcome | None:
        """What becomes of a unit that an earlier run had begun; None where it is to be begun again."""
        unit = self.journal.units[number]
        if unit.stage in ("begun", "undoing"):
            outcome = taken_back(self.journal, unit)
            return outcome if outcome.reason else None
        if unit.stage == "dropping":
            with ExitStack() as held:
                held.enter_context(verified(self.journal.roots, group.keeper))
                drop(tuple(held.enter_context(self.journal.roots.entry(each.stash)) for each in unit.intent.files))
            self.journal.write(Done(unit=number, folders={}))
            return self._outcome(number, copy)
        return self._outcome(number, copy, "before")

    def _rolled_back(self, number: int) -> str:
        """Companions stay with their picture: what was done of a unit is taken back. What cannot be, in words."""
        unit = self.journal.units.get(number)
        if unit is None or unit.stage != "begun":
            return ""
        try:
            told = take_back(self.journal, unit)
        except (Refused, OSError) as error:
            told = str(error)
        return f"; {told}" if told else ""

    def _outcome(self, number: int, copy: Copy, status: Status = "done") -> Outcome:
        """Reflinks are not counted as freed: who else has the blocks is not known."""
        files = self.journal.units[number].intent.files
        freed = sum(each.size for each in files if each.links == 1) if self.action == "delete" else 0
        return Outcome(copy.path, status, "", sum(each.size for each in files) or copy.size, freed)


def _check(action: Action, keeper: Seen, files: tuple[Seen, ...]) -> None:
    """Raises Refused where this action is not for these files."""
    for each in files:
        if each.entry.folder.protected:
            raise Refused(f"{each.entry.path} lies in a protected folder")
        if each.inode == keeper.inode:
            raise Refused(f"{each.entry.path} is its keeper under another name (a hard link)")
    if action in ("hardlink", "reflink"):
        if files[0].sha256 != keeper.sha256:
            raise Refused(f"{files[0].entry.path} has other bytes than its keeper: only exact copies can share them")
        if files[0].stat.st_dev != keeper.stat.st_dev:
            raise Refused(f"{files[0].entry.path} is on another file system than its keeper")


def _kept(keeper: Seen) -> Kept:
    return Kept(path=keeper.entry.path, inode=keeper.inode, size=keeper.stat.st_size, sha256=keeper.sha256)


def _move(held: _Held) -> None:
    for seen, stash, was in zip(held.files, held.stashes, held.facts, strict=True):
        move_aside(seen, stash, was)


def _link(held: _Held) -> None:
    link_instead(held.keeper, held.files[0], held.stashes[0])


def _share(held: _Held) -> None:
    copy = held.files[0]
    if not linux.share_blocks(held.keeper.fd, copy.fd, copy.stat.st_size):
        raise Refused(f"{copy.entry.path} has other bytes than its keeper by now")


_DO: dict[Action, Callable[[_Held], None]] = {
    "quarantine": _move,
    "delete": _move,
    "hardlink": _link,
    "reflink": _share,
}


def drop(stashes: tuple[Entry, ...]) -> None:
    """For good; what is gone already is passed over. Raises OSError."""
    for stash in stashes:
        if stash.stat():
            stash.unlink()
        sync(stash.folder)
