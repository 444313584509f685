"""The studio with a real page in headless Chromium: how soon it is ready, how soon a click is seen, what a
page costs the run, and what pages that open and close leave behind.

    python benchmarks/studio.py                 # the first three, about four minutes
    python benchmarks/studio.py --churn 300     # 300 pages opened and closed: memory, threads, files

Server and browser share the processors that this program may use: `taskset -c 0,1` for two. The browser
computes on them whatever a graphics card would.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from nstfilter.parameters import PARAMETERS

VIEW = {"width": 1280, "height": 800}
# when the first picture was drawn; and from a click on, when the first one that differs from those before it
# at all, and the first one that differs by VISIBLE gray levels on average
VISIBLE = 4
WATCH = (
    f"const VISIBLE = {VISIBLE};"
    + """
window.drawn = [];
window.differs = window.visible = null;
const small = new OffscreenCanvas(64, 36).getContext("2d", { willReadFrequently: true });
const look = (canvas) => {
  small.drawImage(canvas, 0, 0, 64, 36);
  return small.getImageData(0, 0, 64, 36).data;
};
const apart = (one, other) => [...one].map((value, at) => Math.abs(value - other[at]));
const mean = (all) => all.reduce((sum, one) => sum + one, 0) / (0.75 * all.length); // a quarter is alpha
const most = (one, other) => one.reduce((most, value, at) => Math.max(most, Math.abs(value - other[at])), 0);
let canvas, before, clicked;
new MutationObserver(() => {
  canvas ??= document.querySelector("[data-testid=preview]");
  window.drawn.push(performance.now());
  if (!window.measuring) return;
  const now = look(canvas);
  const change = before ? most(now, before) : 0;
  if (clicked && !window.differs && change > window.noise + 1) window.differs = performance.now() - clicked;
  if (clicked && !window.visible && mean(apart(now, before)) >= VISIBLE)
    window.visible = performance.now() - clicked;
  if (!clicked) {
    window.noise = Math.max(window.noise ?? 0, change);
    before = now;
    window.seen++;
  }
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-number"] });
addEventListener("click", () => window.measuring && (clicked = performance.now()), true);
window.measure = () => {
  Object.assign(window, { measuring: true, seen: 0, noise: 0, differs: null, visible: null });
  before = clicked = null;
};
"""
)


class Studio:
    """`nstfilter studio` in a process of its own, at `address`, with `options`."""

    def __init__(self, folder: Path, *options: str) -> None:
        own = {f"NSTFILTER_{name}_DIR": str(folder / name) for name in ("STATE", "DATA", "CONFIG")}
        line = [sys.executable, "-m", "nstfilter", "studio", "--no-open", *options]
        self.process = subprocess.Popen(
            line, stdout=subprocess.PIPE, text=True, cwd=folder, env=os.environ | own
        )
        assert self.process.stdout
        self.address = self.process.stdout.readline().strip()
        base, _, token = self.address.partition("/?token=")
        self.api = httpx.Client(base_url=base, headers={"authorization": f"Bearer {token}"}, timeout=30)

    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.api.get("/api/state").json()["stats"]
        return stats

    def memory(self) -> tuple[float, int, int]:
        """MiB in memory, threads, open files."""
        there = Path("/proc", str(self.process.pid))
        pages = int((there / "statm").read_text().split()[1])
        return (
            pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
            len(os.listdir(there / "task")),
            len(os.listdir(there / "fd")),
        )

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


@contextlib.contextmanager
def studio(*options: str) -> Iterator[Studio]:
    with tempfile.TemporaryDirectory() as folder:
        one = Studio(Path(folder), *options)
        try:
            yield one
        finally:
            one.end()


@contextlib.contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """A page of a browser that nobody has used."""
    context = browser.new_context(viewport=VIEW)
    context.set_default_timeout(60_000)
    try:
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(address)
        wait_for(page, "window.drawn.length")
        yield page
    finally:
        context.close()


def wait_for(page: Page, expression: str) -> Any:
    """What `expression` gives in the page once that is true."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if found := page.evaluate(expression):
            return found
        time.sleep(0.02)
    raise TimeoutError(f"{expression} did not come true")


def ready(browser: Browser, rounds: int) -> dict[str, float]:
    """Milliseconds from the address to the first picture on the page."""
    with studio("--from", "demo:1280x720") as one:
        time.sleep(5)
        times = []
        for _ in range(rounds + 1):
            with opened(browser, one.address) as page:
                times.append(page.evaluate("window.drawn[0]"))
    return {"median_ms": statistics.median(times[1:]), "first_ms": times[0], "most_ms": max(times[1:])}


def click(browser: Browser, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds from a click on a style to the first picture on the page that differs, and to the first
    that visibly does; where styles change at once, and with the usual glide. The source is a still picture,
    so that only the click changes anything."""
    with tempfile.TemporaryDirectory() as folder, studio("--from", "demo:1280x720") as one:
        film = Path(folder, "still.mp4")
        picture = Path(folder, "still.png")
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (45, 80, 3), np.uint8)).resize(
            (1280, 720)
        ).save(picture)
        line = ["ffmpeg", "-loglevel", "error", "-loop", "1", "-r", "30", "-t", "2", "-i", str(picture)]
        subprocess.run([*line, "-pix_fmt", "yuv420p", "-qp", "10", "-g", "1", str(film)], check=True)
        one.api.patch("/api/values", json={"size": 288}).raise_for_status()  # another would change it too
        one.api.post(
            "/api/sources/send", params={"name": film.name}, content=film.read_bytes()
        ).raise_for_status()
        with opened(browser, one.address) as page:
            return {
                "at once": clicks(one, page, rounds, 0.0),
                "with a glide": clicks(one, page, rounds, PARAMETERS["glide"].default),
            }


def clicks(one: Studio, page: Page, rounds: int, glide: float) -> dict[str, float]:
    one.api.patch("/api/values", json={"glide": glide}).raise_for_status()
    times, visible, noise = [], [], []
    for number in range(rounds):
        style = ("wave", "mosaic", "watercolor", "starry")[number % 4]
        tile = page.get_by_test_id(f"style-{style}")
        tile.scroll_into_view_if_needed()
        time.sleep(2)
        page.evaluate("window.measure()")
        time.sleep(0.7)
        wait_for(page, "window.seen > 2")
        tile.click()
        visible.append(wait_for(page, "window.visible"))
        times.append(page.evaluate("window.differs"))
        noise.append(page.evaluate("window.noise"))
    return {
        "median_ms": statistics.median(times),
        "most_ms": max(times),
        "visible_median_ms": statistics.median(visible),
        "visible_most_ms": max(visible),
        "noise_in_gray_levels": max(noise),
    }


def cost(browser: Browser, seconds: float, rounds: int) -> dict[str, Any]:
    """New pictures a second at 1280x720 and 30 a second without a page and with one, by turns; the governor
    chooses the size, and then with the size it chose without a page."""
    result: dict[str, Any] = {}
    with studio("--from", "demo:1280x720") as one:

        def rate() -> tuple[float, int]:
            time.sleep(6)  # until the governor and the thumbnails have settled
            before, begun = one.stats(), time.monotonic()
            time.sleep(seconds)
            after = one.stats()
            return (after["shown"] - before["shown"]) / (time.monotonic() - begun), after["size"]

        with opened(browser, one.address):
            time.sleep(60)  # every thumbnail is painted once
        for name in ("governed", "at a fixed size"):
            alone, beside, sizes = [], [], []
            for _ in range(rounds):
                alone.append(rate())
                with opened(browser, one.address) as page:
                    count = page.evaluate("window.drawn.length")
                    beside.append(rate())
                    sizes.append((page.evaluate("window.drawn.length") - count) / (seconds + 6))
            ratios = [there[0] / without[0] for there, without in zip(beside, alone, strict=True)]
            result[name] = {
                "without_a_page": statistics.median(one[0] for one in alone),
                "with_a_page": statistics.median(one[0] for one in beside),
                "lost": 1 - statistics.median(ratios),
                "sizes_without": [one[1] for one in alone],
                "sizes_with": [one[1] for one in beside],
                "drawn_in_the_page": statistics.median(sizes),
            }
            one.api.patch("/api/values", json={"size": statistics.mode(size for _, size in alone)})
    return result


def churn(browser: Browser, pages: int) -> dict[str, Any]:
    """Pages opened until they show a picture, and closed; each time a program reads the stream as well."""
    with studio("--from", "demo:640x360") as one:
        used = []
        for number in range(pages):
            with opened(browser, one.address), one.api.stream("GET", "/stream.mjpg") as stream:
                next(stream.iter_bytes())
            if number % 10 == 9:
                used.append((number + 1, *one.memory()))
                print(f"{used[-1][0]} pages: {used[-1][1]:.0f} MiB", file=sys.stderr)
        time.sleep(3)
        end = one.memory()
    later = np.array(used[len(used) // 3 :])
    return {
        "pages": pages,
        "memory_mib": [round(later[0][1], 1), round(end[0], 1)],
        "growth_per_page_kib": float(1024 * np.polyfit(later[:, 0], later[:, 1], 1)[0]),
        "threads": [int(used[0][2]), end[1]],
        "open_files": [int(used[0][3]), end[2]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--churn", type=int, metavar="PAGES")
    parser.add_argument("--only", choices=("ready", "click", "cost"))
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        if arguments.churn:
            figures = {"churn": churn(browser, arguments.churn)}
        else:
            tasks = {
                "ready": lambda: ready(browser, 3 * arguments.rounds),
                "click": lambda: click(browser, 4 * arguments.rounds),
                "cost": lambda: cost(browser, arguments.seconds, arguments.rounds),
            }
            figures = {name: task() for name, task in tasks.items() if arguments.only in (None, name)}
        browser.close()
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
