"""From which score a picture counts as a copy: as the request, the collection, its calibration or the settings say."""

from typing import get_args

from index_store import Collection, ImageStore, Unchanged
from retrieval.calibration import TARGETS, Calibration
from retrieval.calibrations import default, own, refusal
from retrieval.errors import NotCalibrated
from retrieval.options import Mode
from retrieval.settings import SearchSettings
from retrieval.verdicts import Judge


class Judges:
    """Thresholds and confidences of collections, by mode of search; `fingerprint` is of the extractor that serves."""

    def __init__(self, settings: SearchSettings, store: ImageStore, fingerprint: str) -> None:
        self._settings = settings
        self._store = store
        self._fingerprint = fingerprint
        self._own = Unchanged[tuple[Collection, Mode], Calibration | None](
            store.catalog.version, lambda key: own(store.catalog, *key)
        )

    def mode(self, asked: Mode | None) -> Mode:
        """The mode of a search or an add."""
        return asked or self._settings.mode

    def of(self, collection: Collection | None, mode: Mode, target_precision: float | None = None) -> Judge:
        """For a collection, or for one that is yet to be made, or for two pictures alone. Raises NotCalibrated."""
        known, is_own = self.known(collection, mode)
        confidence = known.confidence if known else None
        if target_precision is not None:
            return Judge(_reached(known, target_precision, collection, mode), confidence)
        return Judge(self._threshold(collection, known if is_own else None), confidence)

    def _threshold(self, collection: Collection | None, calibration: Calibration | None) -> float:
        """What the collection says, else its own calibration, else the settings."""
        calibrated = self._calibrated(calibration) if calibration else None
        said = [collection.threshold if collection else None, calibrated, self._settings.threshold]
        return next(score for score in said if score is not None)

    def _calibrated(self, known: Calibration) -> float | None:
        """The score for the precision of the settings; where none can be told, for the best of the usual ones."""
        wanted = self._settings.target_precision
        if (score := known.threshold(wanted)) is not None:
            return score
        told = [score for target in TARGETS if target < wanted and (score := known.threshold(target)) is not None]
        return max([*told, self._settings.threshold]) if told else None

    def known(self, collection: Collection | None, mode: Mode) -> tuple[Calibration | None, bool]:
        """What scores are worth there now, if that is known, and whether it was found out of the collection itself."""
        if collection is None:
            return default(self._fingerprint, mode), False
        found = self._own.get((collection, mode))
        known = found or default(collection.fingerprint, mode)
        return known.among(self._store.size(collection)) if known else None, found is not None

    def threshold(self, collection: Collection, mode: Mode | None = None) -> float:
        """The score from which a match in the collection, of whatever extractor, counts as a duplicate."""
        found = self._own.get((collection, self.mode(mode)))
        return self._threshold(collection, found.among(self._store.size(collection)) if found else None)

    def calibrations(self, collection: Collection) -> dict[Mode, Calibration]:
        """What was found out of the collection itself, by mode, as it holds for the pictures that there are now."""
        modes: tuple[Mode, ...] = get_args(Mode)
        found = {mode: self.known(collection, mode) for mode in modes}
        return {mode: known for mode, (known, is_own) in found.items() if known and is_own}


def _reached(known: Calibration | None, target: float, collection: Collection | None, mode: Mode) -> float:
    score = known.threshold(target) if known else None
    if score is None:
        raise NotCalibrated(refusal(collection.name if collection else None, mode, target, known))
    return score
