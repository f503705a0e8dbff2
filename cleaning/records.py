"""What a journal is made of: one JSON object a line, each with its `event`.

header     whose journal this is
place      files will go to <path>/<run>
intent     a unit (a copy and its companions) is about to be acted on: everything needed to take that back
dropping   a unit that is to be deleted is aside, and is now deleted for good
done       a unit is finished
undoing    a unit is about to be taken back
undone     a unit is as it was before
emptied    what the quarantine held of a unit was deleted
"""

import json
import os
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from cleaning.places import Inode

Action = Literal["quarantine", "hardlink", "reflink", "delete"]


def _absolute(path: str) -> str:
    if path != os.path.abspath(path) or "\0" in path:  # noqa: PTH100  # a Path would hide that it is not normal
        raise ValueError(f"{path!r} is not an absolute path in its shortest form")
    return path


AbsolutePath = Annotated[str, AfterValidator(_absolute)]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Header(Record):
    event: Literal["header"] = "header"
    format: Literal["imageretrieval-journal/1"] = "imageretrieval-journal/1"
    run: str = Field(pattern="^[0-9a-z-]+$")
    folders: tuple[AbsolutePath, ...]
    protected: tuple[AbsolutePath, ...]


class Place(Record):
    event: Literal["place"] = "place"
    path: AbsolutePath


class Facts(Record):
    """A file as it was, and where it goes (`stash`). Times in nanoseconds since 1970, xattrs in base64."""

    path: AbsolutePath
    stash: AbsolutePath
    size: int
    sha256: str
    inode: Inode
    mode: int
    uid: int
    gid: int
    atime_ns: int
    mtime_ns: int
    links: int
    xattrs: dict[str, str]


class Kept(Record):
    """The keeper, as it was when its copy was acted on."""

    path: AbsolutePath
    inode: Inode
    size: int
    sha256: str


class Intent(Record):
    """path: the copy's. folders: when each folder concerned was last changed, before this, in ns since 1970."""

    event: Literal["intent"] = "intent"
    unit: int
    action: Action
    path: AbsolutePath
    files: tuple[Facts, ...]
    folders: dict[AbsolutePath, int]
    keeper: Kept


class Dropping(Record):
    event: Literal["dropping"] = "dropping"
    unit: int


class Done(Record):
    """folders: when each folder concerned was changed by this."""

    event: Literal["done"] = "done"
    unit: int
    folders: dict[AbsolutePath, int]


class Undoing(Record):
    """folders: what is to be put back as the time of each folder's last change."""

    event: Literal["undoing"] = "undoing"
    unit: int
    folders: dict[AbsolutePath, int]


class Undone(Record):
    event: Literal["undone"] = "undone"
    unit: int


class Emptied(Record):
    event: Literal["emptied"] = "emptied"
    unit: int


Event = Place | Intent | Dropping | Done | Undoing | Undone | Emptied
_EVENTS: TypeAdapter[Header | Event] = TypeAdapter(Annotated[Header | Event, Field(discriminator="event")])


def to_line(record: Record) -> bytes:
    """ASCII; a name that is not UTF-8 keeps its surrogates."""
    return json.dumps(record.model_dump(mode="python")).encode("ascii") + b"\n"


def from_line(line: bytes) -> Any:
    """A Header or an Event. Raises ValueError (ValidationError is one)."""
    return _EVENTS.validate_python(json.loads(line))
