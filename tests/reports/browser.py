"""A real browser without a screen: Chromium, by the WebDriver protocol, as its own driver speaks it."""

import base64
import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import requests

from tests.deployment.files import tool

ARGUMENTS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1280,900"),
    *("--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
KEYS = {"Tab": "\ue004", "Escape": "\ue00c", "Enter": "\ue007", "ArrowLeft": "\ue012", "ArrowRight": "\ue014"}
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
STARTED_WITHIN_S = 30


class Browser:
    """One window. Scripts that are run in it are not bound by the page's policy."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, method: str, path: str, **content: Any) -> Any:
        body = None if method == "GET" else json.dumps(content)
        answer = requests.request(method, self._url + path, data=body, timeout=60).json()["value"]
        if isinstance(answer, dict) and "error" in answer:
            raise AssertionError(f"{path}: {answer['message']}")
        return answer

    def open(self, page: Path | str) -> None:
        """A file, or a URL."""
        self.ask("POST", "/url", url=page.as_uri() if isinstance(page, Path) else page)

    def run(self, script: str, *arguments: Any) -> Any:
        """What the script returns."""
        return self.ask("POST", "/execute/sync", script=script, args=list(arguments))

    def wait(self, script: str, seconds: float = 10) -> Any:
        """What the script returns once that is true."""
        until = monotonic() + seconds
        while not (value := self.run(script)):
            assert monotonic() < until, f"never came true: {script}"
            sleep(0.05)
        return value

    def press(self, *keys: str) -> None:
        """One after the other, by a key's name or its character."""
        for key in keys:
            strokes = [{"type": kind, "value": KEYS.get(key, key)} for kind in ("keyDown", "keyUp")]
            self.ask("POST", "/actions", actions=[{"type": "key", "id": "keyboard", "actions": strokes}])

    def click(self, selector: str) -> None:
        element = self.ask("POST", "/element", using="css selector", value=selector)[ELEMENT]
        self.ask("POST", f"/element/{element}/click")

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self.ask("POST", "/goog/cdp/execute", cmd=command, params=parameters)

    def console(self) -> list[str]:
        """What was written to it since it was asked last: errors, refusals of the page's policy."""
        return [each["message"] for each in self.ask("POST", "/se/log", type="browser")]

    def requested(self) -> list[str]:
        """URLs that pages asked for since this was asked last."""
        events = [json.loads(each["message"])["message"] for each in self.ask("POST", "/se/log", type="performance")]
        return [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]

    def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))


@contextmanager
def browsing(downloads: Path) -> Iterator[Browser]:
    """A browser that is closed with the block; skips the test where Chromium or its driver is not installed."""
    chromium, driver = tool("chromium"), tool("chromedriver")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/status")
            with _session(f"http://127.0.0.1:{port}", chromium, downloads) as browser:
                yield browser
        finally:
            process.terminate()


@contextmanager
def _session(driver: str, chromium: str, downloads: Path) -> Iterator[Browser]:
    options = {
        "binary": chromium,
        "args": ARGUMENTS,
        "prefs": {"download.default_directory": str(downloads), "download.prompt_for_download": False},
    }
    logs = {"browser": "ALL", "performance": "ALL"}
    wanted = {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": logs}}
    made = requests.post(f"{driver}/session", json={"capabilities": wanted}, timeout=60).json()["value"]
    assert "sessionId" in made, made
    browser = Browser(f"{driver}/session/{made['sessionId']}")
    try:
        yield browser
    finally:
        browser.ask("DELETE", "")


def _wait_for(url: str) -> None:
    until = monotonic() + STARTED_WITHIN_S
    while True:
        try:
            requests.get(url, timeout=5)
            return
        except requests.ConnectionError:
            assert monotonic() < until, "chromedriver did not start"
            sleep(0.05)
