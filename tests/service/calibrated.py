"""A calibration that a test makes up, noted as if it had been found out of a collection's own pictures."""

from datetime import UTC, datetime

from flask.testing import FlaskClient

from retrieval.calibration import Calibration, Knot

LINE: tuple[Knot, ...] = ((-1.0, 0.1), (0.9, 0.995))  # a confidence for every score; 0.99 is reached below 0.9


def note(client: FlaskClient, name: str, mode: str = "fast", knots: tuple[Knot, ...] = LINE) -> Calibration:
    """What the collection is calibrated with from now on."""
    store = client.application.extensions["service"].store
    collection = store.collection(name)
    counts = {"references": 1000, "copies": 1000, "wrong": 1000, "queries": 1000, "edits": 1}
    moment = datetime.now(UTC).replace(microsecond=0)
    made = Calibration(collection.fingerprint, mode, knots, prior=0.5, created_at=moment, **counts)
    store.catalog.set_calibration(collection, mode, made.as_json())
    return made
