"""A headless Chromium, driven by the WebDriver protocol (W3C) and nothing else."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

PATIENCE_SECS = 60.0
POLL_SECS = 0.05

# Chromium looks for the outside world by itself; here there is none.
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb"]


def is_here() -> bool:
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Browser:
    """One window; it is closed, and its program ended, by `quit`."""

    def __init__(self, folder: Path):
        self.port = free_port()
        # No proxy of the user's may play a part.
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"}
        with (folder / "chromedriver.log").open("wb") as log:
            self.driver = subprocess.Popen(
                ["chromedriver", f"--port={self.port}"], env=environment, cwd=folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.base = f"http://127.0.0.1:{self.port}"
        try:
            self._await_driver()
            capabilities = {
                "browserName": "chrome",
                "goog:chromeOptions": {
                    "binary": shutil.which("chromium"),
                    "args": [*FLAGS, f"--user-data-dir={folder}/profile"]},
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
            session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
            self.base += f"/session/{session['sessionId']}"
        except BaseException:
            self.kill()
            raise

    def _await_driver(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECS
        while True:
            try:
                if self._ask("GET", "/status")["ready"]:
                    return
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline or self.driver.poll() is not None:
                    raise
            time.sleep(POLL_SECS)

    def _ask(self, method: str, path: str, body: dict | None = None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data, method=method, headers={
            "Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=PATIENCE_SECS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.read().decode()[:500]}") from None

    def visit(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    def run(self, script: str):
        """What a function with this body returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": []})

    def eventually(self, script: str, secs_max: float = PATIENCE_SECS):
        """What the script returns as soon as that is something."""
        deadline = time.monotonic() + secs_max
        while True:
            found = self.run(script)
            if found:
                return found
            assert time.monotonic() < deadline, f"never: {script}"
            time.sleep(POLL_SECS)

    def press(self, key: str) -> None:
        keys = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "k", "actions": keys}]})

    def emulate(self, width: int, dark: bool) -> None:
        """A screen of that width, for people who like it dark or light."""
        self.devtools("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})
        scheme = "dark" if dark else "light"
        self.devtools("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def devtools(self, command: str, parameters: dict):
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, path: Path) -> None:
        shot = self.devtools("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """What the console says of errors and warnings."""
        entries = self._ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def requested(self) -> list[str]:
        """The URLs that were asked for since this was called last."""
        urls = []
        for entry in self._ask("POST", "/se/log", {"type": "performance"}):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                urls.append(message["params"]["request"]["url"])
        return urls

    def quit(self) -> None:
        try:
            self._ask("DELETE", "")
        finally:
            self.kill()

    def kill(self) -> None:
        try:
            os.killpg(self.driver.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.driver.wait()
