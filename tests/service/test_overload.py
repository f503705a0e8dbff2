"""More requests than the service can take on: refused at once, with the word when to come again."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.service.asking import body, small
from tests.service.keyed import bearer, script
from tests.service.scraped import Scrape
from tests.service.server import serving, until
from tests.service.slow_host import PATIENT, slow_host

pytestmark = [pytest.mark.slow, pytest.mark.any_extractor]
THREADS, WAITING, REFUSED = 3, 5, 12


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("overload") / "data"
    with serving(folder, server={"threads": THREADS, "max_waiting": WAITING}, input=PATIENT) as server:
        server.add(small(1), id="1")
        yield server


def test_what_is_too_much_is_refused_and_the_rest_answered(server):
    with slow_host(small(1)) as host, ThreadPoolExecutor(THREADS + WAITING + REFUSED) as pool:
        search = {"json": {"url": host.url}}
        under_way = [pool.submit(server.ask, "POST", "/search", **search) for _ in range(THREADS)]
        host.wait_until_asked(THREADS)
        others = [pool.submit(server.ask, "POST", "/search", **search) for _ in range(WAITING + REFUSED)]
        refused = until(lambda: len(done := [each for each in others if each.done()]) == REFUSED and done, "refusals")
        for each in refused:
            answer = each.result()
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:imageretrieval:overloaded")
            assert int(answer.headers["Retry-After"]) >= 1
        assert server.get("/healthz") == {"status": "alive"}
        assert server.get("/readyz")["status"] == "ready"
        host.let_go()
        served = [each for each in [*under_way, *others] if each not in refused]
        assert [each.result().status_code for each in served] == [200] * (THREADS + WAITING)


def waiting(server, key) -> float:
    """Requests that wait for a thread."""
    return Scrape(server.ask("GET", "/metrics", headers=key).text)("http_requests_waiting")


def test_who_sends_too_much_is_refused_before_another_is(tmp_path):
    """The queue is full of one key's requests; another's comes in, is refused nothing, and is the next to be served."""
    data = tmp_path / "data"
    scopes = {"busy": "search", "other": "search", "adding": "add", "watching": "metrics"}
    keys = {name: bearer(script(data, "create", name, "--scope", scope)) for name, scope in scopes.items()}
    section = {"threads": THREADS, "max_waiting": WAITING}
    with serving(data, server=section, input=PATIENT, access={"keys": "required"}) as server:
        assert server.ask("POST", "/add", json=body(small(1)), headers=keys["adding"]).status_code == 201
        with slow_host(small(1)) as host, ThreadPoolExecutor(THREADS + WAITING + 1) as pool:
            search = {"json": {"url": host.url}, "headers": keys["busy"]}
            sent = [pool.submit(server.ask, "POST", "/search", **search) for _ in range(THREADS + WAITING)]
            host.wait_until_asked(THREADS)
            until(lambda: waiting(server, keys["watching"]) == WAITING, "a full queue")
            late = pool.submit(server.ask, "POST", "/search", json=body(small(1)), headers=keys["other"])
            (refused,) = until(lambda: [each for each in sent if each.done()], "a refusal")
            assert refused.result().status_code == 503
            assert not late.done()
            host.let_go()
            assert late.result().status_code == 200
            assert [each.result().status_code for each in sent if each is not refused] == [200] * (len(sent) - 1)


def test_slow_urls_hold_some_threads_and_no_more(tmp_path):
    limits = {"fetch": {**PATIENT["fetch"], "at_once": 2}}
    section = {"threads": 4, "max_waiting": 50}
    with serving(tmp_path / "data", server=section, input=limits) as server, slow_host(small(1)) as host:
        server.add(small(1), id="1")
        several = {"images": [{"url": f"{host.url}{n}"} for n in range(20)]}
        with ThreadPoolExecutor(2) as pool:
            slow = [pool.submit(server.ask, "POST", "/search", json=several) for _ in range(2)]
            host.wait_until_asked(2)
            until(lambda: server.ask("POST", "/search", json={"url": host.url}).status_code == 503, "a refusal")
            assert server.search(small(1))[0]["id"] == "1"
            batch = server.ask("POST", "/search", json={"images": [body(small(n)) for n in range(4)]})
            assert [each["status"] for each in batch.json()["results"]] == [200] * 4
            host.let_go()
            assert [each.result().status_code for each in slow] == [200, 200]
        assert server.ask("POST", "/search", json={"url": host.url}).status_code == 200


def test_a_refused_client_that_comes_again_is_served(server):
    def insist() -> bool:
        return bool(until(lambda: server.ask("GET", "/images").status_code == 200, "an answer"))

    with ThreadPoolExecutor(3 * (THREADS + WAITING)) as pool:
        assert all(pool.map(lambda _: insist(), range(10 * (THREADS + WAITING))))
