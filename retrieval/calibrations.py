"""Which calibration holds: the collection's own, else what this program ships for its extractor, else none."""

import functools
import json
import logging
from pathlib import Path

from index_store import Catalog, Collection
from retrieval.calibration import BadCalibration, Calibration

log = logging.getLogger(__name__)
DEFAULTS = Path(__file__).with_name("default_calibrations.json")


def own(catalog: Catalog, collection: Collection, mode: str) -> Calibration | None:
    """What was found out of the collection itself, with as many pictures as it had then. One read by key."""
    data = catalog.calibration(collection, mode)
    try:
        return Calibration.from_json(data) if data else None
    except BadCalibration as error:  # of another version of this program
        log.error("the calibration of %r cannot be used, make it again: %s", collection.name, error)
        return None


def default(fingerprint: str, mode: str) -> Calibration | None:
    """What is shipped for an extractor, whatever engine runs it."""
    return _shipped().get((_without_engine(fingerprint), mode))


def with_default(file: Path, calibration: Calibration) -> None:
    """Put a calibration into a file of defaults, in place of the one of the same extractor and mode."""
    held = read_defaults(file) if file.exists() else {}
    held[_without_engine(calibration.fingerprint), calibration.mode] = calibration
    content = [held[key].as_json() for key in sorted(held)]
    file.write_text("[\n" + ",\n".join(json.dumps(each) for each in content) + "\n]\n", encoding="utf-8")


def read_defaults(file: Path) -> dict[tuple[str, str], Calibration]:
    """By fingerprint without its engine, and mode. Raises BadCalibration, OSError."""
    read = [Calibration.from_json(data) for data in json.loads(file.read_text(encoding="utf-8"))]
    return {(_without_engine(each.fingerprint), each.mode): each for each in read}


@functools.cache
def _shipped() -> dict[tuple[str, str], Calibration]:
    return read_defaults(DEFAULTS)


def _without_engine(fingerprint: str) -> str:
    """An engine changes the last digits of scores; model, preprocessing, head and transform change their meaning."""
    return fingerprint.rpartition("/")[0]


def refusal(name: str | None, mode: str, target: float, calibration: Calibration | None) -> str:
    """Why no score is known to give a precision, and what to do about it."""
    how = f"`python scripts/calibrate.py --collection {name or 'NAME'}`"
    where = f"in {name!r}" if name else "with this extractor"
    if calibration is None:
        return f"nothing is known of what scores are worth {where}: {how} finds out; or leave target_precision out"
    return (
        f"no score is known to give a precision of {target!r} {where}, as {calibration.references:,} pictures say, "
        f"mode {mode!r}; {calibration.knots[-1][1]:.4f} is the most that can be said: {how}, with more --pictures or "
        "--edits if it was done already, can tell more; or leave target_precision out"
    )
