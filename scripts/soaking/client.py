"""A client that asks for everything, owns pictures of its own, and knows what each answer must be."""

import random
import threading
from collections.abc import Callable
from time import monotonic

import requests

from scripts.soaking.calls import Calls, in_base64, uploaded
from scripts.soaking.pictures import Variants
from scripts.soaking.record import Record, Wrong

BAD: tuple[tuple[str, str, int, dict[str, object]], ...] = (
    ("POST", "/search", 400, {"json": {"base64": "AAAA", "topk": 3}}),
    ("POST", "/search", 400, {"json": {"base64": "no base64!"}}),
    ("POST", "/search", 422, {"json": {"base64": "bm8gcGljdHVyZQ=="}}),
    ("POST", "/search", 400, {"data": "{", "headers": {"Content-Type": "application/json"}}),
    ("POST", "/search", 404, {"json": {"base64": "AAAA", "collection": "none-such"}}),
    ("POST", "/add", 422, {"files": {"image": ("cut.jpg", b"\xff\xd8\xff\xe0 cut short")}}),
    ("POST", "/compare", 400, {"json": {"a": {"id": "one"}}}),
    ("GET", "/images/none-such", 404, {}),
    ("DELETE", "/images/none-such", 404, {}),
    ("GET", "/nowhere", 404, {}),
)


class Client(threading.Thread):
    """Works until told to stop. `owned` maps the ids that it has stored to the numbers of their pictures.

    Nobody else adds or deletes these, so every answer about them can be judged, whatever others do meanwhile.
    """

    def __init__(self, name: str, port: int, variants: Variants, record: Record, stored: int) -> None:
        super().__init__(name=name, daemon=True)
        self.owned: dict[str, int] = {}
        self.filled = threading.Event()
        self.stopping = threading.Event()
        self._stored = stored
        self._variants = variants
        self._record = record
        self._calls = Calls(port, record)
        self._chance = random.Random(name)  # noqa: S311  # no secret
        self._made = 0
        self._page = 0
        self._mix: dict[Callable[[], None], int] = {
            self.search_new: 18,
            self.search_known: 15,
            self.search_copy: 20,
            self.search_thoroughly: 3,
            self.change: 20,
            self.reject_copy: 8,
            self.reject_new: 2,
            self.compare: 6,
            self.list_page: 3,
            self.look: 3,
            self.ask_badly: 2,
        }

    def run(self) -> None:
        while len(self.owned) < self._stored and not self.stopping.is_set():
            self._attempt(self.add)
        self.filled.set()
        while not self.stopping.is_set():
            self._attempt(*self._chance.choices(list(self._mix), list(self._mix.values())))
        self._calls.close()

    def search_new(self) -> None:
        """For what nobody has stored."""
        self._calls.search("search, base64", **in_base64(self._variants.make(self._new())))

    def search_known(self) -> None:
        """For the very bytes of a stored one: it is exact."""
        image_id, data = self._one_of_mine()
        self._expect(image_id, ("exact",), self._calls.search("search, known bytes", **in_base64(data)))

    def search_copy(self) -> None:
        """For a stored one in another encoding."""
        image_id, data = self._one_of_mine()
        copy, name = self._variants.copy(data, self._made + len(data))
        found = self._calls.search("search, upload", **uploaded(copy, f"copy.{name}"))
        self._expect(image_id, ("near", "identical"), found)

    def search_thoroughly(self) -> None:
        """With parts of the picture, too."""
        data = self._variants.make(self._new())
        self._calls.search("search, thorough", **in_base64(data, mode="thorough"))

    def change(self) -> None:
        """Add, or delete where there is enough."""
        if len(self.owned) < self._stored:
            self.add()
        else:
            self.delete()

    def add(self) -> None:
        """It is found at once, by other bytes of it."""
        number = self._new()
        image_id, data = f"{self.name}/{number}", self._variants.make(number)
        self._calls.ask("add, keep", "POST", "/add", 201, **uploaded(data, "new.jpg", id=image_id, on_duplicate="keep"))
        self.owned[image_id] = number
        copy, name = self._variants.copy(data, number)
        found = self._calls.search("search, upload", **uploaded(copy, f"copy.{name}"))
        self._expect(image_id, ("near", "identical"), found)

    def delete(self) -> None:
        """It is not found any more, by its very bytes nor its id."""
        image_id, data = self._one_of_mine()
        self._calls.ask("delete", "DELETE", f"/images/{image_id}", 204)
        self._record.delete(image_id)
        del self.owned[image_id]
        self._calls.search("search, deleted", **in_base64(data))
        self._calls.ask("image, deleted", "GET", f"/images/{image_id}", 404)

    def reject_copy(self) -> None:
        """A copy of a stored picture is refused, with what it is a copy of."""
        image_id, data = self._one_of_mine()
        copy, _ = self._variants.copy(data, self._made)
        fields = {"id": f"{self.name}/rejected", "on_duplicate": "reject"}
        answer = self._calls.ask("add, reject", "POST", "/add", 409, **in_base64(copy, **fields)).json()
        self._expect(image_id, ("near", "identical", "exact"), answer["matches"])

    def reject_new(self) -> None:
        """Stored unless something like it is: then it is refused, and not there."""
        number = self._new()
        image_id, asked_at = f"{self.name}/{number}", monotonic()
        request = in_base64(self._variants.make(number), id=image_id, on_duplicate="reject")
        answer = self._calls.ask("add, reject", "POST", "/add", 201, 409, **request)
        if answer.status_code == 201:
            self.owned[image_id] = number
        else:
            self._record.check_living([match["id"] for match in answer.json()["matches"]], asked_at)
        self._calls.ask("image", "GET", f"/images/{image_id}", 200 if answer.status_code == 201 else 404)

    def compare(self) -> None:
        """A stored picture and a copy of it: a duplicate."""
        image_id, data = self._one_of_mine()
        copy, _ = self._variants.copy(data, self._made)
        body = {"a": {"id": image_id}, "b": in_base64(copy)["json"]}
        answer = self._calls.ask("compare", "POST", "/compare", 200, json=body).json()
        if not answer["duplicate"]:
            raise Wrong(f"compare: {image_id} and its copy are no duplicates: {answer}")

    def list_page(self) -> None:
        """A page of the pictures, each time the next."""
        asked_at = monotonic()
        page = self._calls.ask("list", "GET", f"/images?limit=100&after={self._page}", 200).json()
        self._record.check_living([image["id"] for image in page["images"]], asked_at)
        self._page = page["next"] or 0

    def look(self) -> None:
        """One stored picture by its id."""
        image_id, data = self._one_of_mine()
        size = self._calls.ask("image", "GET", f"/images/{image_id}", 200).json()["size"]
        if size != len(data):
            raise Wrong(f"image: {image_id} has {size} bytes instead of {len(data)}")

    def ask_badly(self) -> None:
        """What is wrong is told with the right status."""
        method, path, status, options = self._chance.choice(BAD)
        self._calls.ask("bad request", method, path, status, **options)

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (Wrong, requests.RequestException, KeyError, ValueError) as error:
            self._record.error(f"{work.__name__}: {type(error).__name__}: {error}")

    def _new(self) -> int:
        self._made += 1
        return int(self.name) * 10**9 + self._made

    def _one_of_mine(self) -> tuple[str, bytes]:
        image_id = self._chance.choice(list(self.owned))
        return image_id, self._variants.make(self.owned[image_id])

    @staticmethod
    def _expect(image_id: str, relations: tuple[str, ...], matches: list[dict[str, object]]) -> None:
        found = {match["id"]: match["relation"] for match in matches}
        if found.get(image_id) not in relations:
            raise Wrong(f"{image_id} is {found.get(image_id, 'not found')} instead of {relations}, among {len(found)}")
