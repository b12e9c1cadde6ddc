"""A real headless Chromium, driven over its debugging pipe: no download, no driver, nothing beyond the standard library."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_S = 60.0
#: How often it is started where it does not answer.
STARTS = 3
#: A name that leads to this machine, as a hostile name server makes it.
REBOUND = "rebound.example"

# Chromium reads commands from descriptor 3 and answers on 4.
# The ends are moved out of the way first: one that lay at its place already would stay closed to the new program.
_START = """
import fcntl, os, sys
r, w = (fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3])
os.dup2(r, 3)
os.dup2(w, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find() -> str | None:
    """The browser's path; None where there is none, or no way to drive it."""
    if sys.platform == "win32":
        return None
    return next((path for name in NAMES if (path := shutil.which(name)) is not None), None)


class Waiting:
    """What waits for the page, whatever evaluates there."""

    def evaluate(self, code: str) -> Any:
        raise NotImplementedError

    def until(self, code: str, right: Callable[[Any], bool] = bool) -> Any:
        """The value of ``code`` once it is right."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            value = self.evaluate(code)
            if right(value):
                return value
            assert time.monotonic() < until_s, f"{code} stays {value!r}"
            time.sleep(0.05)


class Browser(Waiting):
    """One Chromium with one page. Not to be used from several threads."""

    def __init__(self, path: str, folder: Path) -> None:
        for attempt in range(STARTS):
            own = folder / f"profile{attempt}"
            own.mkdir()
            self._start(path, own)
            try:
                self._attach()
                return
            except AssertionError:  # now and then Chromium hangs while it starts; what is left would count as ours
                self._process.kill()
                self.close()
                if attempt == STARTS - 1:
                    raise

    def _start(self, path: str, folder: Path) -> None:
        orders_end, self._orders = os.pipe()
        self._answers, answers_end = os.pipe()
        flags = [
            "--headless=new",
            "--no-sandbox",  # tests run as root in containers; the only page is our own
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-extensions",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1",
            "--remote-debugging-pipe",
            f"--user-data-dir={folder}",
            "about:blank",
        ]
        arguments = [sys.executable, "-c", _START, str(orders_end), str(answers_end), path, *flags]
        with (folder / "chromium.log").open("wb") as log:
            self._process = subprocess.Popen(
                arguments, pass_fds=(orders_end, answers_end), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        os.close(orders_end)
        os.close(answers_end)
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.errors: list[str] = []

    def _attach(self) -> None:
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    @property
    def pid(self) -> int:
        """Of its first process."""
        return self._process.pid

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol and its result."""
        self._number += 1
        order = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def evaluate(self, code: str) -> Any:
        done = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def screen(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        for end in (self._orders, self._answers):
            os.close(end)
        try:  # it ends with its pipe
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def _next(self) -> dict[str, Any]:
        until_s = time.monotonic() + PATIENCE_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, until_s - time.monotonic()))
            assert ready, "chromium does not answer"
            piece = os.read(self._answers, 1 << 16)
            assert piece, "chromium has ended"
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def _note(self, event: dict[str, Any]) -> None:
        method, told = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(str(told["exceptionDetails"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.errors.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
