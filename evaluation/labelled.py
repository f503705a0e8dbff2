"""Tasks from labels that somebody else made: a CSV of pairs, or folders as classes."""

import csv
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.errors import EvaluationError
from evaluation.pictures import Found, Photo, Reader, look_through
from evaluation.task import Task

COLUMNS = ("query", "reference")


def read_pairs(file: Path) -> list[tuple[str, str]]:
    """Rows (query, reference) of a CSV with a header that names these columns; others are passed over.

    The reference is empty for a stranger. Raises EvaluationError.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            table = csv.DictReader(lines, restval="")
            if missing := set(COLUMNS) - set(table.fieldnames or ()):
                raise EvaluationError(f"{file}: the first line must name the column {' and '.join(sorted(missing))}")
            rows = [(row["query"].strip(), row["reference"].strip()) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EvaluationError(f"{file}: {error}") from None
    return [(query, reference) for query, reference in rows if query]


def pairs_task(
    rows: Sequence[tuple[str, str]], queries: Path, references: Path, reader: Reader, more: Iterable[Photo] = ()
) -> tuple[Task, list[str]]:
    """The task, and a line for each picture that is left out of it because it cannot be read.

    queries, references: the folders that the rows' paths are below.
    more:                references that no row names.
    """
    asked = look_through([Photo(name, queries / name, reader) for name, _ in _firsts(rows, 0)], repeats=True)
    named = {name: Photo(name, references / name, reader) for _, name in _firsts(rows, 1) if name}
    held = look_through([*named.values(), *(photo for photo in more if photo.name not in named)], repeats=True)
    reference_at = {photo.name: number for number, photo in enumerate(held.photos)}
    # A query whose every reference cannot be read is no stranger: of it nothing is known.
    meant = {query for query, reference in rows if not reference or reference in reference_at}
    photos = [photo for photo in asked.photos if photo.name in meant]
    query_at = {photo.name: number for number, photo in enumerate(photos)}
    right = {(query_at[q], reference_at[r]) for q, r in rows if q in query_at and r in reference_at}
    held_at = {photo.path.resolve(): number for number, photo in enumerate(held.photos)}
    same = {(at, held_at[path]) for at, photo in enumerate(photos) if (path := photo.path.resolve()) in held_at}
    if not right - same:
        raise EvaluationError("no pair of the CSV has both its pictures")
    pairs, own = _numbers(right - same), _numbers(same)
    parameters = _digests(asked, held) | {"pairs": hashlib.sha256(pairs.tobytes()).hexdigest()}
    return Task("pairs", held.photos, photos, pairs, parameters, own), [*asked.problems, *held.problems]


def _numbers(pairs: set[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def _firsts(rows: Sequence[tuple[str, str]], column: int) -> list[tuple[str, str]]:
    """Rows whose value in the column was not there before."""
    return list({row[column]: row for row in reversed(rows)}.values())[::-1]


def _digests(queries: Found, references: Found) -> dict[str, object]:
    return {"query_digest": queries.digest, "reference_digest": references.digest}


def classes_task(photos: Sequence[Photo]) -> tuple[Task, list[str]]:
    """Photos named FOLDER/... -> the task where those of a folder are right for each other; and the problems."""
    found = look_through(photos, repeats=True)
    labels = [photo.name.rpartition("/")[0] for photo in found.photos]
    if len(set(labels)) in (0, len(labels)):
        raise EvaluationError("no folder holds two pictures that can be read; each folder is a class")
    if len(set(labels)) == 1:
        raise EvaluationError("all pictures are in one folder; each folder is a class, and two are needed at least")
    parameters = {"digest": found.digest, "classes": len(set(labels)), "labels": labels}
    return Task("classes", found.photos, [], np.empty((0, 2), np.int64), parameters), found.problems
