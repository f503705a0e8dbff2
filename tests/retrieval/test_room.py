"""How much is in memory at once, whoever asks for it."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retrieval.room import Room, give_back_free_pages
from tests.corpus import encoded, photo
from tests.service.asking import body

ROOT = Path(__file__).resolve().parents[2]


def test_shares_never_exceed_the_whole_and_everyone_gets_his_turn():
    room, lock, held, most = Room(100), threading.Lock(), [0], [0]

    def use(share):
        with room.taken(share):
            with lock:
                held[0] += share
                most[0] = max(most[0], held[0])
            time.sleep(0.001)
            with lock:
                held[0] -= share
        return share

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(use, [30, 70, 1, 99, 50] * 40)) == 250 * 40
    assert 60 < most[0] <= 100


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_what_lies_free_between_blocks_in_use_is_given_back():
    blocks = [bytearray(b"x") * 60_000 for _ in range(2_000)]
    blocks = blocks[::20]
    before = resident_mb()
    give_back_free_pages()
    assert before - resident_mb() > 60
    assert len(blocks) == 100


def test_what_is_larger_than_the_room_gets_all_of_it():
    room = Room(10)
    with room.taken(1_000):
        other = threading.Thread(target=lambda: room.taken(1).__enter__(), daemon=True)
        other.start()
        other.join(0.1)
        assert other.is_alive()
    other.join(5)
    assert not other.is_alive()


def test_room_comes_back_after_an_error_and_large_ones_are_not_passed_for_ever():
    room, order = Room(10), []

    def take(share):
        with room.taken(share):
            order.append(share)

    with pytest.raises(ValueError, match="x"), room.taken(10):
        raise ValueError("x")
    with room.taken(6):
        threads = [threading.Thread(target=take, args=(share,)) for share in (10, 1)]
        for thread in threads:
            thread.start()
            time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert order == [10, 1]


@pytest.mark.parametrize("mode", ["fast", "thorough"])
@pytest.mark.parametrize("path", ["/search", "/add"])
def test_pictures_larger_than_the_room_are_answered_side_by_side(make_client, path, mode):
    client = make_client(input={"max_pixels_at_once": 1})
    client.application.extensions["service"].wait_until_ready()
    images = [body(encoded(photo(seed), "PNG")) for seed in range(12)]
    client.post("/add", json=body(encoded(photo(99), "PNG")))
    with ThreadPoolExecutor(4) as threads:
        ask = client.application.test_client
        replies = list(threads.map(lambda _: ask().post(path, json={"images": images, "mode": mode}), range(4)))
        sides = {"a": images[0], "b": images[1], "mode": mode}
        compared = list(threads.map(lambda _: ask().post("/compare", json=sides), range(8)))
    assert {reply.status_code for reply in [*replies, *compared]} == {200}


def test_the_errors_of_a_batch_hold_no_pictures(make_client):
    client = make_client()
    service = client.application.extensions["service"].wait_until_ready()
    kept = []
    for each in service.engine.reader.each(fails, [encoded(photo(1), "PNG")[:-900]] * 2):
        kept.append((each.__traceback__, each.__cause__, each.__context__))
    assert kept == [(None, None, None)] * 2


def fails(data):
    from retrieval.picture import decode
    from retrieval.settings import load_settings

    return decode(data, load_settings(environ={}).input)


MEASURE = """
import base64, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from app import create_app
from retrieval.settings import load_settings
from tests import chosen
from tests.corpus import encoded, photo
from PIL import Image
room = int(sys.argv[2])
settings = load_settings(environ={}, data_dir=Path(sys.argv[1]), extractor={"name": "thumbnail"},
    maintenance={"enabled": False}, input={"max_pixels_at_once": room})
app = create_app(settings)
app.extensions["service"].wait_until_ready()
big = Image.new("RGB", (4000, 4000), "red")
images = [{"base64": base64.b64encode(encoded(big, "PNG", compress_level=1)[:-cut] ).decode()} for cut in (1, 900)] * 3
small = base64.b64encode(encoded(photo(1), "PNG")).decode()
assert app.test_client().post("/add", json={"base64": small}).status_code == 201
def peak():  # of this process; ru_maxrss begins with that of whoever started it
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
before = peak()
with ThreadPoolExecutor(2) as threads:
    replies = list(threads.map(lambda _: app.test_client().post("/search", json={"images": images}), range(2)))
assert {reply.status_code for reply in replies} == {200}, replies[0].text
print((peak() - before) // 1024)
app.extensions["service"].close()
"""


def megabytes(folder, room):
    """By which the memory of a service grows through two batches of six pictures of 16 megapixels."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, folder, str(room)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
def test_memory_is_bounded_however_many_pictures_come(tmp_path):
    narrow, wide = (megabytes(tmp_path / str(room), room) for room in (16_000_000, 10**9))
    assert narrow < 3 * 64 < wide  # one in memory, one that is just being let go, and what else it takes
