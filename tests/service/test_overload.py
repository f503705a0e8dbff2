"""More requests than the service can take on: refused at once, with the word when to come again."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.service.asking import small
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


def test_a_refused_client_that_comes_again_is_served(server):
    def insist() -> bool:
        return bool(until(lambda: server.ask("GET", "/images").status_code == 200, "an answer"))

    with ThreadPoolExecutor(3 * (THREADS + WAITING)) as pool:
        assert all(pool.map(lambda _: insist(), range(10 * (THREADS + WAITING))))
