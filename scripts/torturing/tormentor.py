"""One client of scripts/torture.py: adds, deletes and searches at random, and notes each answer."""

import threading
from random import Random
from typing import Any

import requests

from scripts.torturing.killing import Victim
from scripts.torturing.ledger import Ledger
from scripts.torturing.pictures import picture

# A worker that has just taken the place of a killed one is not ready at once.
NOT_NOW = 503


class Tormentor:
    """Asks until it is over. What gets no answer stays open in the ledger."""

    def __init__(self, victim: Victim, ledger: Ledger, random: Random, over: threading.Event) -> None:
        self._victim, self._ledger, self._random, self._over = victim, ledger, random, over

    def torment(self) -> None:
        """Until it is over."""
        deeds = [self._add, self._add, self._add_once, self._queue, self._delete, self._search, self._search]
        while not self._over.is_set():
            try:
                self._random.choice(deeds)()
                if self._random.random() < 0.03:
                    self._ask("POST", "/jobs", {202}, json={"kind": self._random.choice(["rebuild", "ingest"])})
            except requests.RequestException:
                self._ledger.counts["unanswered"] += 1
                self._over.wait(0.05)

    def _ask(self, method: str, path: str, expected: set[int], **options: Any) -> requests.Response | None:
        """The answer; None where it was not now. Any other status than those expected is a fault."""
        answer = self._victim.ask(method, path, **options)
        if answer.status_code == NOT_NOW:
            self._ledger.counts["not_now"] += 1
            return None
        if answer.status_code not in expected:
            self._ledger.fault(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
            return None
        return answer

    def _add(self) -> None:
        number = self._ledger.begin()
        if answer := self._ask("POST", "/add", {201}, json=self._body(number, id=f"p{number}")):
            self._ledger.added(number, answer.json()["id"])

    def _add_once(self) -> None:
        """With a key, what got no answer is sent again, after a restart too: it must be carried out once."""
        number = self._ledger.unanswered(self._random)
        number = self._ledger.begin(keyed=True) if number is None else number
        headers = {"Idempotency-Key": f"key-{number}"}
        if answer := self._ask("POST", "/add", {201}, json=self._body(number), headers=headers):
            self._ledger.added(number, answer.json()["id"])

    def _queue(self) -> None:
        number = self._ledger.begin()
        if answer := self._ask("POST", "/add", {202}, json=self._body(number, id=f"p{number}", wait=False)):
            self._ledger.note(number, "queued", answer.json()["id"])

    def _delete(self) -> None:
        number = self._ledger.take("here", "deleting", self._random)
        if number is None:
            return
        if self._ask("DELETE", f"/images/{self._ledger.ids[number]}", {204}):
            self._ledger.note(number, "gone")

    def _search(self) -> None:
        """Also for what was deleted before this began, which must not come back."""
        gone = self._ledger.ids_gone()
        number = self._ledger.some(self._random.choice(["here", "gone"]), self._random)
        if number is None:
            return
        answer = self._ask("POST", "/search", {200}, json={"base64": picture(number), "top_k": 20})
        if not answer:
            return
        found = {match["id"] for match in answer.json()["matches"]}
        self._ledger.counts["searches"] += 1
        if back := found & gone:
            self._ledger.fault(f"deleted pictures are found: {sorted(back)}")
        if self._ledger.states[number] == "here" and self._ledger.ids[number] not in found:
            self._ledger.fault(f"picture {number} is not found")

    def _body(self, number: int, **fields: Any) -> dict[str, Any]:
        return {"base64": picture(number), "metadata": {"number": number}, **fields}
