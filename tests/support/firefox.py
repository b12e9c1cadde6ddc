"""A real headless Firefox behind the same calls as ``browser.Browser``, over WebDriver BiDi (a W3C draft), by the standard
library alone: the pages' tests run in it with SEQCLS_TEST_BROWSER=firefox."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import shutil
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from support.browser import PATIENCE_S, REBOUND, Waiting

NAMES = ("firefox", "firefox-esr")
#: What a fresh profile must not do by itself, and how the page's own theme is chosen.
_PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.dns.localDomains": REBOUND,
    "remote.prefs.recommended": True,
    "toolkit.telemetry.enabled": False,
    "ui.systemUsesDarkTheme": 0,
}
_KEYS = {
    "Enter": "\ue007", "Escape": "\ue00c", "Delete": "\ue017", "Home": "\ue011", "End": "\ue010", "Tab": "\ue004",
    "ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015", "Backspace": "\ue003",
}  # fmt: skip
_HELD = {1: "\ue00a", 2: "\ue009", 8: "\ue008"}
_BUTTONS = {"left": 0, "middle": 1, "right": 2}
_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf, "-0": -0.0}


def find() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name)) is not None), None)


class Firefox(Waiting):
    """One Firefox with one page. Not to be used from several threads."""

    def __init__(self, path: str, folder: Path) -> None:
        profile = folder / "profile"
        profile.mkdir()
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in _PREFERENCES.items()]
        (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
        log = folder / "firefox.log"
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                [path, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, env={**os.environ, "HOME": str(folder)},
            )  # fmt: skip
        self._number, self._left, self.errors = 0, b"", list[str]()
        self._socket = _web_socket(_port(log))
        self._order("session.new", capabilities={})
        self._order("session.subscribe", events=["log.entryAdded"])
        self._context = self._order("browsingContext.getTree")["contexts"][0]["context"]

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the tests ask of Chromium beyond the calls below: keys, the mouse, paper."""
        if method == "Input.dispatchKeyEvent":
            self._key(**parameters)
        elif method == "Input.insertText":
            steps = [{"type": kind, "value": one} for one in parameters["text"] for kind in ("keyDown", "keyUp")]
            self._act("key", "keys", steps)
        elif method == "Input.dispatchMouseEvent":
            self._mouse(**parameters)
        elif method == "Page.printToPDF":
            return self._order("browsingContext.print", context=self._context)
        else:
            raise NotImplementedError(method)
        return {}

    def evaluate(self, code: str) -> Any:
        done = self._order(
            "script.evaluate", expression=code, target={"context": self._context}, awaitPromise=True,
            serializationOptions={"maxObjectDepth": 10},
        )  # fmt: skip
        assert done["type"] == "success", done["exceptionDetails"]["text"]
        return _plain(done["result"])

    def open(self, url: str) -> None:
        self._order("browsingContext.navigate", context=self._context, url=url, wait="interactive")

    def screen(self, width: int, height: int, *, dark: bool = False, phone: bool = False) -> None:
        """Of a phone there is the size alone."""
        if dark:
            pytest.skip("Firefox has no command that asks for dark pages")
        size = {"width": width, "height": height}
        self._order("browsingContext.setViewport", context=self._context, viewport=size, devicePixelRatio=1)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        origin = "document" if whole else "viewport"
        path.write_bytes(
            base64.b64decode(
                self._order("browsingContext.captureScreenshot", context=self._context, origin=origin)["data"]
            )
        )

    def close(self) -> None:
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def _key(self, type: str, key: str, modifiers: int = 0, **_: Any) -> None:
        value = _KEYS.get(key, key.lower() if modifiers & 8 and len(key) == 1 and key.isalpha() else key)
        held = [name for bit, name in _HELD.items() if modifiers & bit]
        if type == "keyUp":
            steps = [{"type": "keyUp", "value": one} for one in (value, *held[::-1])]
        else:
            steps = [{"type": "keyDown", "value": one} for one in (*held, value)]
        self._act("key", "keys", steps)

    def _mouse(self, type: str, x: float, y: float, button: str = "left", **more: Any) -> None:
        place = {"x": round(x), "y": round(y)}
        if type == "mouseWheel":
            turn = {"deltaX": round(more["deltaX"]), "deltaY": round(more["deltaY"])}
            self._act("wheel", "wheel", [{"type": "scroll", **place, **turn}])
            return
        steps: list[dict[str, Any]] = [{"type": "pointerMove", **place}]
        if type != "mouseMoved":
            steps.append({"type": {"mousePressed": "pointerDown", "mouseReleased": "pointerUp"}[type]})
            steps[-1]["button"] = _BUTTONS[button]
        self._act("pointer", "mouse", steps)

    def _act(self, kind: str, name: str, steps: list[dict[str, Any]]) -> None:
        self._order(
            "input.performActions", context=self._context, actions=[{"type": kind, "id": name, "actions": steps}]
        )

    def _order(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        _send(self._socket, json.dumps({"id": self._number, "method": method, "params": parameters}).encode())
        while (answer := self._next()).get("id") != self._number:
            entry = answer.get("params", {})
            if answer.get("method") == "log.entryAdded" and entry.get("level") == "error":
                self.errors.append(str(entry.get("text")))
        assert answer["type"] == "success", f"{method}: {answer.get('message')}"
        result: dict[str, Any] = answer["result"]
        return result

    def _next(self) -> dict[str, Any]:
        """The next message, of one or more frames of RFC 6455."""
        message, last = b"", False
        while not last:
            first, second = self._read(2)
            last, size = bool(first & 0x80), second & 0x7F
            if size > 125:
                size = int.from_bytes(self._read(2 if size == 126 else 8), "big")
            message += self._read(size)
        told: dict[str, Any] = json.loads(message)
        return told

    def _read(self, count: int) -> bytes:
        while len(self._left) < count:
            piece = self._socket.recv(1 << 20)
            assert piece, "firefox has ended"
            self._left += piece
        found, self._left = self._left[:count], self._left[count:]
        return found


def _port(log: Path) -> int:
    until_s = time.monotonic() + PATIENCE_S
    while not (found := re.search(r"BiDi listening on ws://127\.0\.0\.1:(\d+)", log.read_text(errors="replace"))):
        assert time.monotonic() < until_s, "firefox does not answer"
        time.sleep(0.1)
    return int(found[1])


def _web_socket(port: int) -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    key = base64.b64encode(os.urandom(16)).decode()
    opened.sendall(
        f"GET /session HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += opened.recv(1)
    assert b" 101 " in answer.split(b"\r\n")[0], answer
    return opened


def _send(opened: socket.socket, message: bytes) -> None:
    size = bytes([0x80 | len(message)]) if len(message) < 126 else (
        b"\xfe" + struct.pack("!H", len(message)) if len(message) < 1 << 16 else b"\xff" + struct.pack("!Q", len(message))
    )  # fmt: skip
    mask = os.urandom(4)
    opened.sendall(b"\x81" + size + mask + bytes(one ^ mask[at % 4] for at, one in enumerate(message)))


def _plain(value: dict[str, Any], known: dict[str, Any] | None = None) -> Any:
    """known: of what stands there a second time only the id comes."""
    known = {} if known is None else known
    kind, held, name = value["type"], value.get("value"), value.get("internalId", "")
    if held is None and name:
        return known[name]
    if kind == "array":
        held = known[name] = [_plain(one, known) for one in held]
    elif kind == "object":
        held = known[name] = {key: _plain(one, known) for key, one in held}
    elif kind == "number" and isinstance(held, str):
        held = _NUMBERS[held]
    return held
