"""Groups of looks -> groups of a plan: who is kept, what is a copy of it, and what is held back for people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from cleaning.cache import Cache
from cleaning.keeping import Candidate, Keep
from cleaning.looks import Look, Picture
from cleaning.plan import Companion, Copy, PlannedGroup, PlannedPicture, Relation
from cleaning.reading import sha256_of
from cleaning.scan import Tell

Member = tuple[Look, float, int]  # with its score with the keeper, and `apart` as in Candidate
RELATIONS: tuple[Relation, ...] = ("exact", "identical", "near")


@dataclass(frozen=True)
class Planner:
    """Writes groups down. `tell` hears of companions that cannot be read."""

    cache: Cache
    keep: Keep
    tell: Tell

    def group(self, keeper: Look, members: Sequence[Member]) -> PlannedGroup | None:
        """A group, unless nothing in it is a copy."""
        best = keeper.pictures[0]
        others = [(each, 1.0, 0) for each in keeper.pictures[1:]]
        others += [(each, score, apart) for look, score, apart in members for each in look.pictures]
        others = [other for other in others if _may_go(other[0], best)]
        if not others:
            return None
        kept = self._picture(best)
        copies = [self._copy(each, score, best, kept) for each, score, _ in others]
        copies.sort(key=lambda copy: (RELATIONS.index(copy.relation), -copy.score, copy.path))
        rivals = [_rival(each, apart, best) for each, _, apart in others]
        return PlannedGroup(keeper=kept, kept_for=self.keep.reason(best.candidate, rivals), copies=tuple(copies))

    def _copy(self, picture: Picture, score: float, best: Picture, kept: PlannedPicture) -> Copy:
        planned = self._picture(picture)
        relation = _relation(picture, best)
        missing = {name: value for name, value in picture.candidate.content.metadata if name not in _known(best)}
        unique = [each for each in planned.companions if not _stands_beside(each, kept)]
        profile = picture.candidate.content.riches.profile
        if profile and profile != best.candidate.content.riches.profile:
            missing["ICC profile"] = profile
        unread = len(planned.companions) < len(picture.candidate.file.unit.beside)
        held = "; ".join((*_reasons(picture, relation, unique, unread), *_riches(picture, best)))
        return Copy(**dict(planned), relation=relation, score=score, held=held, missing=missing)

    def _picture(self, picture: Picture) -> PlannedPicture:
        file, content = picture.candidate.file, picture.candidate.content
        return PlannedPicture(
            path=file.path,
            size=file.size,
            mtime_ns=file.mtime_ns,
            sha256=picture.sha256,
            width=content.width,
            height=content.height,
            format=content.format,
            companions=tuple(self._companions(picture)),
        )

    def _companions(self, picture: Picture) -> Iterator[Companion]:
        file = picture.candidate.file
        for beside in file.unit.beside:
            path = PurePosixPath(file.path).parent / beside.name
            try:
                now, sha256 = sha256_of(str(path), self.cache)
            except OSError as error:
                self.tell(str(path), error.strerror or str(error))
                continue
            yield Companion(path=str(path), size=now.size, mtime_ns=now.mtime_ns, sha256=sha256, kind=beside.kind)


def _may_go(picture: Picture, best: Picture) -> bool:
    """Not what is protected, nor another picture of the keeper's own unit, such as HEIC and JPEG with one film."""
    file, kept = picture.candidate.file, best.candidate.file
    is_mate = file.unit.shared and kept.unit.shared and _unit(file.path) == _unit(kept.path)
    return not picture.candidate.protected and not is_mate


def _unit(path: str) -> str:
    return str(PurePosixPath(path).with_suffix("")).lower()


def _relation(picture: Picture, best: Picture) -> Relation:
    if picture.sha256 == best.sha256:
        return "exact"
    pixels = picture.candidate.content.pixels
    return "identical" if pixels and pixels == best.candidate.content.pixels else "near"


def _reasons(picture: Picture, relation: Relation, unique: Sequence[Companion], unread: bool) -> Iterator[str]:
    """Why a copy is not to be removed all the same."""
    file, content = picture.candidate.file, picture.candidate.content
    yield from (f"its {each.kind} {_name(each)} is not beside the keeper" for each in unique)
    if unread:
        yield "what belongs to it could not be read"
    if file.unit.shared:
        yield "other pictures of its name share what belongs to it"
    if file.links > 1:
        yield f"its file has {file.links} names (hard links), so that nothing would be saved"
    if relation != "exact" and content.moves:
        yield "it has several frames or pages, of which only the first was compared"


def _riches(picture: Picture, best: Picture) -> Iterator[str]:
    """Why it is not to be removed for what is not compared, and the keeper has not got."""
    its, kept = picture.candidate.content.riches, best.candidate.content.riches
    if its.bits > kept.bits:
        yield f"it has {its.bits} bits a channel, the keeper {kept.bits}"
    if its.alpha and not kept.alpha:
        yield "parts of it are transparent, nothing of the keeper is"
    if its.behind and its.behind != kept.behind:
        yield "it has something behind the picture, such as a motion photo's film, that the keeper lacks"


def _rival(picture: Picture, apart: int, best: Picture) -> Candidate:
    is_near = _relation(picture, best) == "near"
    return replace(picture.candidate, apart=apart, near=is_near)


def _stands_beside(companion: Companion, kept: PlannedPicture) -> bool:
    return any((each.kind, each.sha256) == (companion.kind, companion.sha256) for each in kept.companions)


def _known(best: Picture) -> set[str]:
    return {name for name, _ in best.candidate.content.metadata}


def _name(companion: Companion) -> str:
    return PurePosixPath(companion.path).name
