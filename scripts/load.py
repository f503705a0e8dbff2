"""Load over HTTP from a process of its own: `python scripts/load.py` reads its orders as JSON on standard input.

An API key, if the service asks for one, is taken from the environment variable IMAGERETRIEVAL_API_KEY.
"""

import http.client
import json
import os
import sys
import threading
from collections.abc import Iterator
from itertools import cycle, islice
from time import perf_counter
from typing import Any


def main() -> None:
    """Orders: port, path, bodies, clients, requests. Prints the latency of each request, ms, and the seconds in all."""
    orders: dict[str, Any] = json.load(sys.stdin)
    bodies = [body.encode() for body in orders["bodies"]]
    work = iter_safely(islice(cycle(bodies), orders["requests"]))
    latencies: list[float] = []
    clients = [
        threading.Thread(target=_client, args=(orders["port"], orders["path"], work, latencies))
        for _ in range(orders["clients"])
    ]
    started = perf_counter()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    json.dump({"ms": latencies, "seconds": perf_counter() - started}, sys.stdout)


def iter_safely(items: Iterator[bytes]) -> Iterator[bytes]:
    """`items`, each given to one of the threads that share this."""
    lock = threading.Lock()

    def take() -> bytes | None:
        with lock:
            return next(items, None)

    return iter(take, None)


def _client(port: int, path: str, work: Iterator[bytes], latencies: list[float]) -> None:
    key = os.environ.get("IMAGERETRIEVAL_API_KEY")
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    for body in work:
        started = perf_counter()
        connection.request("POST", path, body, headers)
        reply = connection.getresponse()
        answer = reply.read()
        latencies.append(1e3 * (perf_counter() - started))
        if reply.status not in (200, 201, 409):
            raise SystemExit(f"{reply.status}: {answer.decode(errors='replace')}")
    connection.close()


if __name__ == "__main__":
    main()
