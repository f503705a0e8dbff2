"""From which score a picture counts as a copy: as the request, the collection, its calibration or the settings say."""

from typing import get_args

from index_store import Collection, ImageStore
from retrieval.calibration import Calibration
from retrieval.calibrations import Calibrations, default, refusal
from retrieval.errors import NotCalibrated
from retrieval.options import Mode
from retrieval.settings import SearchSettings
from retrieval.verdicts import Judge


class Judges:
    """Thresholds and confidences of collections, by mode of search; `fingerprint` is of the extractor that serves."""

    def __init__(self, settings: SearchSettings, store: ImageStore, fingerprint: str) -> None:
        self._settings = settings
        self._store = store
        self._calibrations = Calibrations(store)
        self._fingerprint = fingerprint

    def mode(self, asked: Mode | None) -> Mode:
        """The mode of a search or an add."""
        return asked or self._settings.mode

    def of(self, collection: Collection | None, mode: Mode, target_precision: float | None = None) -> Judge:
        """For a collection, or for one that is yet to be made, or for two pictures alone. Raises NotCalibrated."""
        own = self._calibrations.own(collection, mode) if collection else None
        known = own or default(collection.fingerprint if collection else self._fingerprint, mode)
        if known and collection:
            known = known.among(self._store.size(collection))
        confidence = known.confidence if known else None
        if target_precision is not None:
            return Judge(_reached(known, target_precision, collection, mode), confidence)
        calibrated = known.threshold(self._settings.target_precision) if own and known else None
        said = [collection.threshold if collection else None, calibrated, self._settings.threshold]
        return Judge(next(score for score in said if score is not None), confidence)

    def threshold(self, collection: Collection, mode: Mode | None = None) -> float:
        """The score from which a match in the collection, of whatever extractor, counts as a duplicate."""
        if collection.threshold is not None:
            return collection.threshold
        found = self.mode(mode)
        calibrated = self._calibrations.own(collection, found)
        return self.of(collection, found).threshold if calibrated else self._settings.threshold

    def calibrations(self, collection: Collection) -> dict[Mode, Calibration]:
        """What was found out of the collection itself, by mode, as it holds for the pictures that there are now."""
        modes: tuple[Mode, ...] = get_args(Mode)
        own = {mode: self._calibrations.own(collection, mode) for mode in modes}
        return {mode: found.among(self._store.size(collection)) for mode, found in own.items() if found}


def _reached(known: Calibration | None, target: float, collection: Collection | None, mode: Mode) -> float:
    score = known.threshold(target) if known else None
    if score is None:
        raise NotCalibrated(refusal(collection.name if collection else None, mode, target, known))
    return score
