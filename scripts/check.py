"""Check a delivery: `python scripts/check.py FOLDER --against COLLECTION`.

Every picture in FOLDER gets a verdict:

new            neither the collection nor the delivery before it has a copy of it
exact          the same bytes as another picture, which is told
identical      the same pixels
near           a copy with edits
indeterminate  too little content to say (blank, flat, tiny)
unreadable     no picture, or a damaged one

Pictures are compared with the collection first, then with those of the delivery that come before them and are new
themselves. What is not new is printed, with --all everything; a folder is searched with its sub-folders. With --accept
the new ones are added to the collection, under their paths in FOLDER; pictures that somebody else has added in the
meantime are not.

It asks the service at --server, with the key in the environment variable IMAGERETRIEVAL_API_KEY if it wants one. To
compare the delivery with itself takes a key of admin's, for a scratch collection that is there as long as the check;
without, there is --only-against. Or, with --data-dir or --config, it works on a data folder without a service, or
beside one.

Exit status: 0 if all are new; 1 if not, or if something was passed over, such as a link or an unreadable folder; 2 if
the check could not be made; 130 if it was interrupted.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from time import perf_counter

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from checking import telling
from checking.delivery import Check, Checked, CheckFailed, Terms, scratch
from checking.files import delivered
from client import Client, ClientError

SERVER = "http://127.0.0.1:8080"
TRIES = 9  # which takes a minute or two: a service that is started again is waited for


def main(argv: Sequence[str] | None = None) -> int:
    """Check what the command line names; returns the exit status."""
    parser = _parser()
    given = parser.parse_args(argv)
    if trouble := _misuse(given):
        parser.error(trouble)
    try:
        return check(given)
    except (ClientError, CheckFailed, ValueError, OSError) as error:  # ValueError: an address or a name that cannot be
        return _stop(str(error))
    except KeyboardInterrupt:
        return _stop("interrupted; what was accepted stays" if given.accept else "interrupted", status=130)


def check(given: argparse.Namespace) -> int:
    """Tell of every picture as it is found, and of all of them at the end. Raises ClientError, CheckFailed, OSError."""
    started, results = perf_counter(), list[Checked]()
    with ExitStack() as stack:
        tellers = stack.enter_context(telling.files(given.csv, given.jsonl))
        client = stack.enter_context(_client(given))
        check = Check(client, stack.enter_context(_terms(given, client)))
        passed_over = list[OSError]()
        found = stack.enter_context(closing(check.run(delivered(given.folder, passed_over.append))))
        for checked in _progress(given.folder, found):
            results.append(checked)
            for tell in tellers:
                tell(checked)
            if given.all or checked.verdict != "new" or checked.detail:
                _say(telling.line(checked))
        for error in passed_over:
            print(f"passed over: {telling.printable(str(error))}", file=sys.stderr)
        print(telling.summary(results, given.accept, perf_counter() - started), file=sys.stderr)
        if given.html:
            _report(given, client, results)
    if given.accept and _is_direct(given):
        _rebuild(given)
    return 1 if passed_over or any(checked.verdict != "new" for checked in results) else 0


def _report(given: argparse.Namespace, client: Client, results: Sequence[Checked]) -> None:
    from checking.report import Delivery, write_report  # noqa: PLC0415

    where = str(given.data_dir or given.config) if _is_direct(given) else given.server
    page = write_report(client, Delivery(given.folder, given.against, where), results, given.html)
    print(f"report: {page}", file=sys.stderr)


def _rebuild(given: argparse.Namespace) -> None:
    from checking.direct import rebuilt  # noqa: PLC0415

    print(rebuilt(given.config, given.data_dir, given.against), file=sys.stderr)


def _can_report(folder: Path) -> str:
    """What keeps a report from being written there, or nothing: said before the work and not after."""
    try:
        from reports.folder import ReportError, check_folder  # noqa: PLC0415
    except ImportError as error:
        return f"--html takes what the service takes: {error}"
    try:
        check_folder(folder)
    except (ReportError, OSError) as error:
        return str(error)
    return ""


@contextmanager
def _client(given: argparse.Namespace) -> Iterator[Client]:
    """Of a service at an address, or of one within this process. Raises CheckFailed."""
    if not _is_direct(given):
        with Client(given.server, tries=2) as client:  # whether there is one is known at once
            client.wait_until_ready()
        with Client(given.server, tries=TRIES) as client:
            yield client
        return
    from checking.direct import client_of, settings_of  # noqa: PLC0415  # takes all that the service takes

    with client_of(settings_of(given.config, given.data_dir)) as client:
        yield client


def _is_direct(given: argparse.Namespace) -> bool:
    return bool(given.data_dir or given.config)


@contextmanager
def _terms(given: argparse.Namespace, client: Client) -> Iterator[Terms]:
    with ExitStack() as stack:
        into = given.against if given.accept else None
        if not given.accept and not given.only_against:
            into = stack.enter_context(scratch(client, given.against))
        yield Terms(given.against, into, given.mode, given.target_precision)


def _progress(folder: Path, found: Iterator[Checked]) -> "tqdm[Checked]":
    calm = 0.2 if sys.stderr.isatty() else 10  # a log file needs no second-by-second bar
    total = sum(1 for _ in delivered(folder, _ignored))
    return tqdm(found, total=total, unit="picture", mininterval=calm, dynamic_ncols=True)


def _say(line: str) -> None:
    if sys.stderr.isatty():
        tqdm.write(line)
    else:
        print(line)


def _ignored(_error: OSError) -> None:
    """Told when the pictures are checked."""


def _misuse(given: argparse.Namespace) -> str:
    """What is wrong with the command line, or nothing."""
    if not given.folder.is_dir():
        return f"no such folder: {given.folder}"
    if given.accept and given.only_against:
        return "--accept compares the delivery with itself anyway: leave out --only-against"
    return telling.cannot_write(given.csv, given.jsonl) or (_can_report(given.html) if given.html else "")


def _stop(message: str, status: int = 2) -> int:
    print(f"check: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="the delivery")
    add("--against", required=True, metavar="COLLECTION", help="what it must not repeat")
    add("--server", default=SERVER, metavar="URL", help="default: %(default)s")
    add("--data-dir", type=Path, metavar="DIR", help="work on this data folder, without a service")
    add("--config", type=Path, metavar="FILE", help="work on the data folder of these settings, without a service")
    add("--mode", choices=("fast", "thorough"), help="thorough also finds parts of pictures; default: the service's")
    add("--target-precision", type=float, metavar="P", help="take the threshold from the calibration: 0.99, say")
    add("--only-against", action="store_true", help="do not compare the pictures of the delivery with each other")
    add("--accept", action="store_true", help="add what is new to the collection")
    add("--all", action="store_true", help="print new pictures, too")
    add("--csv", type=Path, metavar="FILE", help="write all verdicts there, as a table")
    add("--jsonl", type=Path, metavar="FILE", help="write them there as JSON, one picture a line")
    add("--html", type=Path, metavar="FOLDER", help="write a report with the pairs side by side there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
