"""A search over settings: every combination of a grid is measured on one task, and what is measured stays measured."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from evaluation.configs import embedding, nested, settings_of
from evaluation.errors import EvaluationError
from evaluation.results import evaluate
from evaluation.task import Task
from extractor import ExtractorError, ExtractorSettings
from index_store.files import sha256_of
from retrieval.settings import BadSettings, Settings

SECTION = "extractor"
Record = dict[str, Any]


def read_grid(file: Path) -> list[dict[str, Any]]:
    """Every combination of the file's values, as dotted keys. Raises EvaluationError, naming the key."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise EvaluationError(f"{file}: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or not content:
        raise EvaluationError(f"{file}: expected lines such as `extractor.size: [224, 288]`")
    for key, values in content.items():
        _check(file, str(key), values)
    return [dict(zip(content, values, strict=True)) for values in product(*content.values())]


def _check(file: Path, key: str, values: object) -> None:
    known = [*_keys(ExtractorSettings, SECTION)]
    if key not in known:
        raise EvaluationError(f"{file}: {key}: unknown setting; these change vectors or their time: {', '.join(known)}")
    if not isinstance(values, list) or not values:
        raise EvaluationError(f"{file}: {key}: expected a list of values")


def _keys(section: type[BaseModel], path: str) -> Iterator[str]:
    """Dotted keys of all settings in a section and its sub-sections."""
    for name, field in section.model_fields.items():
        kind: Any = field.annotation
        is_section = isinstance(kind, type) and issubclass(kind, BaseModel)
        yield from _keys(kind, f"{path}.{name}") if is_section else [f"{path}.{name}"]


class Log:
    """results.jsonl: a line for each measured combination, written out before the next one is begun."""

    def __init__(self, file: Path):
        self._file = file

    def read(self) -> dict[str, Record]:
        """By key. A line cut short by a crash is passed over, so that combination is measured again."""
        records = {}
        for line in self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []:
            try:
                record = json.loads(line)
                records[record["key"]] = record
            except (json.JSONDecodeError, KeyError, TypeError):
                continue
        return records

    def append(self, record: Record) -> None:
        """On the disk when this returns; on a line of its own, even after one cut short."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab+") as log:
            torn = log.tell() > 0 and log.seek(-1, os.SEEK_END) >= 0 and log.read(1) != b"\n"
            log.write(b"\n" * torn + json.dumps(record).encode() + b"\n")
            log.flush()
            os.fsync(log.fileno())


def search_grid(task: Task, grid: list[dict[str, Any]], base: str, batch: int, log: Log) -> Iterator[Record]:
    """A record for each combination, in the grid's order; those in the log already are taken from it.

    base: the configuration that the combinations change. A combination that is not valid gives a record that says so.
    """
    known = log.read()
    for changes in grid:
        try:
            settings = settings_of(base, **nested(changes))
        except BadSettings as error:
            yield {"changes": changes, "invalid": str(error)}
            continue
        key = key_of(settings, task)
        if key not in known:
            known[key] = _measured(task, changes, settings, batch)
            if "invalid" in known[key]:
                yield known.pop(key)  # a missing model may be there next time
                continue
            log.append(known[key] | {"key": key})
        yield known[key]


def key_of(settings: Settings, task: Task) -> str:
    """SHA-256 of the settings and the files that they name, of how the task is made up, and of its pictures."""
    about = {"settings": settings.extractor.model_dump(mode="json"), "task": task.kind, "parameters": task.parameters}
    about["mode"] = settings.search.mode
    about["files"] = [sha256_of(file) if file.is_file() else "" for file in settings.extractor.files]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _measured(task: Task, changes: dict[str, Any], settings: Settings, batch: int) -> Record:
    name = name_of(changes)
    try:
        (result,) = evaluate(task, [embedding(name, settings)], batch)
    except (ExtractorError, ValueError) as error:  # an extractor refuses what its settings alone do not show
        return {"changes": changes, "invalid": str(error)}
    return {"changes": changes, "result": result.record()}


def name_of(changes: Mapping[str, Any]) -> str:
    """As --config takes it."""
    return ",".join(f"{key}={json.dumps(value) if value is None else value}" for key, value in changes.items())


def best_first(records: list[Record], figure: Callable[[Record], float]) -> list[Record]:
    """Sorted by a figure of their results; without those that are not valid."""
    return sorted((record for record in records if "result" in record), key=figure, reverse=True)
