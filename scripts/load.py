"""Load over HTTP from a process of its own: `python scripts/load.py` reads its orders as JSON on standard input.

An API key, if the service asks for one, is taken from the environment variable IMAGERETRIEVAL_API_KEY.
"""

import http.client
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from threading import Lock
from time import perf_counter
from typing import Any

Body = tuple[int, bytes]
Answer = tuple[int, int, float]


def main() -> None:
    """Orders: port, path, bodies, clients, requests.

    Prints of each request the number of its body, the status of its answer and its latency, ms; and the seconds in all.

    Where one is refused, or not answered, ends with that as its error.
    """
    orders: dict[str, Any] = json.load(sys.stdin)
    bodies = enumerate([body.encode() for body in orders["bodies"]])
    work = iter_safely(islice(cycle(bodies), orders["requests"]))
    answers: list[Answer] = []
    with ThreadPoolExecutor(orders["clients"]) as pool:
        started = perf_counter()
        clients = [
            pool.submit(_client, orders["port"], orders["path"], work, answers) for _ in range(orders["clients"])
        ]
        for client in clients:
            client.result()
        seconds = perf_counter() - started
    json.dump({"answers": answers, "seconds": seconds}, sys.stdout)


def iter_safely(items: Iterator[Body]) -> Iterator[Body]:
    """`items`, each given to one of the threads that share this."""
    lock = Lock()

    def take() -> Body | None:
        with lock:
            return next(items, None)

    return iter(take, None)


def _client(port: int, path: str, work: Iterator[Body], answers: list[Answer]) -> None:
    key = os.environ.get("IMAGERETRIEVAL_API_KEY")
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    for number, body in work:
        started = perf_counter()
        connection.request("POST", path, body, headers)
        reply = connection.getresponse()
        answer = reply.read()
        answers.append((number, reply.status, 1e3 * (perf_counter() - started)))
        if reply.status not in (200, 201, 409):
            raise RuntimeError(f"{reply.status}: {answer.decode(errors='replace')}")
    connection.close()


if __name__ == "__main__":
    main()
