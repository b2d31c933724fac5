#!/usr/bin/python3
"""What operators see: the metrics as Prometheus reads them, and the page in a real browser.

usage: run.py [--binary PROGRAM] [--screenshots FOLDER] [unittest's options]
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse
import urllib.request
from pathlib import Path

import browser

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))
from process import Process  # noqa: E402

PATIENCE_SECS = 60.0
POLL_SECS = 0.05
TORRENTS, PEERS = 20, 3
options = argparse.Namespace()


def get(url: str) -> tuple[str, str]:
    """The content type and the body."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=PATIENCE_SECS) as answer:
        return answer.headers["Content-Type"], answer.read().decode(errors="replace")


def eventually(what, secs_max: float = PATIENCE_SECS):
    """What `what` says as soon as that is something."""
    deadline = time.monotonic() + secs_max
    while True:
        try:
            found = what()
        except (OSError, ValueError):
            found = None
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} never came true")
        time.sleep(POLL_SECS)


class Tracker:
    """A tracker with some swarms in it."""

    def __init__(self, folder: Path, *arguments: str):
        self.port = browser.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [options.binary, "--listen.tcp_udp", f"127.0.0.1:{self.port}", "--workers", "2"]
        self.process = Process([*command, *arguments], folder, folder / "tracker.log")
        eventually(lambda: "ready:" in (folder / "tracker.log").read_text())

    def announce(self, torrent: int, peer: int) -> None:
        hash_ = urllib.parse.quote_from_bytes(bytes([torrent]) * 20)
        left = peer % 2
        get(f"{self.url}/announce?info_hash={hash_}&port={1000 + peer}&left={left}")

    def fill(self) -> None:
        for torrent in range(TORRENTS):
            for peer in range(PEERS):
                self.announce(torrent, peer)


class Load:
    """Announces by UDP, some hundred a second, until the end of the block."""

    def __init__(self, port: int):
        self.address = ("127.0.0.1", port)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(5)
            udp.connect(self.address)
            udp.send(struct.pack(">QII", 0x41727101980, 0, 1))
            connection = udp.recv(64)[8:16]
            while not self.over.wait(0.004):
                udp.send(connection + struct.pack(
                    ">II20s20sQQQIIIiH", 1, 2, bytes([1]) * 20, b"-TR3000-000000000000",
                    0, 1, 0, 0, 0, 7, 10, 2000))
                udp.recv(2048)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class WithTracker(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.tracker = Tracker(self.folder)
        self.addCleanup(self.tracker.process.kill)
        self.tracker.fill()


class Metrics(WithTracker):
    @unittest.skipUnless(shutil.which("promtool"), "there is no promtool")
    def test_promtool_has_nothing_to_say(self):
        content_type, text = get(f"{self.tracker.url}/metrics")
        self.assertEqual(content_type, "text/plain; version=0.0.4; charset=utf-8")
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
        self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, "", ""))

    def test_counters_go_on_after_they_were_read(self):
        def announces() -> int:
            _, text = get(f"{self.tracker.url}/metrics")
            line = 'trackerd_announces_total{protocol="http",family="ipv4"} '
            return next(int(row[len(line):]) for row in text.splitlines() if row.startswith(line))
        self.assertEqual(announces(), TORRENTS * PEERS)
        self.assertEqual(announces(), TORRENTS * PEERS)
        self.tracker.announce(0, 0)
        self.assertEqual(announces(), TORRENTS * PEERS + 1)

    @unittest.skipUnless(shutil.which("prometheus"), "there is no prometheus")
    def test_prometheus_reads_them(self):
        port = browser.free_port()
        configuration = self.folder / "prometheus.yml"
        configuration.write_text(
            "global: {scrape_interval: 1s}\n"
            "scrape_configs:\n"
            "- job_name: trackerd\n"
            "  static_configs:\n"
            f"  - targets: ['127.0.0.1:{self.tracker.port}']\n")
        prometheus = Process(
            ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={self.folder}/db",
             f"--web.listen-address=127.0.0.1:{port}"], self.folder, self.folder / "prometheus.log")
        self.addCleanup(prometheus.kill)

        def value(query: str) -> list[str]:
            escaped = urllib.parse.quote(query)
            _, text = get(f"http://127.0.0.1:{port}/api/v1/query?query={escaped}")
            return [one["value"][1] for one in json.loads(text)["data"]["result"]]
        eventually(lambda: value("trackerd_torrents") == [str(TORRENTS)])
        self.assertEqual(value("up"), ["1"])
        self.assertEqual(value("sum(trackerd_peers)"), [str(TORRENTS * PEERS)])
        self.assertEqual(len(value("trackerd_worker_cpu_seconds_total")), 2)

    def test_every_metric_of_the_grafana_dashboard_is_there(self):
        board = json.loads((HERE.parents[1] / "scripts/grafana/trackerd.json").read_text())
        _, text = get(f"{self.tracker.url}/metrics")
        told = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
        asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
        self.assertTrue(asked)
        for expression in asked:
            names = {word for word in expression.replace("(", " ").replace("[", " ").replace(
                "{", " ").replace(")", " ").split() if word.startswith(("trackerd_", "process_"))}
            self.assertTrue(names, expression)
            self.assertLessEqual(names, told, expression)


@unittest.skipUnless(browser.is_here(), "there is no chromium with its driver")
class Page(WithTracker):
    def setUp(self):
        super().setUp()
        self.url = f"{self.tracker.url}/stats?mode=dashboard"
        self.browser = browser.Browser(self.folder)
        self.addCleanup(self.browser.quit)

    def test_it_loads_by_itself_and_moves_under_load(self):
        see = self.browser
        see.visit(self.url)
        text = "document.getElementById('{}').textContent"
        see.eventually(f"return {text.format('torrents')} === '{TORRENTS}'")
        peers = see.run(f"return +{text.format('seeders')} + +{text.format('leechers')}")
        self.assertEqual(peers, TORRENTS * PEERS)
        rate = f"(parseFloat({text.format('requests')}) || 0)"
        # What it asks itself is some requests a second.
        see.eventually(f"return {text.format('requests')} !== '–'")
        before = see.run(f"return {rate}")
        with Load(self.tracker.port):
            see.eventually(f"return {rate} > {before + 20}")
            self.assertIn("UDP IPv4", see.run(f"return {text.format('requests')}"))
        # The history has a first point after half a minute.
        see.eventually("return document.querySelectorAll('#c-req polyline[points*=\",\"]').length",
                       secs_max=120)
        see.eventually("return document.querySelectorAll('#top tr').length === 10", secs_max=120)
        self.assertEqual(see.run("return document.querySelectorAll('#workers tr').length"), 2)
        for width, dark in [(360, False), (820, True), (1400, False)]:
            see.emulate(width, dark)
            see.eventually(f"return innerWidth === {width}")
            overflow = see.run("return document.documentElement.scrollWidth - innerWidth")
            self.assertLessEqual(overflow, 0, f"sideways scrolling at {width}")
            if options.screenshots:
                options.screenshots.mkdir(parents=True, exist_ok=True)
                see.eventually("return document.querySelectorAll('#c-req svg').length")
                see.screenshot(options.screenshots / f"dashboard-{width}.png")
        outside = [url for url in see.requested()
                   if not url.startswith((self.tracker.url, "data:", "chrome"))]
        self.assertEqual(outside, [])
        self.assertEqual(see.complaints(), [])

    def test_everything_has_a_name_and_the_keyboard_will_do(self):
        see = self.browser
        see.visit(self.url)
        see.eventually("return document.querySelectorAll('#counts tr').length")
        nameless = see.run("""
            const name = (n) => n.getAttribute('aria-label') || n.textContent.trim()
                || document.getElementById(n.getAttribute('aria-labelledby'))?.textContent;
            return [...document.querySelectorAll('section, button, svg[role=img], th, dl')]
                .filter((n) => !name(n)).map((n) => n.outerHTML)""")
        self.assertEqual(nameless, [])
        self.assertEqual(see.run("return document.documentElement.lang"), "en")
        see.press("\ue004")
        self.assertEqual(see.run("return document.activeElement.id"), "pause")
        see.press(" ")
        self.assertEqual(
            see.run("return document.getElementById('pause').getAttribute('aria-pressed')"), "true")
        for dark in (False, True):
            see.emulate(820, dark)
            self.assertGreaterEqual(see.run(CONTRAST), 4.5, f"dark: {dark}")


# The least contrast (WCAG 2.1) of text and lines with what they stand on.
CONTRAST = """
    const style = getComputedStyle(document.documentElement);
    const light = (name) => {
        let hex = style.getPropertyValue(name).trim().slice(1);
        if (hex.length === 3) hex = [...hex].map((d) => d + d).join('');
        const parts = [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);
        const linear = parts.map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const contrast = (a, b) => {
        const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
        return (x + 0.05) / (y + 0.05);
    };
    const front = ['--text', '--dim', '--a', '--b', '--c', '--d', '--bad'];
    return Math.min(...['--page', '--card'].flatMap((back) => front.map((f) => contrast(f, back))));
"""


class Readers(unittest.TestCase):
    def test_who_may_not_read_the_statistics_sees_nothing_of_it(self):
        with tempfile.TemporaryDirectory() as folder:
            tracker = Tracker(Path(folder), "--access.stats", "192.0.2.1")
            self.addCleanup(tracker.process.kill)
            for path in ("metrics", "stats?mode=dashboard", "stats?mode=json", "stats?mode=history"):
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    get(f"{tracker.url}/{path}")
                self.assertEqual(refused.exception.code, 403, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=str(HERE.parents[1] / "target/release/trackerd"))
    parser.add_argument("--screenshots", type=Path)
    options, rest = parser.parse_known_args()
    options.binary = str(Path(options.binary).resolve())
    unittest.main(argv=[sys.argv[0], *rest])
