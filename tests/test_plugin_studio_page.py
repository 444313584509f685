"""The panel's page in a real browser: what is clicked is seen in the page and by the sinks."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import time

import numpy as np
import pytest
from PIL import Image
from studio_run import PATIENCE, prepare, studio_run, wait_for

from nstfilter.manager import open_sink
from nstfilter.pipeline import run as render
from nstfilter.testing import MemorySource

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def folders(tmp_path, own_packs_only, make_pack, site, monkeypatch, patient):
    prepare(tmp_path, make_pack, site, monkeypatch)


@pytest.fixture
def run(folders):
    with studio_run() as running:
        yield running


@pytest.fixture
def open_page(browser, run):
    """Opens the panel in a browser that nobody has used; what its console says is an error of the test."""
    contexts, said = [], []

    def open_page(size="desktop", address=None):
        context = browser.new_context(viewport=SIZES[size], has_touch=size == "phone", accept_downloads=True)
        context.set_default_timeout(1000 * PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "console",
            lambda message: (
                said.append(message.text)
                if message.type == "error" and not re.search("ERR_CONNECTION|status of 400", message.text)
                else None
            ),
        )
        page.goto(address or run.address)
        page.wait_for_selector("[data-testid=preview][data-number]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def color(page):
    """The mean color of the picture in the page, as red, green and blue."""
    return np.array(
        page.evaluate(
            """() => {
                const canvas = document.querySelector("[data-testid=preview]");
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                const sum = [0, 0, 0];
                for (let i = 0; i < data.length; i += 4) for (let c = 0; c < 3; c++) sum[c] += data[i + c];
                return sum.map((one) => (4 * one) / data.length);
            }"""
        )
    )


def focused(page):
    """What the keyboard has come to."""
    return page.evaluate("document.activeElement.dataset.testid")


def photo(color=(30, 200, 10)):
    data = io.BytesIO()
    Image.new("RGB", (60, 40), color).save(data, "PNG")
    return data.getvalue()


def test_a_click_on_a_style_changes_the_picture_in_the_page_and_what_others_see(open_page, run):
    page = open_page()
    assert page.title() == "nstfilter studio"
    assert run.token not in page.url  # nor in the history
    before = color(page)
    out = run.out.latest.mean((0, 1))
    page.get_by_test_id("style-coal").click()  # bluer by 80, of which half is seen
    wait_for(lambda: color(page)[2] - before[2] > 30)
    wait_for(lambda: run.out.latest.mean((0, 1))[0] - out[0] > 30)
    wait_for(lambda: page.get_by_test_id("style-coal").get_attribute("aria-pressed") == "true")
    wait_for(lambda: page.get_by_test_id("look").text_content() == "Coal")


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_every_control_of_the_stage_does_what_it_says(open_page, run, size, tmp_path):
    page, controls = open_page(size), run.session.controls
    page.get_by_test_id("card").click()
    wait_for(lambda: controls.card_shown and run.out.latest.mean() < 80)
    page.get_by_text("Others see the card").wait_for()
    assert color(page).mean() > 80  # the painting behind it
    assert page.get_by_test_id("card").get_attribute("aria-pressed") == "true"
    page.get_by_test_id("card").click()
    wait_for(lambda: not controls.card_shown)
    page.get_by_test_id("plain").click()
    wait_for(lambda: controls.plain)
    page.get_by_text("Plain video is going out").wait_for()
    page.get_by_test_id("plain").click()
    page.get_by_test_id("snapshot").click()
    wait_for(lambda: list(tmp_path.glob("*.png")))
    page.get_by_test_id("record").click()
    page.get_by_test_id("recording").wait_for()
    shown = run.out.count
    wait_for(lambda: run.out.count > shown + 15)
    page.get_by_test_id("record").click()
    wait_for(lambda: list(tmp_path.glob("*.mp4")))
    page.get_by_test_id("show-plain").click()
    wait_for(lambda: abs(color(page) - run.session.controls.plain_frame.mean()).max() < 6)
    page.get_by_test_id("show-split").click()
    line = page.get_by_test_id("split")
    line.focus()
    page.keyboard.press("End")
    assert line.get_attribute("aria-valuenow") == "100"
    page.get_by_test_id("show-painted").click()
    assert line.is_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_every_dial_turns_is_typed_and_goes_back(open_page, run, size):
    page, controls = open_page(size), run.session.controls
    if size == "phone":
        page.get_by_test_id("tab-dials").click()
    assert page.get_by_test_id("fit").is_hidden()  # what few need is behind a button
    page.get_by_test_id("more-dials").click()
    for parameter in run.panel.studio.parameters():
        name, kind = parameter["name"], parameter["type"]
        if name == "style":
            continue
        control = page.get_by_test_id(name)
        assert control.is_visible(), name
        if kind == "bool":
            control.click()
            wait_for(lambda name=name: controls.get(name) is True)
            continue
        if parameter["choices"] or kind == "str":
            control.select_option(index=1)
            wait_for(lambda name=name, parameter=parameter: controls.get(name) != parameter["default"])
            control.select_option(index=0)
            wait_for(lambda name=name, parameter=parameter: controls.get(name) == parameter["default"])
            continue
        before = controls.get(name)
        control.focus()
        page.keyboard.press("ArrowRight" if before in (None, parameter["minimum"]) else "ArrowLeft")
        wait_for(lambda name=name, before=before: controls.get(name) != before)
        number = page.get_by_test_id(f"{name}-number")
        number.fill("400" if name == "size" else "0.3" if parameter["unit"] else "15 %")
        number.press("Enter")
        wait_for(lambda name=name: controls.get(name) in (400, 0.3, 0.15))
        control.dblclick()
        wait_for(lambda name=name, parameter=parameter: controls.get(name) == parameter["default"])
    page.get_by_test_id("more-dials").click()
    page.get_by_test_id("fit").wait_for(state="hidden")
    controls.set("fit", "fill")
    page.get_by_role("button", name="More 1").wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_styles_are_mixed_on_the_pad(open_page, run, size):
    page, controls = open_page(size), run.session.controls
    page.get_by_test_id("style-coal").hover()
    page.get_by_test_id("mix-coal").click()
    wait_for(lambda: controls.get("style") == "mine/ruby:0.5+mine/coal:0.5")
    assert page.get_by_test_id("mix-pad").is_visible()
    puck = page.get_by_test_id("puck")
    puck.focus()
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
    wait_for(lambda: controls.get("style") == "mine/coal")
    box = page.get_by_test_id("mix-pad").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.32, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    wait_for(lambda: re.fullmatch(r"mine/ruby:0.7\d*\+mine/coal:0.2\d*", controls.get("style")))


@pytest.mark.slow
def test_a_picture_is_a_style_at_once_whether_chosen_or_dropped_or_pasted(open_page, run):
    page, controls = open_page(), run.session.controls
    page.get_by_test_id("drop").set_input_files(
        [{"name": "my garden.png", "mimeType": "image/png", "buffer": photo()}]
    )
    page.get_by_test_id("style-my garden").wait_for()
    wait_for(lambda: "my garden" in controls.get("style"))
    page.get_by_test_id("drop").set_input_files(
        [{"name": "again.png", "mimeType": "image/png", "buffer": photo()}]
    )
    page.get_by_test_id("style-again").wait_for()
    wait_for(lambda: "again" in controls.get("style"))
    page.evaluate(
        """([kind, bytes]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], kind + ".png", { type: "image/png" }));
            const event = kind === "dropped"
                ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
            document.body.dispatchEvent(event);
        }""",
        ["dropped", list(photo((200, 20, 90)))],
    )
    page.get_by_test_id("style-dropped").wait_for()
    page.get_by_test_id("drop").set_input_files(
        [{"name": "bad.png", "mimeType": "image/png", "buffer": b"nothing"}]
    )
    page.get_by_text("bad.png: this is not a picture").wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_looks_are_kept_under_keys(open_page, run, size):
    page, controls = open_page(size), run.session.controls
    if size == "phone":
        page.get_by_test_id("tab-dials").click()
    page.get_by_test_id("preset-1").click()
    page.get_by_text("Kept as preset 1: Ruby").wait_for()
    controls.set("style", "coal")
    controls.set("strength", 0.5)
    page.get_by_label("Keep this look as preset 2").click()
    page.get_by_label("Preset 2 Coal").wait_for()
    page.get_by_label("Preset 1 Ruby").click()
    wait_for(lambda: (controls.get("style"), controls.get("strength")) == ("mine/ruby", 1.0))
    page.keyboard.press("2")
    wait_for(lambda: (controls.get("style"), controls.get("strength")) == ("mine/coal", 0.5))
    page.get_by_label("Preset 2 Coal").hover()
    page.get_by_test_id("preset-2-more").click()
    page.get_by_test_id("preset-name").fill("Night")
    page.get_by_test_id("preset-done").click()
    page.get_by_label("Preset 2 Night").wait_for()
    page.get_by_test_id("import-preset").set_input_files(
        [
            {
                "name": "x.toml",
                "mimeType": "text/plain",
                "buffer": b'name = "Mine"\n[values]\nstrength = 0.25\n',
            }
        ]
    )
    page.get_by_label("Preset 3 Mine").click()
    wait_for(lambda: controls.get("strength") == 0.25)
    page.get_by_label("Preset 3 Mine").hover()
    page.get_by_test_id("preset-3-more").click()
    page.get_by_test_id("preset-delete").click()
    page.get_by_label("Keep this look as preset 3").wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_files_are_painted_compared_and_downloaded(open_page, run, size):
    page = open_page(size)
    page.get_by_test_id("tab-files").click()
    page.get_by_test_id("paint-files").set_input_files(
        [
            {"name": "garden.png", "mimeType": "image/png", "buffer": photo()},
            {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"words"},
        ]
    )
    page.get_by_text("notes.txt is no picture or video").wait_for()
    page.get_by_test_id("compare-garden.png").click()
    line = page.get_by_test_id("compare-line")
    line.fill("20")
    wait_for(
        lambda: page.evaluate(
            "[...document.querySelectorAll('.pair img')].every((one) => one.naturalWidth === 60)"
        )
    )
    page.get_by_role("dialog", name="Before and after").get_by_text("Close").click()
    page.get_by_test_id("remove-garden.png").focus()
    page.evaluate("document.activeElement.mark = 'the same'")
    page.get_by_test_id("paint-files").set_input_files(
        [{"name": "lake.png", "mimeType": "image/png", "buffer": photo()}]
    )
    page.get_by_test_id("compare-lake.png").wait_for()
    assert page.evaluate("document.activeElement.mark") == "the same"
    with page.expect_download() as download:
        page.get_by_test_id("result-garden.png").click()
    assert download.value.suggested_filename == "garden-Ruby.png"
    page.get_by_test_id("remove-garden.png").click()
    page.get_by_test_id("render-garden.png").wait_for(state="detached")


@pytest.mark.slow
def test_a_file_that_waits_to_be_sent_leaves_the_list_when_it_is_cancelled(open_page, run):
    page, held = open_page(), []

    def hold(route):
        held.append(route)

    page.route("**/api/renders?*", hold)
    page.get_by_test_id("tab-files").click()
    names = ["one.png", "two.png"]
    page.get_by_test_id("paint-files").set_input_files(
        [{"name": name, "mimeType": "image/png", "buffer": photo()} for name in names]
    )
    wait_for(lambda: page.wait_for_timeout(10) or held)  # Playwright tells of requests only while it is asked
    page.get_by_label("Do not send two.png").press("Enter")
    assert page.get_by_label("Do not send two.png").count() == 0
    page.wait_for_function("document.activeElement.ariaLabel === 'Do not send one.png'")
    held.pop().continue_()
    page.get_by_test_id("render-one.png").wait_for()
    assert not held


@pytest.mark.slow
def test_what_has_not_changed_in_a_list_stays_under_a_press_and_the_keyboard(open_page):
    page = open_page()
    page.evaluate(
        """async () => {
            const { h, refill } = await import("/page/dom.js");
            window.list = document.body.appendChild(h("div"));
            Object.assign(list.style, { position: "fixed", top: 0, left: 0, zIndex: 99 });
            window.clicks = [];
            const click = (name) => () => clicks.push(name);
            const one = (name) => h("button", { "data-testid": name, onclick: click(name) }, name);
            window.draw = (...names) => refill(list, ...names.map(one));
            draw("first", "second", "third");
        }"""
    )
    second = page.get_by_test_id("second").element_handle()
    second.hover()
    page.mouse.down()
    for names in (["first", "second", "third"], ["fresh", "second"], ["fresh", "second", "last"]):
        page.evaluate("(names) => draw(...names)", names)
    page.mouse.up()
    assert page.evaluate("clicks") == ["second"]
    assert page.evaluate("(second) => document.activeElement === second", second)
    page.evaluate("draw('last', 'second', 'second', 'fresh')")
    names = page.evaluate("[...list.children].map((one) => one.textContent)")
    assert names == ["last", "second", "second", "fresh"]
    assert focused(page) == "second"


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_setup_shows_outputs_addresses_and_what_works_here(open_page, run, size):
    page = open_page(size)
    page.get_by_test_id("tab-setup").click()
    page.get_by_test_id("output-virtualcam").wait_for()
    page.get_by_test_id("source-demo").press("Enter")
    wait_for(lambda: run.session.source == "demo")
    page.get_by_test_id("connection").get_by_text("demo").wait_for()
    page.locator("[data-testid=source-demo][aria-pressed=true]").wait_for()
    assert focused(page) == "source-demo"
    page.get_by_text("nstfilter studio --host 0.0.0.0").wait_for()
    assert run.token not in page.content()  # the page may be on a screen that others see
    page.get_by_text("Every address").click()
    cell = page.locator("[data-value=strength]")
    assert cell.text_content() == "1"
    run.session.controls.set("strength", 0.5)
    wait_for(lambda: cell.text_content() == "0.5")
    page.get_by_test_id("doctor").click()
    page.get_by_test_id("checks").get_by_text("Python", exact=True).wait_for()


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_a_video_is_sent_and_seen_through(open_page, run, size, tmp_path):
    film = tmp_path / "film.mp4"
    images = [np.full((180, 320, 3), (220, 20, 20), np.uint8)] * 20
    render(MemorySource(images), lambda image: image, open_sink(film))
    page = open_page(size)
    page.get_by_test_id("tab-setup").click()
    page.get_by_test_id("source-file").set_input_files(
        [{"name": "holiday.mp4", "mimeType": "video/mp4", "buffer": film.read_bytes()}]
    )
    page.locator("[data-testid='source-file:holiday.mp4'][aria-pressed=true]").wait_for()
    wait_for(lambda: color(page)[2] > color(page)[1] + 40)
    page.get_by_test_id("source-camera").click()
    page.locator("[data-testid=source-camera][aria-pressed=true]").wait_for()
    page.get_by_test_id("source-file").set_input_files(
        [{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"words"}]
    )
    page.get_by_text("notes.txt is no video that can be read").wait_for()
    page.get_by_test_id("source-file:holiday.mp4").press("Enter")
    page.locator("[data-testid='source-file:holiday.mp4'][aria-pressed=true]").wait_for()
    page.get_by_test_id("source-camera").press("Enter")
    page.locator("[data-testid=source-camera][aria-pressed=true]").wait_for()
    page.get_by_test_id("delete-file:holiday.mp4").click()
    page.get_by_test_id("source-file:holiday.mp4").wait_for(state="detached")
    assert not list(tmp_path.rglob("holiday.mp4"))


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_a_recording_comes_with_that_of_the_plain_camera(open_page, run, size, tmp_path):
    page = open_page(size)
    page.get_by_test_id("tab-setup").click()
    page.get_by_test_id("output-plain").press("Enter")
    page.locator("[data-testid=output-plain][aria-checked=true]").wait_for()
    assert focused(page) == "output-plain"
    page.get_by_test_id("record").click()
    page.get_by_test_id("recording").get_by_text("and the plain camera").wait_for()
    shown = run.out.count
    wait_for(lambda: run.out.count > shown + 15)
    page.get_by_test_id("record").click()
    wait_for(lambda: len(run.session.recordings.files) == 2)
    assert len(list(tmp_path.glob("*-plain.mp4"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_only_the_user_sees_it_as_in_a_mirror(open_page, run, size):
    half = np.zeros((180, 320, 3), np.uint8)
    half[:, :160] = 200
    run.session.open_source = lambda target: MemorySource([half] * 100_000)
    run.session.controls.set("strength", 0.0)
    run.session.switch_source("halves")
    page = open_page(size)

    def left():
        canvas = page.get_by_test_id("preview")
        return canvas.evaluate("(one) => one.getContext('2d').getImageData(9, 9, 1, 1).data[0]")

    wait_for(lambda: left() > 150)
    page.get_by_test_id("mirror-view").click()
    wait_for(lambda: left() < 50)
    assert run.out.latest[9, 9, 0] > 150
    page.reload()  # this browser remembers
    page.wait_for_selector("[data-testid=preview][data-number]")
    wait_for(lambda: left() < 50)
    page.get_by_test_id("show-split").click()
    page.get_by_test_id("split").focus()
    page.keyboard.press("End")
    wait_for(lambda: left() < 50)
    page.get_by_test_id("mirror-view").click()
    wait_for(lambda: left() > 150)


@pytest.mark.slow
def test_a_page_too_many_says_so_and_goes_on_when_there_is_room(open_page, run, browser, monkeypatch):
    monkeypatch.setattr("nstfilter.plugins.studio.server.MAX_PAGES", 1)
    first = open_page()
    context = browser.new_context()
    context.set_default_timeout(1000 * PATIENCE)
    late = context.new_page()
    late.goto(run.address)
    late.get_by_text("1 pages are open already").wait_for()
    first.close()
    late.wait_for_selector("[data-testid=preview][data-number]")
    context.close()


@pytest.mark.slow
def test_full_screen_by_its_key_also_with_caps_lock(open_page):
    page = open_page()
    page.evaluate("window.asked = 0")
    page.locator("nst-preview").evaluate("(one) => (one.requestFullscreen = async () => (window.asked += 1))")
    for key in ("F", "f"):
        page.keyboard.press(key)
    assert page.evaluate("window.asked") == 2


@pytest.mark.slow
def test_a_knob_learns_a_dial_and_a_button_an_action(open_page, run):
    page, controls = open_page(), run.session.controls
    page.evaluate(
        """() => {
            window.input = { name: "Knobs" };
            navigator.requestMIDIAccess = async () => ({ inputs: new Map([["1", window.input]]) });
        }"""
    )
    page.get_by_test_id("tab-setup").click()
    page.get_by_test_id("midi-start").click()
    page.get_by_text("Connected: Knobs").wait_for()
    move = "(data) => window.input.onmidimessage({ data })"
    page.get_by_test_id("learn-strength").click()
    page.evaluate(move, [0xB0, 7, 100])
    page.evaluate(move, [0xB0, 7, 0])
    wait_for(lambda: controls.get("strength") == 0)
    page.evaluate(move, [0xB0, 7, 127])
    wait_for(lambda: controls.get("strength") == 1)
    page.get_by_test_id("learn-do/card").click()
    page.evaluate(move, [0x90, 36, 127])
    wait_for(lambda: controls.card_shown)
    page.evaluate(move, [0x80, 36, 0])
    page.get_by_text("CC 7").wait_for()
    page.get_by_label("Strength: forget").click()
    page.evaluate(move, [0xB0, 7, 0])
    time.sleep(0.3)
    assert controls.get("strength") == 1
    assert controls.card_shown


@pytest.mark.slow
def test_a_picture_of_ones_own_is_kept_under_a_name(open_page, run):
    page = open_page()
    page.get_by_test_id("drop").set_input_files(
        [{"name": "garden.png", "mimeType": "image/png", "buffer": photo()}]
    )
    page.get_by_test_id("style-garden").hover()
    page.get_by_label("Keep garden under a name").click()
    page.get_by_test_id("keep-name").fill("Roses")
    page.get_by_test_id("keep-done").click()
    page.get_by_test_id("style-roses").wait_for()
    wait_for(lambda: run.session.controls.get("style") == "mine/roses")


@pytest.mark.slow
def test_two_pages_and_the_keys_stay_in_step(open_page, run):
    one, other = open_page(), open_page("phone")
    one.get_by_test_id("style-jade").click()
    wait_for(lambda: other.get_by_test_id("style-jade").get_attribute("aria-pressed") == "true")
    run.session.controls.press("c")
    for page in (one, other):
        page.get_by_text("Card is up").wait_for()
    one.keyboard.press("c")
    for page in (one, other):
        page.get_by_text("Privacy card", exact=True).wait_for()


@pytest.mark.slow
def test_search_favorites_and_keys(open_page, run):
    page = open_page()
    page.keyboard.press("/")
    page.keyboard.type("jad")
    assert page.get_by_test_id("style-jade").is_visible()
    assert page.get_by_test_id("style-ruby").is_hidden()
    page.get_by_test_id("search").fill("zzz")
    page.get_by_text("No style by that name").wait_for()
    page.get_by_test_id("search").fill("")
    page.get_by_test_id("style-jade").hover()
    page.get_by_label("Jade: favorite").click()
    page.get_by_test_id("favorites").click()
    assert page.get_by_test_id("style-ruby").is_hidden()
    page.reload()
    page.get_by_test_id("favorites").click()
    page.get_by_test_id("style-jade").wait_for()
    page.get_by_test_id("look").click()
    page.keyboard.press("n")
    wait_for(lambda: run.session.controls.get("style") == "mine/jade")
    page.keyboard.press("-")
    wait_for(lambda: run.session.controls.get("strength") == 0.9)
    page.get_by_test_id("lock").click()
    wait_for(lambda: run.session.controls.locked and page.get_by_label("Lock the keys").is_visible())
    wait_for(lambda: page.get_by_test_id("lock").get_attribute("aria-pressed") == "true")
    page.keyboard.press("-")
    page.get_by_text("The keys are locked").wait_for()
    assert run.session.controls.get("strength") == 0.9
    page.keyboard.press("c")
    page.keyboard.press("c")  # on its way together with the one before
    page.get_by_text("Card is up").wait_for()
    page.keyboard.press("l")
    page.locator("[data-testid=lock][aria-pressed=false]").wait_for()
    assert run.session.controls.card_shown
    page.keyboard.press("l")
    page.locator("[data-testid=lock][aria-pressed=true]").wait_for()
    page.keyboard.press("c")
    page.keyboard.press("l")
    page.locator("[data-testid=lock][aria-pressed=false]").wait_for()
    assert run.session.controls.card_shown
    assert page.get_by_test_id("mute").is_hidden()  # there is no sound in this run


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_mute_is_a_button_that_stays_pressed(open_page, run, size):
    controls = run.session.controls
    controls.sound = True
    page = open_page(size)
    mute = page.get_by_test_id("mute")
    mute.click()
    wait_for(lambda: controls.muted and mute.get_attribute("aria-pressed") == "true")
    page.reload()
    wait_for(lambda: mute.get_attribute("aria-pressed") == "true")
    place = page.get_by_test_id("plain").bounding_box()
    assert place["x"] + place["width"] <= SIZES[size]["width"]
    mute.click()
    wait_for(lambda: not controls.muted and mute.get_attribute("aria-pressed") == "false")
    controls.do("lock")
    wait_for(lambda: page.get_by_test_id("lock").get_attribute("aria-pressed") == "true")
    page.keyboard.press("u")  # silence is never refused
    wait_for(lambda: controls.muted and mute.get_attribute("aria-pressed") == "true")
    page.keyboard.press("u")
    page.get_by_text("The keys are locked").wait_for()
    assert controls.muted


@pytest.mark.slow
def test_a_page_finds_the_panel_again(open_page, run, folders):
    page = open_page()
    port = run.panel.server.port
    run.session.live.stop()
    page.get_by_text("The run has ended").wait_for()
    wait_for(lambda: run.panel.state == "closed")
    with studio_run(port=port) as again:
        wait_for(lambda: page.evaluate("!document.body.classList.contains('offline')"))
        page.get_by_test_id("style-coal").click()
        wait_for(lambda: again.session.controls.get("style") == "mine/coal")
        page.close()


@pytest.mark.slow
def test_a_page_of_yesterday_is_told_what_to_do(open_page, run, browser):
    page = browser.new_context().new_page()
    page.set_default_timeout(1000 * PATIENCE)
    answer = page.goto(run.base + "/")
    assert answer.status == 401
    assert "Open the one that nstfilter printed" in page.text_content("body")
    page.context.close()


# what a finger would miss: under 40 pixels, also with the room that it has around it
TOO_SMALL = """() => [...document.querySelectorAll("button, a, select, summary, input:not([type=file])")]
    .filter((one) => one.checkVisibility() && !one.closest(".skip, .field"))
    .filter((one) => {
        const { width, height } = one.getBoundingClientRect();
        const around = getComputedStyle(one, "::after");
        const room = around.content === "none" ? 0 : -2 * Number.parseFloat(around.top) || 0;
        return Math.min(width, height) + room < 39.5;
    })
    .map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_everything_has_a_name_and_fits_the_screen(open_page, run, size):
    page = open_page(size)
    run.session.source = "rtsp://a-camera-with-a-long-name.somewhere.example/and/a/long/address"
    page.get_by_test_id("connection").get_by_text("a-camera").wait_for()
    run.session.recordings.with_plain = True
    page.get_by_test_id("record").click()
    page.get_by_test_id("recording").wait_for()
    fits = """() => [...document.querySelectorAll("body *")]
        .filter((one) => one.checkVisibility() && getComputedStyle(one).opacity !== "0")
        .filter((one) => !one.closest(".scroll, .look, .connection, .skip, svg"))
        .filter((one) => one.clientWidth && one.getBoundingClientRect().right > innerWidth + 1)
        .map((one) => one.outerHTML.slice(0, 200))"""
    tabs = page.get_by_role("tab")
    for index in range(tabs.count()):
        if not tabs.nth(index).is_visible():
            continue
        tabs.nth(index).click()
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("button, input, select, [role=slider], [role=tab]")]
                .filter((one) => one.offsetParent)
                .filter((one) => !(one.getAttribute("aria-label") || one.textContent.trim()))
                .filter((one) => !one.labels?.length)
                .map((one) => one.outerHTML)"""
        )
        assert nameless == []
        assert page.evaluate(fits) == []
        if size == "phone":
            assert page.evaluate(TOO_SMALL) == []


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The source of axe-core, which looks for what keeps people out."""
    npm = shutil.which("npm")
    if not npm:
        pytest.skip("npm, which fetches axe-core, is not here")
    folder = tmp_path_factory.mktemp("axe")
    line = [npm, "install", "--silent", "--no-audit", "--no-fund", "--fetch-retries=0"]
    line += ["--prefix", str(folder), "axe-core@4"]
    try:
        subprocess.run(line, check=True, capture_output=True, timeout=300)
    except (subprocess.SubprocessError, OSError):
        pytest.skip("axe-core could not be fetched from npm")
    return (folder / "node_modules/axe-core/axe.min.js").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_keeps_anybody_out(open_page, run, axe, size, scheme):
    run.session.controls.set("glide", 0)
    run.panel.studio.save_preset("Evening", 1)
    page = open_page(size)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no color is on its way to another
    page.evaluate(axe)
    found = []
    for tab in page.get_by_role("tab").all():
        if not tab.is_visible():
            continue
        tab.click()
        problems = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
        found += [
            f"{tab.text_content()}: {one['id']}: {node['html'][:160]}"
            for one in problems
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
    assert found == []
