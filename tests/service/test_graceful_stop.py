"""SIGTERM: what is under way is finished, what is stored stays, locks are given up, nothing is left running."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from retrieval.maintenance import become_owner
from tests.service.asking import small
from tests.service.server import serving, until
from tests.service.slow_host import PATIENT, slow_host
from tests.service.wire import dial, is_closed, post, read_reply

pytestmark = [pytest.mark.slow, pytest.mark.any_extractor]


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def server(tmp_path, request):
    with serving(
        tmp_path / "data", server={"workers": request.param, "threads": 8, "receive_timeout_s": 4.0}, input=PATIENT
    ) as server:
        yield server


def is_stopping(server):
    return "Handling signal: " in server.log.read_text()


def test_interrupted_twice_it_waits_for_nobody(server):
    with slow_host(small(1)) as host, ThreadPoolExecutor(1) as pool:
        pool.submit(server.ask, "POST", "/add", json={"url": host.url, "id": "1"})
        host.wait_until_asked(1)
        server.process.send_signal(signal.SIGINT)
        until(lambda: is_stopping(server), "the signal to arrive")
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(15) == 0
        until(lambda: not server.processes(), "the last process to end")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_adds_under_way_are_finished_and_kept(server, tmp_path, sent):
    with slow_host(small(1)) as host, ThreadPoolExecutor(6) as pool:
        adds = [pool.submit(server.ask, "POST", "/add", json={"url": f"{host.url}{n}", "id": str(n)}) for n in range(6)]
        host.wait_until_asked(6)
        server.process.send_signal(sent)
        until(lambda: is_stopping(server), "the signal to arrive")
        time.sleep(0.5)
        host.let_go()
        answers = [each.result() for each in adds]
        assert [each.status_code for each in answers] == [201] * 6
        assert {each.headers.get("Connection") for each in answers} == {"close"}
    assert server.process.wait(30) == 0
    until(lambda: not server.processes(), "the last process to end")
    assert "Traceback" not in server.log.read_text()
    lock = become_owner(tmp_path / "data")
    assert lock is not None
    lock.close()
    with serving(tmp_path / "data") as again:
        assert {each["id"] for each in again.get("/images")["images"]} == {str(n) for n in range(6)}


def test_a_request_that_is_half_sent_may_be_finished_and_a_new_one_is_not_taken(server):
    server.add(small(2), id="2")
    whole = post("/search", b'{"base64": "AAAA"}')
    with dial(server.url) as half, dial(server.url) as idle:
        half.sendall(whole[:-5])
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: is_stopping(server), "the signal to arrive")
        assert is_closed(idle)
        with pytest.raises(OSError, match=r"refused|reset|timed out"):
            until(lambda: dial(server.url).close(), "new connections to be refused")
        half.sendall(whole[-5:])
        reply = read_reply(half)
        assert (reply.status, reply.headers["Connection"]) == (422, "close")
    assert server.process.wait(30) == 0


def test_signals_more_do_no_harm(server):
    while server.workers():  # to each process, as `timeout` and systemd do
        for each in server.processes():
            if each != server.process.pid:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.02)
    server.process.wait(30)
    log = server.log.read_text()
    assert "Traceback" not in log
    assert "Error" not in log


def test_a_client_that_never_finishes_does_not_keep_it_from_stopping(server):
    with dial(server.url) as stalled:
        stalled.sendall(b"POST /search HTTP/1.1\r\nHost: localhost\r\n")
        time.sleep(0.2)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 25
