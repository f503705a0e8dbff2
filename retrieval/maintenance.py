"""Maintenance: APScheduler in every serving process, of which the one that holds a file lock acts."""

import fcntl
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import IO

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from index_store import Catalog, Job, JobBoard, StoreError, pending_changes
from retrieval.inbox import Inbox
from retrieval.observing import UNWATCHED, Watch
from retrieval.settings import Settings

log = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parent.parent
LATE_S = 3600  # a nightly run that was missed by less than this, as by a machine that slept, is made up for
RETRY_S = 60  # an ingest that has failed is not asked for again sooner, unless by a client


def become_owner(data_dir: Path) -> IO[str] | None:
    """The lock of whoever looks after maintenance over a data folder, or None while another process has it.

    It is given up by closing the file, or by the end of the process, in whatever way.
    """
    lock = (data_dir / "maintenance.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


class Maintenance:
    """Asks for jobs when they are due and runs them one by one, each in a process of its own.

    Exactly one owner acts, however many processes serve: the operating system gives the lock to one, and to the next
    when that one ends in whatever way. A job's process inherits the lock, so no other starts while it lives.
    """

    def __init__(self, settings: Settings, catalog: Catalog, jobs: JobBoard, watch: Watch = UNWATCHED) -> None:
        self._settings = settings
        self._catalog = catalog
        self._jobs = jobs
        self._watch = watch
        self._inbox = Inbox(settings)
        self._lock: IO[str] | None = None
        self._asked_at: dict[str, int] = {}
        self._child: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        self._told = ""
        self._ingest_not_before = 0.0
        self._owning = threading.Lock()
        self._scheduler = BackgroundScheduler(timezone=None)
        self._ticking = threading.Thread(target=self._tick_until_stopped, name="maintenance", daemon=True)

    def start(self) -> None:
        """Begin to look for work, now and from time to time."""
        wanted = self._settings.maintenance
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a tick that is skipped during a job is no news
        nightly = CronTrigger.from_crontab(wanted.cron)
        self._scheduler.add_job(self._nightly, nightly, misfire_grace_time=LATE_S, coalesce=True, max_instances=1)
        self._scheduler.start()
        self._ticking.start()

    def stop(self) -> None:
        """End; a job under way is stopped and queued again."""
        self._stopping.set()
        self._end_child()
        if self._ticking.is_alive():
            self._ticking.join()
        if self._scheduler.running:
            self._scheduler.shutdown()
        self._give_up_lock()

    def _nightly(self) -> None:
        self._as_owner(self._ask_for_everything)

    def _tick_until_stopped(self) -> None:
        """By its own waiting, not the scheduler's, which goes by a wall clock that may be put back by a day."""
        while not self._stopping.is_set():
            try:
                self._tick()
            except Exception:  # a defect in one tick must not end all that come after
                log.exception("maintenance failed")
            self._scheduler.wakeup()  # so that it sees soon where the clock was put to
            self._stopping.wait(self._settings.maintenance.poll_s)

    def _tick(self) -> None:
        self._as_owner(self._ask_for_what_is_due, self._run_what_waits)

    def _as_owner(self, *steps: Callable[[], None]) -> None:
        try:
            if self._owns():
                for step in steps:
                    step()
                self._told = ""
        except (StoreError, OSError) as error:
            if str(error) != self._told:  # once, not at every tick until somebody makes room
                log.error("maintenance: %s", error)
            self._told = str(error)
            self._give_up_lock()  # whoever gets it next begins with what was left undone

    def _owns(self) -> bool:
        """Whether this process is the owner; tries to become it."""
        with self._owning:
            if self._lock is None:
                self._lock = become_owner(self._settings.data_dir)
                if self._lock is None:
                    return False
                self._jobs.recover()
                self._watch.owner(True)
                log.info("process %d looks after maintenance", os.getpid())
        return True

    def _give_up_lock(self) -> None:
        with self._owning:
            if self._lock is not None:
                self._lock.close()
                self._watch.owner(False)
            self._lock = None

    def _ask_for_everything(self) -> None:
        self._jobs.ask("ingest")
        self._jobs.ask("rebuild")

    def _ask_for_what_is_due(self) -> None:
        limit = self._settings.maintenance.rebuild_after
        for collection in self._catalog.collections():
            # Asked once for so many changes: a rebuild that fails is not tried again every second.
            if collection.clock >= self._asked_at.get(collection.uid, 0) + limit:
                pending = pending_changes(self._catalog, collection, self._settings.data_dir / "index")
                if pending >= limit:
                    self._asked_at[collection.uid] = collection.clock
                    self._jobs.ask("rebuild", collection.name)
        if monotonic() >= self._ingest_not_before:
            self._ask_for_ingest()

    def _ask_for_ingest(self) -> None:
        waits_s = self._settings.maintenance.ingest_after_s
        # Looking through a full inbox takes a while; a tenth of the time allowed is soon enough.
        self._ingest_not_before = monotonic() + waits_s / 10
        if any(self._inbox.has_waited(name, waits_s) for name in self._inbox.collections()):
            self._jobs.ask("ingest")

    def _run_what_waits(self) -> None:
        while not self._stopping.is_set() and (job := self._jobs.claim()):
            self._run(job)

    def _run(self, job: Job) -> None:
        """Run a claimed job to its end, whatever end that is."""
        log.info("job %d: %s %s", job.id, job.kind, job.collection or "")
        code = self._run_child(job)
        state = self._jobs.job(job.id).state
        if state == "failed" and job.kind == "ingest":
            self._ingest_not_before = monotonic() + RETRY_S
        elif state == "running" and code is None:
            limit = self._settings.maintenance.job_timeout_s
            self._jobs.fail(job.id, f"it was ended after {limit:g} seconds (maintenance.job_timeout_s)")
        elif state == "running" and self._stopping.is_set():
            self._jobs.release(job.id)
        elif state == "running":
            log.error("the process of job %d ended with status %s", job.id, code)
            self._jobs.recover()

    def _run_child(self, job: Job) -> int | None:
        """Its exit status; None where it took too long."""
        command = [sys.executable, "-m", "retrieval.job_runner", str(job.id)]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        locks = (self._lock.fileno(),) if self._lock else ()
        with subprocess.Popen(  # noqa: S603  # nothing in the command comes from outside
            command, stdin=subprocess.PIPE, text=True, pass_fds=locks, env={**os.environ, "PYTHONPATH": path}
        ) as child:
            if child.stdin:
                child.stdin.write(self._settings.model_dump_json() + "\n")
                child.stdin.flush()
            self._child = child
            if self._stopping.is_set():  # `stop` came before there was a process to end
                self._end_child()
            code = self._wait(child)
            self._child = None
        return code

    def _wait(self, child: "subprocess.Popen[str]") -> int | None:
        try:
            return child.wait(self._settings.maintenance.job_timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            return None

    def _end_child(self) -> None:
        if (child := self._child) is not None:
            child.terminate()
