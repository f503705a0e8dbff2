"""`python -m retrieval.job_runner ID`: runs one claimed job in a process of its own, at low priority.

The settings come as one line of JSON on standard input, which stays open: when it closes, whoever started this is gone,
and this ends too. The job is then queued again by the next owner of maintenance.
"""

import logging
import os
import sys
import threading
from time import monotonic
from typing import Any

from extractor import ExtractorError
from index_store import Catalog, Job, JobBoard, StoreError
from retrieval import logs
from retrieval.errors import InputError, ServiceError
from retrieval.jobs import RUNNERS, Report
from retrieval.settings import Settings

log = logging.getLogger("retrieval.job_runner")  # it runs as __main__
NICENESS = 10
REPORT_EVERY_S = 1.0


def main() -> None:
    settings = Settings.model_validate_json(sys.stdin.readline())
    number = int(sys.argv[1])
    logs.configure(settings.server, job_id=number)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(NICENESS)
    catalog = Catalog(settings.catalog_url, settings.reserve)
    board = JobBoard(catalog)
    try:
        run(settings, catalog, board, board.job(number))
    except StoreError as error:  # its end cannot be noted, so it counts as interrupted and is done again
        raise SystemExit(f"job {number}: {error}") from None
    catalog.close()


def run(settings: Settings, catalog: Catalog, board: JobBoard, job: Job) -> None:
    """Do a job and note its end on the board; what stops it is its error there."""
    try:
        result = RUNNERS[job.kind](settings, catalog, job.collection, _reporter(board, job), **job.options)
    except (StoreError, ExtractorError, ServiceError, InputError, OSError) as error:
        log.error("job %d (%s) failed: %s", job.id, job.kind, error)
        board.fail(job.id, str(error))
        return
    board.finish(job.id, result)
    log.info("job %d (%s) done: %s", job.id, job.kind, result)


def _reporter(board: JobBoard, job: Job) -> Report:
    last = 0.0

    def report(progress: dict[str, Any]) -> None:
        nonlocal last
        if monotonic() - last >= REPORT_EVERY_S:
            last = monotonic()
            board.report(job.id, progress)

    return report


def _end_with_parent() -> None:
    # Not through sys.stdin: Python cannot end in good order while a thread waits inside it.
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
