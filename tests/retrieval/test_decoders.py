"""Child processes that decode: what becomes of a file that kills or stops one, and of the child itself."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from retrieval.decoders import DECODERS, Decoders
from retrieval.decoding import Bounds, OpenFile, TimedFile, TookTooLong
from retrieval.errors import BadImage, NoDecoder
from retrieval.picture import decode, undecoded
from retrieval.settings import load_settings
from tests.corpus import chunk, encoded, photo, png
from tests.malformed import bmp

ROOT = Path(__file__).resolve().parents[2]
LIMITS = load_settings(environ={"-": ""}).input
HASTY = LIMITS.model_copy(update={"decode_timeout_s": 0.3})
WEBP = encoded(photo(1), "WEBP", lossless=True)
BOUNDS = Bounds(("TIFF",), 10**6, 10)
TIFF = encoded(photo(1).convert("1"), "TIFF", compression="group4")
DAMAGED = TIFF[:100] + bytes(20) + TIFF[120:]


@pytest.fixture
def child():
    """The process that the next file goes to."""
    decode(WEBP, LIMITS)
    return DECODERS._idle[-1]._process.pid


def read_again():
    return decode(WEBP, LIMITS).pixels_sha256 == decode(encoded(photo(1), "PNG"), LIMITS).pixels_sha256


def test_pixels_come_over_whole_whatever_the_shape():
    for size in ((1, 1), (1, 5000), (5000, 1), (1700, 900)):
        image = photo(3, size)
        assert decode(encoded(image, "TIFF"), LIMITS).image.tobytes() == image.tobytes()


def test_a_child_is_used_again(child):
    decode(TIFF, LIMITS)
    with pytest.raises(BadImage):
        decode(TIFF[:9], LIMITS)
    assert DECODERS._idle[-1]._process.pid == child


def large_webp(mode="RGB", **options):
    """49 megapixels, of 50 that are accepted."""
    return encoded(Image.new(mode, (7000, 7000), "orange"), "WEBP", method=0, **options)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("lossless", [False, True])
def test_a_webp_may_have_as_many_pixels_as_any_other_picture(mode, lossless):
    """Its reader takes the memory for them as it opens the file."""
    assert decode(large_webp(mode, lossless=lossless), LIMITS).image.size == (7000, 7000)


def test_a_picture_does_not_pay_for_those_before(child):
    twelve = encoded(Image.linear_gradient("L").convert("RGB").resize((4000, 3000)), "WEBP", method=0)
    large = encoded(Image.linear_gradient("L").convert("RGB").resize((7000, 7000)), "AVIF", speed=10)
    for data in (large, large_webp(), large):
        assert decode(data, LIMITS).image.size == (7000, 7000)
        assert decode(twelve, LIMITS).image.size == (4000, 3000)
    assert DECODERS._idle[-1]._process.pid == child


def test_a_child_that_has_kept_much_makes_room_for_another(child, monkeypatch):
    monkeypatch.setattr("retrieval.decoders.WORN_BYTES", 1)
    assert decode(WEBP, LIMITS).image.size == photo(1).size
    assert child not in [each._process.pid for each in DECODERS._idle]


def test_a_file_that_kills_its_decoder_is_bad_and_harms_no_other(child):
    with pytest.raises(BadImage, match="decoder fail; save"), undecoded(WEBP, LIMITS) as file:
        os.kill(child, signal.SIGSEGV)
        file.decode()
    assert read_again()
    assert child not in [each._process.pid for each in DECODERS._idle]


def test_a_child_that_cannot_be_started_is_no_fault_of_the_picture(monkeypatch, tmp_path):
    monkeypatch.setattr("retrieval.decoders.ROOT", tmp_path / "gone")
    with pytest.raises(NoDecoder, match="cannot be decoded now: No such file"), Decoders().one():
        pass


def test_run_lengths_without_end_are_given_up_and_hold_nobody(child):
    endless = bmp((7000, 7000), 8, 1, bytes(4_000_000))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(decode, endless, LIMITS.model_copy(update={"decode_timeout_s": 1.0}))
        decoded = 0
        while not slow.done():  # in this process, where run lengths would let no other thread run
            decoded += bool(decode(encoded(photo(1), "JPEG"), LIMITS))
        with pytest.raises(BadImage, match="takes more than 1 seconds"):  # by its own clock or by ours
            slow.result()
    assert decoded > 10


def test_one_that_hangs_is_given_up_and_its_process_ended(child):
    os.kill(child, signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(TookTooLong, match=r"more than 0.3 seconds to decode; save"):
        decode(WEBP, HASTY)
    assert time.monotonic() - started < 5
    assert not Path(f"/proc/{child}").exists()
    assert read_again()


def test_a_child_that_died_while_idle_costs_no_picture(child):
    os.kill(child, signal.SIGKILL)
    while DECODERS._idle[-1].is_alive:
        time.sleep(0.01)
    assert read_again()


def test_a_header_that_is_opened_and_left_disturbs_nobody(child):
    with undecoded(TIFF, LIMITS) as file:
        assert file.pixels == 320 * 240
    assert read_again()


def test_children_know_no_secrets_and_write_no_log(monkeypatch, capfd):
    for decoder in DECODERS._idle:
        decoder.close()
    DECODERS._idle.clear()
    monkeypatch.setenv("IMAGERETRIEVAL__CATALOG__URL", "postgresql://user:secret@host/db")
    decode(WEBP, LIMITS)
    process = Path(f"/proc/{DECODERS._idle[-1]._process.pid}")
    assert b"secret" not in (process / "environ").read_bytes()
    decode(DAMAGED, LIMITS)
    assert capfd.readouterr() == ("", "")
    OpenFile(DAMAGED, BOUNDS).load()
    assert "Fax4Decode" in capfd.readouterr().err  # or this test would show nothing


def test_children_end_with_their_parent():
    code = (
        "import os; from tests.retrieval.test_decoders import *; decode(WEBP, LIMITS);"
        "print(DECODERS._idle[-1]._process.pid, flush=True); os._exit(0)"
    )
    pid = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    until = time.monotonic() + 10
    while Path(f"/proc/{pid.strip()}").exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_more_files_than_children_take_turns():
    with ThreadPoolExecutor(12) as threads:
        assert all(threads.map(lambda _: read_again(), range(24)))
    assert len(DECODERS._idle) <= (os.cpu_count() or 1)


def test_reading_ends_when_the_time_is_up():
    file = TimedFile(b"abcdef", 0.05)
    assert file.read(2) == b"ab"
    time.sleep(0.06)
    with pytest.raises(TookTooLong, match=r"0\.05 seconds"):
        file.read(2)
    file.restart()
    assert file.read() == b"cdef"


@pytest.mark.parametrize("when", ["opening", "decoding"])
def test_a_format_of_pillow_is_given_up_in_time(when):
    late = LIMITS.model_copy(update={"decode_timeout_s": 0.02})
    slow = (
        png((1, 1), 8, 0, b"\0\0", chunk(b"teXt", b"") * 40_000)
        if when == "opening"
        else png((7000, 7000), 8, 2, bytes(21_001 * 7000))
    )
    with pytest.raises(TookTooLong, match=r"more than 0.02 seconds"):
        decode(slow, late)


def test_formats_read_in_this_process_are_those_that_come_back_to_pillow(monkeypatch):
    opened = []
    monkeypatch.setattr(OpenFile, "_open", lambda self, data: opened.append(data) or 1 / 0)
    assert read_again_formats() == {"WEBP", "BMP", "TIFF", "AVIF", "HEIF"}
    assert len(opened) == 3


def read_again_formats():
    """Those that are decoded although this process cannot open anything."""
    done = set()
    for name in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "HEIF"):
        try:
            done.add(decode(encoded(photo(1), name), LIMITS).format)
        except ZeroDivisionError:
            continue
    return done
