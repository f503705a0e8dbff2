"""What belongs to a picture and goes where it goes: notes, RAW files, the films of Live Photos."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

Kind = Literal["sidecar", "raw", "film"]
RAW = {".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".raf", ".orf", ".rw2", ".raw"}
RAW |= {".pef", ".srw", ".3fr", ".fff", ".iiq", ".erf", ".mrw", ".kdc", ".dcr", ".mos", ".mef", ".rwl", ".x3f", ".gpr"}
KINDS: dict[str, Kind] = {".xmp": "sidecar", ".aae": "sidecar", ".wav": "sidecar", ".mov": "film", ".mp4": "film"}
KINDS |= dict.fromkeys(RAW, "raw")
# Of a file by its whole name, as raw developers, Google Takeout and others have it: `a.jpg.pp3`, `a.nef.xmp`.
OF_A_FILE = {".xmp", ".aae", ".wav", ".pp3", ".json", ".dop", ".arp", ".vrd"}
DARKTABLES = re.compile(r"^(.+)_\d\d(\.[^.]+)$", re.DOTALL)  # a further edit of `a.nef`: `a_01.nef.xmp`
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
        self._of_file: dict[str, list[Beside]] = {}
        self._alike: dict[str, int] = {}
        ordered = sorted(names)
        self._there = {name.lower() for name in ordered}
        for name in ordered:
            stem, ending = split(name)
            if kind := KINDS.get(ending.lower()):
                self._of_stem.setdefault(stem.lower(), []).append(Beside(name, kind))
            if ending.lower() in OF_A_FILE:
                self._note(stem.lower(), Beside(name, "sidecar"))
        for name in pictures if self._of_stem else ():
            stem = split(name)[0].lower()
            self._alike[stem] = self._alike.get(stem, 0) + 1

    def of(self, picture: str) -> Unit:
        """Companions of the picture: `a.xmp`, `a.jpg.xmp`, `a.dng` and `a.mov` of `a.jpg`, `a.dng.xmp` of that `a.dng`.

        Upper or lower case.
        """
        if not self._of_stem and not self._of_file:
            return NOTHING
        stem, ending = split(picture.lower())
        own = self._of_file.get(picture.lower(), ())
        common = [each for each in self._of_stem.get(stem, ()) if each.kind != "film" or ending in LIVE]
        raws = [each.name.lower() for each in common if each.kind == "raw"]
        common += [each for name in raws for each in self._of_file.get(name, ())]
        return Unit((*own, *common), bool(common) and self._alike.get(stem, 0) > 1)

    def _note(self, file: str, sidecar: Beside) -> None:
        """A sidecar by the name of its file, in lower case; if there is none, by that without the number of an edit."""
        self._of_file.setdefault(file, []).append(sidecar)
        if file not in self._there and (edit := DARKTABLES.match(file)):
            self._of_file.setdefault(edit[1] + edit[2], []).append(sidecar)


NOTHING = Unit()


def split(name: str) -> tuple[str, str]:
    """Stem and ending of a file's name."""
    path = PurePosixPath(name)
    return path.stem, path.suffix
