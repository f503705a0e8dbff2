"""What a check found: lines for people, CSV, JSON lines."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from checking.delivery import Checked, Original, Verdict

MEANINGS: dict[Verdict, str] = {
    "new": "new",
    "exact": "exact copies",
    "identical": "identical",
    "near": "near copies",
    "indeterminate": "indeterminate",
    "unreadable": "unreadable",
}
COLUMNS = ("path", "verdict", "of_collection", "of", "score", "confidence", "source", "accepted", "detail")


class Teller(Protocol):
    """Is told of each picture, as it is found."""

    def __call__(self, checked: Checked) -> None: ...


def line(checked: Checked) -> str:
    """For people: the verdict, the path, and the closest picture that it is a copy of."""
    parts = [f"{checked.verdict:13}  {printable(checked.file.id)}"]
    if checked.originals:
        best = checked.originals[0]
        sure = "" if best.confidence is None else f", confidence {best.confidence:.3f}"
        parts.append(f"of {_named(best)} (score {best.score:.3f}{sure})")
    if checked.detail:
        parts.append(checked.detail)
    return "  ".join(parts)


def as_json(checked: Checked) -> dict[str, Any]:
    """All of it: of copies every picture that they are a copy of, best first; `collection` null: in the delivery."""
    return {
        "path": printable(checked.file.id),
        "verdict": checked.verdict,
        "of": [_original(each) for each in checked.originals],
        "accepted": checked.accepted,
        "detail": checked.detail,
    }


def summary(results: Sequence[Checked], accepts: bool, seconds: float) -> str:
    """Counts, duration and rate, in a line."""
    counts = Counter(each.verdict for each in results)
    parts = [f"{counts[verdict]:,} {meaning}" for verdict, meaning in MEANINGS.items() if counts[verdict]]
    told = ", ".join(parts) or "nothing"
    taken = f", {sum(each.accepted for each in results):,} accepted" if accepts else ""
    return (
        f"{len(results):,} pictures: {told}{taken}; {seconds:.1f} s, {len(results) / max(seconds, 1e-9):.1f} pictures/s"
    )


def cannot_write(as_csv: Path | None, as_jsonl: Path | None) -> str:
    """Why not, or nothing. What is there already is replaced only if it looks like what a check has written."""
    if as_csv and as_jsonl and as_csv.absolute() == as_jsonl.absolute():
        return "--csv and --jsonl name the same file"
    for path, start in ((as_csv, ",".join(COLUMNS).encode()), (as_jsonl, b'{"path": ')):
        if path and path.is_file() and path.stat().st_size and not _begins(path, start):
            return f"{path} is something else than a check has written; name another file"
    return ""


def _begins(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


@contextmanager
def files(as_csv: Path | None, as_jsonl: Path | None) -> Iterator[list[Teller]]:
    """What writes to the files that are named, from now on. Raises OSError."""
    tellers: list[Teller] = []
    with ExitStack() as opened:
        if as_csv:
            table = csv.writer(opened.enter_context(as_csv.open("w", newline="", encoding="utf-8")))
            table.writerow(COLUMNS)
            tellers.append(lambda checked: table.writerow(_row(checked)) and None)
        if as_jsonl:
            lines = opened.enter_context(as_jsonl.open("w", encoding="utf-8"))
            tellers.append(lambda checked: print(json.dumps(as_json(checked), ensure_ascii=False), file=lines))
        yield tellers


def printable(name: str) -> str:
    """A name that is not UTF-8 cannot be printed as it is, and control characters are better not."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _named(original: Original) -> str:
    return f"{original.collection}: {original.id}" if original.collection else printable(original.id)


def _original(original: Original) -> dict[str, Any]:
    told = vars(original) | {"id": printable(original.id), "score": round(original.score, 6)}
    if original.source is not None:
        told["source"] = printable(original.source)
    return told


def _row(checked: Checked) -> list[Any]:
    best = checked.originals[0] if checked.originals else None
    of = [best.collection or "", best.id, f"{best.score:.6f}", best.confidence, best.source] if best else [""] * 5
    told = [checked.file.id, checked.verdict, *of, "yes" if checked.accepted else "", checked.detail]
    return [_cell(printable(each)) if isinstance(each, str) else each for each in told]


def _cell(text: str) -> str:
    """Spreadsheets take what begins like this for a formula, and names are anybody's."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
