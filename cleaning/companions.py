"""What belongs to a picture and goes where it goes: notes, RAW files, the films of Live Photos."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

Kind = Literal["sidecar", "raw", "film"]
RAW = {".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".raf", ".orf", ".rw2", ".raw"}
RAW |= {".pef", ".srw", ".3fr", ".fff", ".iiq", ".erf", ".mrw", ".kdc", ".dcr", ".mos", ".mef", ".rwl", ".x3f", ".gpr"}
KINDS: dict[str, Kind] = {".xmp": "sidecar", ".aae": "sidecar", ".mov": "film", ".mp4": "film"}
KINDS |= dict.fromkeys(RAW, "raw")
LIVE = {".heic", ".heif", ".jpg", ".jpeg", ".jpe"}  # what phones put beside the films of Live Photos


@dataclass(frozen=True, slots=True)
class Beside:
    """A companion by its name in the picture's folder."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Unit:
    """A picture's companions. `shared`: other pictures of the same stem stand beside them and need them, too."""

    beside: tuple[Beside, ...] = ()
    shared: bool = False


class Names:
    """The names of one folder's files, by what they could be companions of."""

    def __init__(self, names: Iterable[str], pictures: Iterable[str]) -> None:
        self._of_stem: dict[str, list[Beside]] = {}
        self._alike: dict[str, int] = {}
        for name in sorted(names):
            stem, ending = split(name)
            if kind := KINDS.get(ending.lower()):
                self._of_stem.setdefault(stem.lower(), []).append(Beside(name, kind))
        for name in pictures if self._of_stem else ():
            stem = split(name)[0].lower()
            self._alike[stem] = self._alike.get(stem, 0) + 1

    def of(self, picture: str) -> Unit:
        """Companions of the picture: `a.xmp`, `a.jpg.xmp`, `a.dng` and `a.mov` of `a.jpg`, upper or lower case."""
        if not self._of_stem:
            return NOTHING
        stem, ending = split(picture.lower())
        own = [each for each in self._of_stem.get(picture.lower(), ()) if each.kind == "sidecar"]
        common = [each for each in self._of_stem.get(stem, ()) if each.kind != "film" or ending in LIVE]
        return Unit((*own, *common), bool(common) and self._alike.get(stem, 0) > 1)


NOTHING = Unit()


def split(name: str) -> tuple[str, str]:
    """Stem and ending of a file's name."""
    path = PurePosixPath(name)
    return path.stem, path.suffix
