"""The report of a check, with the pairs side by side. Pictures of the collection come from the service."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from checking.delivery import Checked, Original
from client import Client, ClientError
from reports.check import write_check
from reports.checked import CheckAbout, Match, Shown
from reports.checked import Checked as Told
from retrieval.settings import load_settings


@dataclass(frozen=True)
class Delivery:
    """What was checked: a folder, against a collection of the service that `where` names."""

    folder: Path
    against: str
    where: str


def write_report(client: Client, delivery: Delivery, found: Iterable[Checked], report: Path) -> Path:
    """Writes it into the folder `report`; gives its first page. Raises ReportError, ClientError, OSError."""
    collection = client.collections.get(delivery.against)
    about = CheckAbout(
        made_at=datetime.now(UTC),
        delivery=(str(delivery.folder.absolute()),),
        against=(delivery.against,),
        where=delivery.where,
        threshold=collection.threshold,
        fingerprint=collection.fingerprint,
    )
    return write_check((_told(client, each) for each in found), about, report, load_settings().input)


def _told(client: Client, checked: Checked) -> Told:
    matches = tuple(
        Match(_shown(client, each), each.relation, each.score, each.confidence) for each in checked.originals
    )
    picture = Shown(path=str(checked.file.path.absolute()), id=checked.file.id)
    return Told(picture, checked.verdict, matches, checked.detail)


def _shown(client: Client, original: Original) -> Shown:
    if original.collection is None:
        return Shown(path=original.source and str(Path(original.source).absolute()), id=original.id)
    thumbnail = partial(_kept, client, original.id, original.collection)
    plain = Shown(id=original.id, collection=original.collection, source=original.source, thumbnail=thumbnail)
    try:
        image = client.image(original.id, original.collection)
    except ClientError:  # it is gone by now
        return plain
    return replace(
        plain,
        path=_here(image.source),
        sha256=image.sha256,
        size=image.size,
        width=image.width,
        height=image.height,
        format=image.format,
    )


def _here(source: str | None) -> str | None:
    """A source that is a file of this machine's; the report shows it only if its bytes are the picture's."""
    return source if source and Path(source).is_absolute() and Path(source).is_file() else None


def _kept(client: Client, image_id: str, collection: str) -> bytes | None:
    try:
        return client.picture(image_id, collection)
    except ClientError:  # nothing is kept, say
        return None
