"""The pictures of docs/studio.md: screenshots of the running studio, with the demo as its camera.

python docs/studio_pictures.py    # about three minutes; needs playwright, Chromium, and an idle machine
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

PICTURES = Path(__file__).parent / "pictures"
PRESETS = (("Calm morning", "watercolor"), ("Big wave", "wave"), ("Night", "starry"), ("Print", "linocut"))
# seconds that every thumbnail may take to be painted on the current picture, and that the run may take to be
# as fast as it gets: so many pictures a second are enough
SETTLE, FAST = 90, 24


def main() -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder:
        own = {f"NSTFILTER_{name}_DIR": folder for name in ("STATE", "DATA", "CONFIG")}
        line = [sys.executable, "-m", "nstfilter", "studio", "--from", "demo", "--no-open", "-s", "starry"]
        studio = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=folder, env=os.environ | own)
        assert studio.stdout
        address = studio.stdout.readline().strip()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                desktop(browser, address)
                phone(browser, address)
                browser.close()
        finally:
            studio.send_signal(signal.SIGINT)
            studio.wait(30)


def opened(browser: Browser, address: str, **options: Any) -> Page:
    page = browser.new_context(**options).new_page()
    page.goto(address)
    page.wait_for_selector("[data-testid=preview][data-number]")
    return page


def wait(page: Page, expression: str) -> None:
    """Until `expression` is true in the page, or SETTLE seconds."""
    until = time.monotonic() + SETTLE
    while time.monotonic() < until and not page.evaluate(expression):
        time.sleep(0.5)


def settle(page: Page) -> None:
    """Until the run is fast, for three looks one after the other, and messages are gone."""
    page.evaluate("window.fast = 0")
    rate = "Number.parseFloat(document.querySelector('[data-testid=stats]').textContent)"
    wait(page, f"(window.fast = {rate} >= {FAST} ? window.fast + 1 : 0) > 2")
    wait(page, "!document.querySelector('.toast')")


def desktop(browser: Browser, address: str) -> None:
    page = opened(browser, address, viewport={"width": 1440, "height": 900}, color_scheme="dark")
    base = address.partition("/?")[0]
    for slot, (name, style) in enumerate(PRESETS, 1):
        page.request.patch(f"{base}/api/values", data={"style": style})
        page.request.post(f"{base}/api/presets", data={"name": name, "slot": slot})
    page.get_by_test_id("style-starry").click()
    wait(page, "[...document.querySelectorAll('.tiles img')].every((one) => !one.src.endsWith('-0'))")
    for image in page.locator(".tiles img").all():  # those below are loaded as they come into view
        image.scroll_into_view_if_needed()
    page.get_by_test_id("upload").scroll_into_view_if_needed()
    page.get_by_test_id("show-split").click()
    settle(page)
    keep(page, "studio.jpg")
    page.get_by_test_id("show-painted").click()
    page.emulate_media(color_scheme="light")
    for name in ("wave", "ember"):
        page.get_by_test_id(f"style-{name}").scroll_into_view_if_needed()
        page.get_by_test_id(f"style-{name}").hover()
        page.get_by_test_id(f"mix-{name}").click()
        page.get_by_test_id("tab-styles").click()
    page.get_by_test_id("tab-mix").click()
    page.get_by_test_id("puck").press("ArrowUp")
    page.evaluate("document.querySelector('.panels').scrollTop = 0")
    page.mouse.move(5, 5)
    settle(page)
    keep(page, "studio-mix.jpg")
    page.context.close()


def phone(browser: Browser, address: str) -> None:
    size = {"width": 390, "height": 844}
    pictures = []
    for tab, scheme in (("styles", "dark"), ("dials", "light")):
        page = opened(
            browser, address, viewport=size, color_scheme=scheme, device_scale_factor=2, has_touch=True
        )
        page.get_by_test_id(f"tab-{tab}").click()
        settle(page)
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            page.screenshot(path=file.name)
            pictures.append(Image.open(file.name).convert("RGB"))
        page.context.close()
    gap = 48
    both = Image.new("RGB", (2 * pictures[0].width + gap, pictures[0].height), "white")
    both.paste(pictures[0], (0, 0))
    both.paste(pictures[1], (pictures[0].width + gap, 0))
    both.resize((both.width // 2, both.height // 2), Image.Resampling.LANCZOS).save(
        PICTURES / "studio-phone.jpg", quality=88
    )


def keep(page: Page, name: str) -> None:
    page.screenshot(path=PICTURES / name, type="jpeg", quality=86)


if __name__ == "__main__":
    main()
