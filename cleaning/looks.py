"""Files by what they show: a look is what files with the same pixels share, a content those with the same bytes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cleaning.cache import Content
from cleaning.keeping import Candidate, Keep
from cleaning.plan import Relation
from cleaning.reading import Seen
from cleaning.scan import is_below

UNKNOWN = Content()


@dataclass(frozen=True, slots=True)
class Picture:
    """A candidate for being kept, and the SHA-256 of its bytes, in hex."""

    candidate: Candidate
    sha256: str

    @property
    def path(self) -> str:
        return self.candidate.file.path


@dataclass(frozen=True, slots=True)
class Look:
    """Pictures with the same pixels, the best first; `sha256` stands for them all."""

    pictures: tuple[Picture, ...]
    content: Content
    sha256: str

    @property
    def is_protected(self) -> bool:
        return self.pictures[0].candidate.protected


@dataclass(frozen=True)
class Places:
    """What a path means: in which of the folders it is, and whether below one that is protected."""

    folders: Sequence[str]
    protected: Sequence[str]

    def candidate(self, seen: Seen, content: Content) -> Candidate:
        path = seen.file.path
        folder = next((number for number, each in enumerate(self.folders) if is_below(path, each)), len(self.folders))
        return Candidate(seen.file, content, folder, any(is_below(path, each) for each in self.protected))


def looks_of(
    files: Iterable[Seen], contents: Mapping[str, Content], places: Places, keep: Keep, relation: Relation
) -> list[Look]:
    """One a look; of several names of one inode the best stands for all. In the order of their digests.

    What is damaged or no picture is in none: that two files are empty says nothing.
    """
    names: dict[tuple[int, int], Picture] = {}
    for seen in files:
        if not contents.get(seen.sha256, UNKNOWN).is_picture:
            continue
        picture = Picture(places.candidate(seen, contents.get(seen.sha256, UNKNOWN)), seen.sha256)
        other = names.get(seen.file.identity)
        if other is None or keep.key(picture.candidate) < keep.key(other.candidate):
            names[seen.file.identity] = picture
    groups: dict[str, list[Picture]] = {}
    for picture in names.values():
        pixels = "" if relation == "exact" else picture.candidate.content.pixels
        groups.setdefault(pixels or picture.sha256, []).append(picture)
    return sorted((_look(group, keep) for group in groups.values()), key=lambda look: look.sha256)


def _look(group: list[Picture], keep: Keep) -> Look:
    if len(group) > 1:
        group.sort(key=lambda picture: keep.key(picture.candidate))
    least = min(group, key=lambda picture: picture.sha256)
    return Look(tuple(group), least.candidate.content, least.sha256)
