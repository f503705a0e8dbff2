"""A plan: which pictures are copies, of which others that stay, and why. A JSON file with one group a line.

Paths are absolute, as `os.fsdecode` gives them: a name that is not UTF-8 has lone surrogates, which JSON keeps.
Whoever acts on a plan looks at each file again: nothing is done to one whose size or SHA-256 is another by now.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

FORMAT = "imageretrieval-plan/1"
BEGINNING = f'{{"format": {json.dumps(FORMAT)}'.encode("ascii")
Relation = Literal["exact", "identical", "near"]


class PlanError(Exception):
    """A file is no plan, or one that contradicts itself."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedFile(_Record):
    """A file as it was when the plan was made: its bytes are those of `sha256` (64 hexadecimal digits)."""

    path: str
    size: int = Field(ge=0)
    mtime_ns: int
    sha256: str = Field(pattern="^[0-9a-f]{64}$")

    @field_validator("path")
    @classmethod
    def _is_absolute(cls, path: str) -> str:
        if path != os.path.abspath(path) or "\0" in path:  # noqa: PTH100  # a Path would hide that it is not normal
            raise ValueError(f"{path!r} is not an absolute path in its shortest form")
        return path


class Companion(PlannedFile):
    """A file that belongs to a picture and goes where it goes: XMP, RAW beside JPEG, the film of a Live Photo."""

    kind: Literal["sidecar", "raw", "film"]


class PlannedPicture(PlannedFile):
    """A picture. `format` is Pillow's name of it; 0 x 0 where nothing could read it."""

    width: int = Field(ge=0)
    height: int = Field(ge=0)
    format: str
    companions: tuple[Companion, ...] = ()


class Copy(PlannedPicture):
    """A picture that its keeper makes superfluous.

    relation: the same bytes, the same pixels, or alike.
    score:    in [-1, 1], higher is closer: from 0.65 on the cosine with the keeper, below that weighed with cosines of
              parts (docs/cleaning.md).
    held:     why it is not to be removed all the same, for people; empty where it is to be removed.
    missing:  what its metadata say that the keeper's do not, such as {"DateTimeOriginal": "2019:07:01 10:00:00"}.
    """

    relation: Relation
    score: float
    held: str = ""
    missing: dict[str, str] = Field(default_factory=dict)


class PlannedGroup(_Record):
    """A picture that stays, by which rule, and its copies, the closest first."""

    keeper: PlannedPicture
    kept_for: str
    copies: tuple[Copy, ...] = Field(min_length=1)

    @property
    def removed(self) -> tuple[Copy, ...]:
        return tuple(copy for copy in self.copies if not copy.held)

    @property
    def saves_bytes(self) -> int:
        """What the files take that are to be removed, with what goes along."""
        return sum(copy.size + sum(each.size for each in copy.companions) for copy in self.removed)


class Trouble(_Record):
    """A file or folder that could not be looked at."""

    path: str
    reason: str


class About(_Record):
    """How a plan was made: of which folders, none of it touched below `protected`, by which rules."""

    made_at: datetime
    folders: tuple[str, ...]
    protected: tuple[str, ...] = ()
    keep: str
    threshold: float
    fingerprint: str
    pictures: int = Field(ge=0)
    bytes: int = Field(ge=0)
    troubles: tuple[Trouble, ...] = ()


class Plan(_Record):
    """What is to be done."""

    about: About
    groups: tuple[PlannedGroup, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises PlanError that says what is wrong, OSError."""
        try:
            content = json.loads(path.read_bytes())
            if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
                raise PlanError(f"{path} is not a plan of this program ({FORMAT})")
            plan = cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise PlanError(f"{path} is damaged: {where}: {first['msg']}") from None
        except ValueError as error:  # of JSON and of UTF-8
            raise PlanError(f"{path} is not JSON: {error}") from None
        plan.check()
        return plan

    def check(self) -> None:
        """Raises PlanError where the plan would remove a picture that it keeps, or one twice, or belies itself."""
        kept = {each.path for group in self.groups for each in (group.keeper, *group.keeper.companions)}
        removed: set[str] = set()
        for copy in (copy for group in self.groups for copy in group.removed):
            for each in (copy, *copy.companions):
                if each.path in kept or each.path in removed:
                    raise PlanError(f"the plan names {each.path!r} twice: as kept and removed, or as removed twice")
                removed.add(each.path)
        for group in self.groups:
            _check_exact(group)

    @property
    def saves_bytes(self) -> int:
        return sum(group.saves_bytes for group in self.groups)


def _check_exact(group: PlannedGroup) -> None:
    for copy in group.copies:
        if copy.relation == "exact" and (copy.size, copy.sha256) != (group.keeper.size, group.keeper.sha256):
            raise PlanError(f"the plan calls {copy.path!r} exact, but gives it other bytes than its keeper")


def is_plan(path: Path) -> bool:
    """Whether a file begins as `write_plan` begins one. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(BEGINNING)) == BEGINNING


def write_plan(path: Path, about: About, groups: Iterable[PlannedGroup]) -> None:
    """Whole or not at all; `groups` may be any number. Raises OSError."""
    with _aside(path) as lines:
        lines.write(f'{BEGINNING.decode("ascii")},\n"about": {_json(about)},\n"groups": [')
        for number, group in enumerate(groups):
            lines.write(f"{',' if number else ''}\n{_json(group)}")
        lines.write("\n]}\n")


def _json(record: _Record) -> str:
    return json.dumps(record.model_dump(mode="python", exclude_defaults=True), default=_plain)


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} in a plan")


@contextmanager
def _aside(path: Path) -> Iterator[Any]:
    with tempfile.NamedTemporaryFile(
        "w", encoding="ascii", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
