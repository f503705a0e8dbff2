"""The job board: asked once, claimed once, never lost, given up on in the end."""

from collections.abc import Callable

import pytest

from index_store import ImageStore, JobBoard, UnknownJob
from index_store.jobs import MAX_ATTEMPTS
from tests.index_store.workers import ask_many, claim_all


@pytest.fixture
def board(store: ImageStore) -> JobBoard:
    return JobBoard(store.catalog)


@pytest.fixture
def board_elsewhere(open_store: Callable) -> JobBoard:
    return JobBoard(open_store().catalog)


def test_asking_again_for_what_waits_is_the_same_job(board: JobBoard, board_elsewhere: JobBoard) -> None:
    first = board.ask("rebuild", "a")
    assert board_elsewhere.ask("rebuild", "a") == first
    assert len({first.id, board.ask("rebuild", "b").id, board.ask("rebuild").id, board.ask("ingest", "a").id}) == 4
    assert board.ask("rebuild").id == board.ask("rebuild", None).id


def test_options_are_part_of_the_work(board: JobBoard, board_elsewhere: JobBoard) -> None:
    job = board.ask("duplicates", "a", {"keep": "oldest", "min_score": 0.5})
    assert board_elsewhere.ask("duplicates", "a", {"min_score": 0.5, "keep": "oldest"}) == job
    assert board.ask("duplicates", "a", {"keep": "newest"}).id != board.ask("duplicates", "a").id != job.id
    assert (board.claim().options, board.job(job.id).options) == (job.options, {"keep": "oldest", "min_score": 0.5})


def test_what_runs_already_may_be_asked_for_again(board: JobBoard) -> None:
    first = board.ask("rebuild")
    board.claim()
    assert board.ask("rebuild").id != first.id


def test_jobs_are_claimed_in_the_order_of_asking(board: JobBoard, board_elsewhere: JobBoard) -> None:
    asked = [board.ask("rebuild", name).id for name in "cab"]
    assert [board_elsewhere.claim().id, board.claim().id, board.claim().id] == asked
    assert board.claim() is None


def test_no_job_is_claimed_twice_by_two_processes(board: JobBoard, in_processes: Callable) -> None:
    asked = [board.ask("rebuild", str(number)).id for number in range(30)]
    claimed = in_processes(claim_all, 2)
    assert sorted(claimed[0] + claimed[1]) == asked
    assert all(each == sorted(each) for each in claimed)


@pytest.mark.slow
def test_processes_that_ask_at_once_get_one_job(board: JobBoard, in_processes: Callable) -> None:
    answers = in_processes(ask_many, 2)
    assert set(answers[0] + answers[1]) == {board.newest()[0].id}
    assert len(board.newest()) == 1


def test_a_job_is_followed_from_elsewhere(board: JobBoard, board_elsewhere: JobBoard) -> None:
    job = board.ask("rebuild", "a")
    states = [(job.state, job.progress)]
    board.claim()
    board.report(job.id, {"done": 1})
    states.append((board_elsewhere.job(job.id).state, board_elsewhere.job(job.id).progress))
    board.finish(job.id, {"count": 5})
    done = board_elsewhere.job(job.id)
    assert states == [("queued", {}), ("running", {"done": 1})]
    assert (done.state, done.result, done.error) == ("done", {"count": 5}, None)
    assert done.created_at <= done.started_at <= done.finished_at
    assert done.finished_at.utcoffset().total_seconds() == 0


def test_a_failed_job_says_why(board: JobBoard) -> None:
    job = board.ask("rebuild")
    board.claim()
    board.fail(job.id, "disk full")
    assert (board.job(job.id).state, board.job(job.id).error) == ("failed", "disk full")
    assert board.claim() is None


def test_what_a_dead_owner_was_doing_is_queued_again(board: JobBoard, board_elsewhere: JobBoard) -> None:
    job = board.ask("rebuild")
    board.claim()
    board_elsewhere.recover()
    again = board_elsewhere.claim()
    assert (again.id, again.state) == (job.id, "running")


def test_what_kills_its_owner_again_and_again_is_given_up_on(board: JobBoard) -> None:
    job, other = board.ask("rebuild", "bad"), board.ask("rebuild", "good")
    for _ in range(MAX_ATTEMPTS):
        assert board.claim().id == job.id
        board.recover()
    assert board.job(job.id).state == "failed"
    assert f"died {MAX_ATTEMPTS} times" in board.job(job.id).error
    assert board.claim().id == other.id


def test_a_released_job_has_cost_no_attempt(board: JobBoard) -> None:
    job = board.ask("rebuild")
    for _ in range(2 * MAX_ATTEMPTS):
        board.claim()
        board.release(job.id)
    board.claim()
    board.recover()
    assert (board.claim().id, board.job(job.id).error) == (job.id, None)


def test_recovering_leaves_finished_jobs_alone(board: JobBoard) -> None:
    job = board.ask("rebuild")
    board.claim()
    board.finish(job.id, {})
    board.recover()
    assert board.job(job.id).state == "done"


def test_the_newest_jobs_come_first(board: JobBoard) -> None:
    asked = [board.ask("rebuild", name).id for name in "abc"]
    assert [job.id for job in board.newest(2)] == asked[:0:-1]


def test_an_unknown_job_is_an_error(board: JobBoard) -> None:
    with pytest.raises(UnknownJob, match="no job 77"):
        board.job(77)
