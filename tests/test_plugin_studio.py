"""The panel: what its server says to whom, and that a page, the keys and the API change the same run."""

from __future__ import annotations

import asyncio
import io
import json
import os
import socket
import stat
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from PIL import Image
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer
from pythonosc.udp_client import SimpleUDPClient
from studio_run import PATIENCE, STYLES, LatestSink, prepare, studio_run, wait_for
from typer.testing import CliRunner
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from nstfilter.cli.app import build_app
from nstfilter.errors import SinkError, SourceError, StyleError, UsageError
from nstfilter.graphics.opencv import cv2
from nstfilter.manager import open_sink, open_source
from nstfilter.pipeline import run as render
from nstfilter.plugins.studio.access import is_own_name, load_token
from nstfilter.plugins.studio.gallery import RUN
from nstfilter.plugins.studio.presets import PresetError, Presets
from nstfilter.plugins.studio.preview import Preview, Viewer
from nstfilter.plugins.studio.server import Page
from nstfilter.plugins.studio.sink import PanelSink
from nstfilter.plugins.studio.sources import shown
from nstfilter.plugins.studio.uploads import UploadedStyles, plain_name
from nstfilter.testing import FakeModel, MemorySource

PAGE = Path(__file__).parents[1] / "plugins/studio/page"


@pytest.fixture
def folders(tmp_path, own_packs_only, make_pack, site, monkeypatch, patient):
    prepare(tmp_path, make_pack, site, monkeypatch)


@pytest.fixture
def run(folders):
    with studio_run() as running:
        yield running


def until(page, kind):
    """The next message of that type; binary ones are "frame"."""
    for _ in range(500):
        message = page.recv(timeout=PATIENCE)
        if isinstance(message, bytes):
            if kind == "frame":
                return message
        elif (found := json.loads(message))["type"] == kind:
            return found
    raise AssertionError(f"no {kind} came")


def frames_within(page, seconds):
    """The frames that come in that time."""
    frames, end = [], time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        with suppress(TimeoutError):
            message = page.recv(timeout=left)
            frames += [message] if isinstance(message, bytes) else []
    return frames


def picture(kind="PNG", size=(40, 30), color=(10, 200, 30)):
    data = io.BytesIO()
    Image.new("RGB", size, color).save(data, kind)
    return data.getvalue()


# who is answered


def test_only_those_with_the_token_are_answered(run):
    with httpx.Client(base_url=run.base) as stranger:
        for path in ("/", "/api/state", "/stream.mjpg", "/thumbs/mine/ruby", "/?token=wrong", "/?token=%F0"):
            answer = stranger.get(path)
            assert answer.status_code == 401, path
            assert run.token not in answer.text
        assert stranger.post("/api/do/card").status_code == 401
        assert not run.session.controls.card_shown
        assert stranger.get("/page/app.js").status_code == 200  # the program's own, no secret
        page = stranger.get("/", params={"token": run.token})
        assert page.status_code == 200
        assert run.token not in page.text
        cookie = page.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert stranger.get("/api/state").status_code == 200  # with the cookie


def test_the_socket_wants_the_token_too(run):
    where = run.base.replace("http", "ws") + "/socket"
    with pytest.raises(InvalidStatus) as refused:
        connect(where, open_timeout=PATIENCE)
    assert refused.value.response.status_code in (401, 403)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1"])
def test_pages_of_other_sites_change_nothing(run, origin):
    with run.client(headers={"origin": origin}) as client:
        assert client.post("/api/do/card").status_code == 403
        assert client.patch("/api/values", json={"strength": 0}).status_code == 403
    where = run.base.replace("http", "ws") + f"/socket?token={run.token}"
    with pytest.raises(InvalidStatus):
        connect(where, origin=origin, open_timeout=PATIENCE)
    assert not run.session.controls.card_shown


def test_a_name_that_was_rebound_to_this_computer_is_not_answered(run):
    with run.client(headers={"host": f"evil.example:{run.panel.server.port}"}) as client:
        assert client.get("/api/state").status_code == 421
    assert [
        is_own_name(host) for host in ("127.0.0.1:8450", "localhost", "[::1]:80", "192.168.1.7:8450")
    ] == [True] * 4
    names = (
        "evil.example",
        "127.0.0.1.evil.example",
        "",
        "a b",
        "localhost:x",
        "localhost.evil",
        "[::1",
        "1.2.3",
    )
    assert not any(map(is_own_name, names))


def test_every_answer_keeps_the_page_to_itself(run):
    with run.client() as client:
        for path in ("/", "/page/app.js", "/api/state", "/nowhere"):
            headers = client.get(path).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
        assert client.get("/page/../server.py").status_code == 404
        assert client.get("/page/%2e%2e/server.py").status_code == 404


def test_those_who_are_refused_get_the_headers_too(run):
    with httpx.Client(base_url=run.base) as stranger:
        refused = [
            stranger.get("/"),
            stranger.get("/", headers={"host": "evil.example"}),
            stranger.post("/api/do/card", headers={"origin": "http://evil.example"}),
        ]
    assert [answer.status_code for answer in refused] == [401, 421, 403]
    for answer in refused:
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "evil.example" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_the_token_is_kept_for_the_user_alone():
    token = load_token()
    assert load_token() == token
    assert len(token) >= 22
    path = Path(os.environ["NSTFILTER_STATE_DIR"]) / "studio/token"
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("short\n")
    assert load_token() != token


def test_a_port_that_is_taken_is_one_line(folders):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            pytest.raises(SinkError, match="choose another --host or --port"),
            studio_run(port=taken.getsockname()[1]),
        ):
            pass


def test_a_panel_that_cannot_be_served_leaves_no_port_open(folders):
    with socket.socket() as taken, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        free.bind(("127.0.0.1", 0))
        osc = free.getsockname()
        free.close()
        with (
            pytest.raises(SinkError, match="choose another --host or --port"),
            studio_run(port=taken.getsockname()[1], osc=osc),
        ):
            pass
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind(osc)


def test_of_two_that_want_one_port_the_second_takes_the_next(folders):
    with studio_run(port=None) as one, studio_run(port=None) as other:
        assert one.panel.server.port != other.panel.server.port


@pytest.mark.parametrize("target", ["panel:70000", "panel:host:port"])
def test_what_is_no_address_is_refused(target):
    with pytest.raises(UsageError):
        open_sink(target, session=object())
    with pytest.raises(UsageError, match="nstfilter studio begins one"):
        open_sink("panel")


# what is seen and done


def test_a_page_is_told_everything_and_what_it_changes_reaches_the_sinks(run):
    with run.socket() as page:
        hello = until(page, "hello")
        assert hello["version"] == 1
        assert [style["name"] for style in hello["styles"]] == list(STYLES)
        assert {"style", "strength", "stability", "size", "glide"} <= {
            one["name"] for one in hello["parameters"]
        }
        assert hello["state"]["values"]["style"] == "mine/ruby"
        before = wait_for(lambda: run.out.latest is not None) and run.out.latest.copy()
        page.send(json.dumps({"type": "set", "values": {"style": "coal", "glide": 0, "strength": 0.5}}))
        state = until(page, "state")["state"]
        assert state["parts"] == [{"text": "mine/coal", "name": "Coal", "weight": 1.0}]
        assert state["values"]["strength"] == 0.5
        wait_for(lambda: abs(run.out.latest[0].astype(int) - before[0]).max() > 2)


def test_a_frame_is_sent_only_after_the_one_before_was_acknowledged(run):
    with run.socket() as page:
        page.send(json.dumps({"type": "view", "width": 320, "show": "painted"}))
        first = until(page, "frame")
        number, length = struct.unpack("<II", first[:8])
        image = cv2.imdecode(np.frombuffer(first[8:], np.uint8), cv2.IMREAD_COLOR)
        assert len(first) == 8 + length
        assert image.shape == (180, 320, 3)
        seen = run.out.count
        wait_for(lambda: run.out.count > seen + 10)  # a page that does not answer does not slow the run
        assert not frames_within(page, 0.2)
        page.send(json.dumps({"type": "ack"}))
        later, _ = struct.unpack("<II", until(page, "frame")[:8])
        assert later > number + 10  # the newest, and none of those between


def test_split_sends_both_pictures_of_one_moment(run):
    with run.socket() as page:
        page.send(json.dumps({"type": "view", "width": 320, "show": "split"}))
        data = until(page, "frame")
        _, length = struct.unpack("<II", data[:8])
        painted, plain = (
            cv2.imdecode(np.frombuffer(part, np.uint8), cv2.IMREAD_COLOR)
            for part in (data[8 : 8 + length], data[8 + length :])
        )
        assert painted.shape == plain.shape
        ruby = np.array([0, 90, 200])
        assert abs(painted.mean((0, 1)) - (plain.mean((0, 1)) + ruby) / 2).max() < 4


def test_the_plain_picture_is_never_sent_while_the_card_is_up(run):
    with run.socket() as page:
        page.send(json.dumps({"type": "do", "action": "card"}))
        wait_for(lambda: run.session.controls.card_shown)
        shown = run.out.count
        wait_for(lambda: run.out.count > shown + 3)
        wait_for(lambda: run.out.latest.mean() < 90)
        page.send(json.dumps({"type": "view", "width": 320, "show": "plain"}))
        data = until(page, "frame")
        image = cv2.imdecode(np.frombuffer(data[8:], np.uint8), cv2.IMREAD_COLOR)
        assert image.mean() > 90  # the painting goes on behind the card
        assert abs(image[..., 2].mean() - image[..., 0].mean()) > 60  # and it is not the grey camera


def test_readers_of_the_stream_see_the_card_and_count_as_others(run, monkeypatch):
    monkeypatch.setattr("nstfilter.plugins.studio.server.REPEAT", 0.05)
    assert not run.session.live.on_air
    with run.client() as client, client.stream("GET", "/stream.mjpg") as stream:
        parts = stream.iter_bytes()
        next(parts)
        assert run.session.live.on_air
        run.session.controls.set("card", True)
        wait_for(lambda: run.out.latest.mean() < 90)
        data = b""

        def card():
            nonlocal data
            *jpegs, data = (data + next(parts)).split(b"--frame")
            jpegs = [np.frombuffer(jpeg.partition(b"\r\n\r\n")[2], np.uint8) for jpeg in jpegs[-1:]]
            images = [cv2.imdecode(jpeg, cv2.IMREAD_COLOR) for jpeg in jpegs if jpeg.size]
            return any(image is not None and image.mean() < 90 for image in images)

        wait_for(card)
    wait_for(lambda: not run.session.live.on_air)
    (closed,) = [one.given for one in run.session.live._workers if one.name == "stream"]
    wait_for(lambda: closed.state == "closed")
    assert closed.preview.latest is None


def test_two_pages_and_the_keys_stay_in_step(run):
    with run.socket() as one, run.socket() as other:
        for page in (one, other):
            until(page, "hello")
        one.send(json.dumps({"type": "set", "values": {"strength": 0.3}}))
        for page in (one, other):
            assert until(page, "state")["state"]["values"]["strength"] == 0.3
        run.session.controls.press("c")
        for page in (one, other):
            assert until(page, "state")["state"]["card"] is True


def test_a_page_that_opens_keeps_no_change_from_the_others(run, monkeypatch):
    monkeypatch.setattr("nstfilter.plugins.studio.server.LOOK", 3600)
    time.sleep(0.3)  # the look that is under way
    with run.socket() as one:
        until(one, "hello")
        run.session.controls.set("strength", 0.3)
        with run.socket() as other:
            assert until(other, "hello")["state"]["values"]["strength"] == 0.3
            assert until(one, "state")["state"]["values"]["strength"] == 0.3


def test_one_page_too_many_is_told_so(run, monkeypatch):
    monkeypatch.setattr("nstfilter.plugins.studio.server.MAX_PAGES", 1)
    with run.socket() as page, run.socket() as late:
        until(page, "hello")
        assert json.loads(late.recv(timeout=PATIENCE)) == {"type": "full", "pages": 1}
        with pytest.raises(ConnectionClosed):
            late.recv(timeout=PATIENCE)
    wait_for(lambda: not run.panel.server.pages)
    with run.socket() as page:
        until(page, "hello")


@pytest.mark.slow
def test_a_page_that_sends_much_is_heard_to_the_end_and_in_order(run, monkeypatch):
    heard = []
    do = run.panel.studio.set
    monkeypatch.setattr(
        run.panel.studio, "set", lambda values: (time.sleep(0.001), heard.append(values), do(values))
    )
    with run.socket() as page:
        until(page, "hello")
        for number in range(40):
            page.send(json.dumps({"type": "set", "values": {"strength": number / 100}}))
        while until(page, "state")["state"]["values"]["strength"] != 0.39:
            pass
        assert heard == [{"strength": number / 100} for number in range(40)]


def test_of_what_a_slow_page_is_to_be_told_the_latest_lines_wait_in_order():
    sent = []

    class Slow:
        async def send_text(self, text):
            sent.append(json.loads(text).get("text"))

    async def tell():
        page = Page(asyncio.get_running_loop())
        for number in range(20):
            page.put({"type": "message", "text": number})
            page.put({"type": "state", "text": f"state {number}"})
        telling = asyncio.create_task(page.send_to(Slow()))
        for _ in range(100):  # turns of the loop: more than there are messages
            await asyncio.sleep(0)
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling

    asyncio.run(tell())
    assert sent == ["state 19", *range(12, 20)]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"type": "set"}',
        '{"type": "set", "values": {"strength": 7}}',
        '{"type": "set", "values": {"style": "/etc/passwd"}}',
        '{"type": "set", "values": {"style": "ruby:-1"}}',
        '{"type": "set", "values": {"style": ["ruby"]}}',
        '{"type": "set", "values": {"threads": 3}}',
        '{"type": "do", "action": "erase"}',
        '{"type": "view", "width": "wide", "show": "painted"}',
        '{"type": "view", "width": Infinity, "show": "painted"}',
        '{"type": "set", "values": {"strength": NaN}}',
        '{"type": "set", "values": {"size": Infinity}}',
        '{"type": "set", "values": {"style": "ruby:nan"}}',
        '{"type": "set", "values": {"style": "ruby:inf+jade:1"}}',
        "[" * 5000,
    ],
)
def test_a_message_that_cannot_be_meant_is_answered_and_changes_nothing(run, message):
    with run.socket() as page:
        before = until(page, "hello")["state"]["values"]
        page.send(message)
        told = until(page, "message")
        assert told["level"] == "error"
        assert "Traceback" not in told["text"]
        assert run.panel.studio.values() == before


def test_the_api_does_what_the_page_does(run):
    with run.client() as client:
        assert client.patch("/api/values", json={"strength": 0.25, "style": "ruby:1+coal:3"}).json()[
            "values"
        ]["style"] == ("mine/ruby:0.25+mine/coal:0.75")
        assert run.session.controls.get("strength") == 0.25
        bad = client.patch("/api/values", json={"strength": 0.5, "stability": 3})
        assert (bad.status_code, bad.json()) == (
            400,
            {"error": "stability is 3; expected a number from 0 to 1"},
        )
        assert run.session.controls.get("strength") == 0.25  # all or none
        assert client.post("/api/do/plain").json()["state"]["plain"] is True
        assert client.post("/api/do/nothing").status_code == 400
        assert client.get("/api/state").json()["state"]["source"] == "camera"
        assert [one["name"] for one in client.get("/api/styles").json()["styles"]] == list(STYLES)
        assert client.get("/api/parameters").json()["parameters"]
        nonsense = (b"", b"{", b"[]", b"\xff" * 10, b"[" * 60_000, b'{"strength": NaN}', b'{"size": 1e999}')
        for body in (*nonsense, b'{"size": ' + b"9" * 5000 + b"}"):
            assert client.patch("/api/values", content=body).status_code == 400
        assert client.patch("/api/values", content=b" " * 100_000).status_code == 413


def test_snapshots_and_recordings_are_made_listed_and_downloaded(run, tmp_path):
    wait_for(lambda: run.out.latest is not None)
    with run.client() as client:
        client.post("/api/do/snapshot")
        (file,) = client.get("/api/state").json()["state"]["files"]
        assert file["kind"] == "picture"
        data = client.get(f"/files/{file['key']}")
        assert data.content == (tmp_path / file["name"]).read_bytes()
        assert client.get("/files/etc%2fpasswd").status_code in (400, 404)
        assert client.get("/files/0000").status_code == 400
        assert client.post("/api/do/record").json()["state"]["recording"] is True
        shown = run.out.count
        wait_for(lambda: run.out.count > shown + 15)
        state = client.post("/api/do/record").json()["state"]
        assert state["recording"] is False
        wait_for(lambda: len(client.get("/api/state").json()["state"]["files"]) == 2)


def test_a_recording_comes_with_that_of_the_plain_camera(run, tmp_path):
    wait_for(lambda: run.out.latest is not None)
    with run.client() as client:
        plain = {"name": "plain", "on": True}
        assert client.post("/api/outputs", json=plain).json()["outputs"][-1]["on"] is True
        state = client.post("/api/do/record").json()["state"]
        assert (state["with_plain"], state["recording_plain"]) == (True, True)
        shown = run.out.count
        wait_for(lambda: run.out.count > shown + 15)
        assert client.post("/api/do/record").json()["state"]["recording_plain"] is False
        wait_for(lambda: len(client.get("/api/state").json()["state"]["files"]) == 2)
    (plain,) = tmp_path.glob("*-plain.mp4")
    with open_source(plain) as camera, open_source(plain.with_stem(plain.stem[:-6])) as painting:
        before, after = (next(iter(one)).image.mean((0, 1)) for one in (camera, painting))
    assert np.ptp(before) < 8  # gray, as the camera is
    assert after[2] - after[0] > 50


def test_the_stream_for_other_programs_is_mjpeg(run):
    with run.client() as client, client.stream("GET", "/stream.mjpg?width=160") as stream:
        assert stream.headers["content-type"].startswith("multipart/x-mixed-replace")
        data = b""
        for chunk in stream.iter_bytes():
            data += chunk
            if data.count(b"--frame") > 2:
                break
    part = data.split(b"\r\n\r\n", 2)[1]
    image = cv2.imdecode(np.frombuffer(part, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (180, 320, 3)  # the smallest width there is that is not smaller


def test_thumbnails_are_the_styles_and_then_painted_on_the_current_picture(run):
    with run.client() as client, run.socket() as page:
        until(page, "hello")
        page.send(json.dumps({"type": "view", "width": 320, "show": "painted"}))
        assert client.get("/thumbs/mine/nothing").status_code == 404
        thumbnails = run.panel.studio.gallery.thumbnails.values()
        # the address of a picture is never that of one which a browser has kept from another run
        assert all(one.version.startswith(f"{RUN}-") for one in thumbnails)
        before = {one.key: one.version for one in thumbnails if not one.painted}
        wait_for(lambda: all(one.painted for one in thumbnails))
        assert all(one.version != before.get(one.key) for one in thumbnails)
        for number, name in enumerate(STYLES):
            data = client.get(f"/thumbs/mine/{name}?v=1").content
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            assert image.shape == (144, 256, 3)
            plain = run.session.controls.plain_frame.mean((0, 1))
            assert abs(image.mean((0, 1)) - (plain + np.array([number * 40, 90, 200])) / 2).max() < 8


# pictures from pages


def test_a_picture_becomes_a_style_at_once(run):
    with run.client() as client:
        made = client.post("/api/styles", params={"name": "../../my photo.PNG"}, content=picture())
        assert made.status_code == 201
        facts = made.json()
        assert facts["title"] == "my photo"
        client.patch("/api/values", json={"style": facts["text"], "glide": 0})
        wait_for(lambda: run.session.controls.paint.embedding[1] == pytest.approx(200, abs=4))
        assert client.get(f"/thumbs/{facts['key']}").status_code == 200
        assert client.get("/api/styles").json()["styles"][0] == facts
        assert client.get("/api/state").json()["state"]["parts"][0]["name"] == "my photo"
        again = client.post("/api/styles", params={"name": "other.png"}, content=picture()).json()
        assert (again["key"], again["title"]) == (facts["key"], "other")
        answer = client.patch("/api/values", json={"style": again["text"]})
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.jpg", b""),
        ("text.jpg", b"not a picture at all"),
        ("script.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("cut.png", picture(size=(400, 300))[:200]),
        ("cut.jpg", picture("JPEG", (400, 300))[:120]),
        ("magic.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 100),
        ("magic.webp", b"RIFF\0\0\0\0WEBP" + b"\0" * 50),
        (
            "bomb.png",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
            + struct.pack(">II", 60000, 60000)
            + b"\x08\x02\0\0\0"
            + b"\0" * 64,
        ),
    ],
)
def test_what_is_no_picture_is_refused_and_leaves_nothing(run, tmp_path, name, content):
    with run.client() as client:
        answer = client.post("/api/styles", params={"name": name}, content=content)
        assert answer.status_code == 400
        said = answer.json()["error"]
        assert said
        assert "Traceback" not in said
        assert str(tmp_path) not in said
        assert "/tmp" not in said
    assert not list((tmp_path / "user-data/studio/uploads").rglob("*.*"))


def test_a_page_that_closes_in_the_middle_of_an_upload_leaves_nothing(run, tmp_path, caplog):
    head = "POST /api/renders?name=a.png HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n"
    with socket.create_connection(("127.0.0.1", run.panel.server.port)) as page:
        page.sendall(f"{head}authorization: Bearer {run.token}\r\n\r\n".encode() + b"x" * 100)
        wait_for(lambda: list(tmp_path.rglob("upload")))
    wait_for(lambda: not list(tmp_path.rglob("upload")))
    time.sleep(0.1)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_too_large_a_body_is_cut_off_whatever_it_claims(run, monkeypatch):
    monkeypatch.setattr("nstfilter.plugins.studio.api.MAX_PICTURE", 1000)
    with run.client() as client:
        assert client.post("/api/styles", content=b"x" * 2000).status_code == 413
        lines = (b"x" * 100 for _ in range(50))  # chunked: no length is told
        assert client.post("/api/styles", content=lines).status_code == 413


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("wave.jpg", "wave.jpg"),
        ("../../etc/passwd", "passwd"),
        ("D:\\somewhere\\a b.png", "a b.png"),
        ("...", "picture"),
        ("", "picture"),
        (".htaccess", "picture.htaccess"),
        ("a\0b\n.jpg", "a b.jpg"),
        ("x" * 300 + ".jpg", "x" * 80 + ".jpg"),
        ("été+1:2.jpg", "été 1 2.jpg"),
    ],
)
def test_names_from_a_page_are_made_safe(given, name):
    assert plain_name(given) == name


def test_only_so_many_uploads_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("nstfilter.plugins.studio.uploads.MAX_STYLES", 3)
    uploads = UploadedStyles(tmp_path / "uploads")
    for number in range(5):
        file = tmp_path / f"{number}.png"
        file.write_bytes(picture(color=(number * 40, 0, 0)))
        os.utime(uploads.add(file, f"{number}.png").path, (number, number))
    assert len(uploads.list()) <= 4
    with pytest.raises(StyleError):
        uploads.add(Path(__file__), "test.py")


# presets


def test_a_look_is_kept_applied_exported_imported_and_deleted(run, tmp_path):
    with run.client() as client:
        client.patch("/api/values", json={"style": "ruby:1+coal:1", "strength": 0.4, "size": 320})
        made = client.post("/api/presets", json={"name": "Evening \u00e9 \U0001f3a8", "slot": 2})
        assert (made.status_code, made.json()["key"]) == (201, "evening-e")
        text = (tmp_path / "user-config/presets/evening-e.toml").read_text("utf-8")
        assert 'style = "mine/ruby:0.5+mine/coal:0.5"' in text
        assert client.get("/api/presets/evening-e.toml").text == text
        client.patch("/api/values", json={"style": "jade", "strength": 1.0, "size": None})
        values = client.post("/api/presets/evening-e/apply").json()["values"]
        assert (values["strength"], values["size"]) == (0.4, 320)
        assert values["style"] == "mine/ruby:0.5+mine/coal:0.5"
        again = client.post("/api/presets/import", content=text.encode()).json()
        assert (again["name"], again["slot"]) == ("Evening \u00e9 \U0001f3a8", 1)  # slot 2 is taken
        client.patch(f"/api/presets/{again['key']}", json={"name": "Later"})
        assert [one["name"] for one in client.get("/api/presets").json()["presets"]] == [
            "Later",
            "Evening \u00e9 \U0001f3a8",
        ]
        client.post("/api/presets", json={"name": "New", "slot": 2})  # the old one stays, without a slot
        assert {one["slot"] for one in client.get("/api/presets").json()["presets"]} == {1, 2, None}
        assert client.delete("/api/presets/evening-e").status_code == 200
        assert client.post("/api/presets/evening-e/apply").status_code == 400
    assert [preset["name"] for preset in Presets().facts()] == ["Later", "New"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"[values]",
        b"values = 3",
        b"slot = 12\n[values]\nstrength = 1",
        b"[values]\nstrength = [1]",
        b"extra = 1\n[values]\nstrength = 1",
        b"name = 3\n[values]\nstrength = 1",
        b"slot = 1.0\n[values]\nstrength = 1",
        b"a" * 30_000,
        b"[values]\nstrength = nan",
        b"[values]\nglide = inf",
        b"[values]\nsize = " + b"9" * 5000,
        b"[values]\nnothing = 1",
        b'[values]\n"strength = 1\\nstyle" = 1',
        b"[values]\nthreads = 3",
        b"[values]\nstrength = 7",
        b"[values]\nstyle = 2026-01-01",
    ],
)
def test_what_is_no_preset_is_refused(tmp_path, text):
    presets = Presets(tmp_path / "presets")
    with pytest.raises(PresetError):
        presets.add(text)
    assert not list(tmp_path.glob("presets/*"))


@pytest.mark.parametrize("slot", [True, 1.0, 0, 10])
def test_a_slot_that_is_none_is_refused_and_nothing_is_written(tmp_path, slot):
    with pytest.raises(UsageError, match="expected 1 to 9"):
        Presets(tmp_path / "presets").save("Evening", slot, {"strength": 0.5})
    assert not list(tmp_path.glob("presets/*"))


def test_a_preset_of_somebody_else_cannot_name_a_file(run):
    with run.client() as client:
        text = b'[values]\nstyle = "/etc/hostname"\nstrength = 0.5'
        key = client.post("/api/presets/import", content=text).json()["key"]
        answer = client.post(f"/api/presets/{key}/apply")
        assert answer.status_code == 400
        assert run.session.controls.get("strength") == 1.0  # all or none


def test_a_broken_file_costs_only_itself(tmp_path):
    folder = tmp_path / "presets"
    Presets(folder).save("Good", 1, {"strength": 0.5})
    (folder / "bad.toml").write_text("nothing")
    presets = Presets(folder)
    assert [one["name"] for one in presets.facts()] == ["Good"]
    assert presets.broken == ["bad.toml: this is no preset: it is not TOML"]


def test_a_preset_s_file_may_be_called_anything(run, tmp_path):
    folder = tmp_path / "user-config/presets"
    folder.mkdir(parents=True)
    (folder / 'H\u00f6he "7".toml').write_text("[values]\nstrength = 0.5\n")
    run.panel.studio.presets = Presets()
    with run.client() as client:
        (preset,) = client.get("/api/presets").json()["presets"]
        file = client.get(f"/api/presets/{quote(preset['key'])}.toml")
        assert file.status_code == 200
        assert file.headers["content-disposition"] == "attachment; filename*=utf-8''H%C3%B6he%20%227%22.toml"
        assert client.post(f"/api/presets/{quote(preset['key'])}/apply").json()["values"]["strength"] == 0.5


# the preview


def test_frames_are_encoded_once_for_pages_of_one_size_and_not_at_all_for_none(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "nstfilter.plugins.studio.preview.jpeg", lambda image, width: calls.append(width) or b"jpeg"
    )
    preview, frame = Preview(), np.zeros((90, 160, 3), np.uint8)
    preview.show(frame, lambda: None)
    assert calls == []
    got: list[bytes] = []
    viewers = [Viewer(got.append, width) for width in (900, 960, 300)]
    for viewer in viewers:
        preview.add(viewer)
    preview.show(frame, lambda: None)
    assert sorted(calls) == [320, 960]
    assert len(got) == 3
    for viewer in viewers:
        viewer.ready = True
    preview.show(frame, lambda: None)  # the same picture again: nobody needs it
    assert len(got) == 3
    preview.show(frame.copy(), lambda: None)
    assert len(got) == 6
    preview.remove(viewers[0])
    assert len(preview.viewers) == 2


# the page's files


def test_the_page_is_small_and_loads_nothing_from_elsewhere():
    files = list(PAGE.iterdir())
    assert sum(file.stat().st_size for file in files) < 200_000
    for file in files:
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text
        assert "innerHTML" not in text


# files to paint


def send(client, name, content):
    return client.post("/api/renders", params={"name": name}, content=content)


def state_of(client, key):
    return next(one for one in client.get("/api/renders").json()["renders"] if one["key"] == key)


def test_a_picture_is_painted_with_the_look_of_the_moment_and_downloaded(run):
    with run.client() as client:
        client.patch("/api/values", json={"style": "coal", "strength": 0.5})
        sent = send(client, "my photo.png", picture(size=(120, 80), color=(100, 100, 100)))
        assert sent.status_code == 201
        key = sent.json()["key"]
        wait_for(lambda: state_of(client, key)["state"] == "done")
        result = client.get(f"/renders/{key}/result")
        assert "my%20photo-Coal.png" in result.headers["content-disposition"]
        painted = cv2.imdecode(np.frombuffer(result.content, np.uint8), cv2.IMREAD_COLOR)
        coal = np.array([80, 90, 200])
        assert painted.shape == (80, 120, 3)
        assert abs(painted.mean((0, 1)) - (100 * 3 + coal) / 4).max() < 2
        for what in ("before.jpg", "after.jpg"):
            still = client.get(f"/renders/{key}/{what}")
            assert still.headers["content-type"] == "image/jpeg"
        assert client.get(f"/renders/{key}/render.json").status_code == 404
        assert client.delete(f"/api/renders/{key}").status_code == 200
        assert client.get("/api/renders").json() == {"renders": []}
        assert client.get(f"/renders/{key}/result").status_code == 400


def test_files_that_cannot_be_painted_are_refused_or_fail_alone(run, tmp_path):
    with run.client() as client:
        for name in ("notes.txt", "page.html", "noname", "", "evil.sh"):
            refused = send(client, name, b"something")
            assert refused.status_code == 400, name
            assert "no picture or video" in refused.json()["error"]
        assert send(client, "empty.png", b"").status_code == 400
        key = send(client, "../../broken.png", b"\x89PNG\r\n\x1a\nnothing").json()["key"]
        wait_for(lambda: state_of(client, key)["state"] == "failed")
        broken = state_of(client, key)
        assert broken["name"] == "broken.png"
        assert broken["error"]
        assert str(tmp_path) not in broken["error"]
        assert "Traceback" not in broken["error"]
        good = send(client, "good.png", picture()).json()["key"]
        wait_for(lambda: state_of(client, good)["state"] == "done")
    assert {path.parent.name for path in tmp_path.rglob("good.png")} == {good}


@pytest.mark.slow
def test_a_render_is_paused_and_the_next_run_goes_on_with_it(folders, tmp_path, monkeypatch):
    film, paused, stylize = tmp_path / "film.mp4", threading.Event(), FakeModel.stylize
    render(open_source("demo:160x90@25", seconds=4, sound=False), lambda frame: frame, open_sink(film))

    def painted_once_paused(self, frame, *given, **named):
        assert frame.shape[0] != 90 or paused.wait(PATIENCE)
        return stylize(self, frame, *given, **named)

    monkeypatch.setattr(FakeModel, "stylize", painted_once_paused)
    with studio_run() as first, first.client() as client:
        key = send(client, "film.mp4", film.read_bytes()).json()["key"]
        client.post(f"/api/renders/{key}/pause")
        paused.set()
        wait_for(lambda: state_of(client, key)["state"] == "paused")
        assert client.get(f"/renders/{key}/result").status_code == 400
        other = send(client, "photo.png", picture()).json()["key"]
        wait_for(lambda: state_of(client, other)["state"] == "done")  # it does not stop the others
        client.post(f"/api/renders/{key}/resume")
    with studio_run() as second, second.client() as client:
        wait_for(lambda: state_of(client, key)["state"] == "done")
        assert state_of(client, key)["frames"] == 100
        assert client.get(f"/renders/{key}/result").content[4:8] == b"ftyp"
        assert client.get(f"/renders/{key}/result", headers={"range": "bytes=0-99"}).status_code == 206


# what else steers the run


def two_free_ports():
    """The first of two neighbors: answers go to the port after the one that is listened at."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second,
            suppress(OSError, OverflowError),
        ):
            first.bind(("127.0.0.1", 0))
            second.bind(("127.0.0.1", first.getsockname()[1] + 1))
            return first.getsockname()[1]


@pytest.fixture
def osc(folders):
    """A run that listens for OSC, a client that sends to it, and a server that hears what comes back."""
    with studio_run(osc=("127.0.0.1", two_free_ports())) as running:
        there = running.panel.osc.port
        heard = []
        dispatcher = Dispatcher()
        dispatcher.set_default_handler(lambda address, *values: heard.append((address, *values)))
        with BlockingOSCUDPServer(("127.0.0.1", there + 1), dispatcher) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            yield running, SimpleUDPClient("127.0.0.1", there), heard
            server.shutdown()
            thread.join()


def test_osc_sets_every_value_and_hears_of_every_change(osc):
    run, client, heard = osc
    controls = run.session.controls
    client.send_message("/nstfilter/strength", 0.5)
    wait_for(lambda: controls.get("strength") == 0.5)
    client.send_message("/nstfilter/style", "ruby:1+coal:1")
    wait_for(lambda: controls.get("style") == "mine/ruby:0.5+mine/coal:0.5")
    client.send_message("/nstfilter/mirror", 1.0)  # some send nothing but floats
    client.send_message("/nstfilter/size", 320.0)
    wait_for(lambda: controls.get("mirror") is True and controls.get("size") == 320)
    client.send_message("/nstfilter/size", 0)
    wait_for(lambda: controls.get("size") is None)
    client.send_message("/nstfilter/do/card", 1)
    wait_for(lambda: controls.card_shown)
    client.send_message("/nstfilter/do/card", 0)  # the button is let go
    controls.set("strength", 0.75)  # by a key, say
    wait_for(lambda: ("/nstfilter/strength", 0.75) in heard)
    assert controls.card_shown
    wait_for(lambda: ("/nstfilter/do/card", 1) in heard and ("/nstfilter/mirror", 1) in heard)
    assert ("/nstfilter/style", "mine/ruby:0.5+mine/coal:0.5") in heard


def test_osc_that_cannot_be_meant_is_said_and_changes_nothing(osc):
    run, client, _ = osc
    said = []
    run.session.listen(said.append)
    for address, value in (
        ("/nstfilter/strength", 7.0),
        ("/nstfilter/strength", "much"),
        ("/nstfilter/style", "/etc/hostname"),
        ("/nstfilter/do/erase", 1),
        ("/nstfilter/do/quit", 1),
        ("/nstfilter/nothing", 1),
        ("/elsewhere/strength", 0.5),
        ("/nstfilter/preset", 9),
    ):
        said.clear()
        client.send_message(address, value)
        wait_for(lambda: said)
        assert said[0].startswith(f"OSC {address}: ")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
        raw.sendto(b"\0\1\2 not osc", ("127.0.0.1", run.panel.osc.port))
    client.send_message("/nstfilter/strength", 0.25)
    wait_for(lambda: run.session.controls.get("strength") == 0.25)


def test_every_osc_address_is_listed_and_works(run):
    with run.client() as client:
        listed = client.get("/api/osc").json()
    assert listed["osc"] is None
    addresses = {one["address"] for one in listed["addresses"]}
    names = {one["name"] for one in run.panel.studio.parameters()}
    assert {f"/nstfilter/{name}" for name in names} <= addresses
    assert {"/nstfilter/do/card", "/nstfilter/do/record", "/nstfilter/preset"} <= addresses


@pytest.mark.parametrize("text", ["", "x", "70000", "host:", "0.0.0.0:x"])
def test_an_osc_port_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="--osc is"):
        open_sink("panel", session=object(), osc=text)


def test_osc_without_a_panel_is_refused():
    done = CliRunner().invoke(build_app(), ["live", "--from", "demo", "--to", "preview", "--osc", "9000"])
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == "--osc is of no use without a panel; add --panel"


@pytest.mark.parametrize(
    ("options", "panel"),
    [
        ([], "panel"),
        (["--port", "8500"], "panel:8500"),
        (["--host", "0.0.0.0"], "panel:0.0.0.0"),
        (["--host", "::", "--port", "8500"], "panel:[::]:8500"),
    ],
)
def test_the_command_is_a_live_run_with_a_panel(monkeypatch, options, panel):
    called = {}
    monkeypatch.setattr("nstfilter.cli.live.live", lambda **given: called.update(given))
    line = ["studio", "--from", "demo", "--no-open", "--to", "virtualcam", *options]
    done = CliRunner().invoke(build_app(), line)
    assert done.exit_code == 0, done.exception
    assert called["to"] == [panel, "virtualcam"]
    assert (called["source"], called["open_page"]) == ("demo", False)
    assert isinstance(open_sink(panel, session=object()), PanelSink)


def test_outputs_are_listed_with_what_is_missing_and_switched(run, monkeypatch, site):
    with run.client() as client:
        outputs = {one["name"]: one for one in client.get("/api/outputs").json()["outputs"]}
        assert outputs["virtualcam"]["on"] is False
        for name in ("../../film.mp4", "film.mp4", "", "panel"):
            assert client.post("/api/outputs", json={"name": name, "on": True}).status_code == 400
    sink = LatestSink()
    sink.name = "virtualcam"
    monkeypatch.setattr("nstfilter.plugins.studio.outputs.open_sink", lambda name: sink)
    with run.client() as client:
        client.post("/api/outputs", json={"name": "virtualcam", "on": True})
        wait_for(lambda: sink.count > 2)
        off = client.post("/api/outputs", json={"name": "virtualcam", "on": False}).json()["outputs"]
        assert not next(one for one in off if one["name"] == "virtualcam")["on"]
        wait_for(lambda: sink.state == "closed")


def test_the_run_goes_on_with_another_source(run):
    first = wait_for(lambda: run.out.latest is not None) and run.session.controls.plain_frame.copy()
    with run.client() as client:
        listed = {one["name"]: one["on"] for one in client.get("/api/sources").json()["sources"]}
        assert listed["camera"]
        assert not listed["demo"]
        for name in ("/etc/hostname", "film.mp4", "", "webcam:99"):
            assert client.post("/api/sources", json={"name": name}).status_code == 400
        client.post("/api/sources", json={"name": "demo"})
        assert client.get("/api/state").json()["state"]["source"] == "demo"
        # the gradient is grey, the demo is not
        wait_for(lambda: np.ptp(run.session.controls.plain_frame.mean((0, 1))) > 8)
        client.post("/api/sources", json={"name": "camera"})
        wait_for(lambda: np.ptp(run.session.controls.plain_frame.mean((0, 1))) < 1)
        shown = run.out.count
        wait_for(lambda: run.out.count > shown + 5)
    assert np.ptp(first.mean((0, 1))) < 1


def test_a_video_that_is_sent_is_seen_through_and_kept(run, tmp_path):
    film = tmp_path / "film.mp4"
    images = [np.full((180, 320, 3), (200, 30, 30), np.uint8)] * 20
    render(MemorySource(images), lambda image: image, open_sink(film))
    blue = lambda: run.session.controls.plain_frame[90, 160, 0] > 150  # noqa: E731
    with run.client() as client:
        sent = client.post("/api/sources/send", params={"name": "../holiday.mp4"}, content=film.read_bytes())
        assert sent.status_code == 200, sent.text
        (on,) = [one for one in sent.json()["sources"] if one["on"]]
        assert on == {"name": "file:holiday.mp4", "title": "holiday.mp4", "problem": "", "on": True}
        assert client.get("/api/state").json()["state"]["source"] == "holiday.mp4"
        wait_for(blue)
        assert "sees through it" in client.delete("/api/sources/file:holiday.mp4").json()["error"]
        client.post("/api/sources", json={"name": "camera"})
        wait_for(lambda: not blue())
        assert client.post("/api/sources", json={"name": "file:holiday.mp4"}).status_code == 200
        wait_for(blue)
        client.post("/api/sources", json={"name": "camera"})
        for name, content in (
            ("notes.txt", b"words"),
            ("photo.png", picture()),
            ("bad.mp4", b"\0" * 500),
            ("a.mp4", b""),
        ):
            answer = client.post("/api/sources/send", params={"name": name}, content=content)
            assert answer.status_code == 400, name
            assert str(tmp_path) not in answer.json()["error"]
        for name in ("file:../../film.mp4", f"file:{film}", str(film)):
            assert client.post("/api/sources", json={"name": name}).status_code == 400
        left = client.delete("/api/sources/file:holiday.mp4").json()["sources"]
        assert not [one for one in left if one["name"].startswith("file:")]
    assert not list((tmp_path / "user-data/studio/sources").glob("[!.]*"))


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("demo", "demo"),
        ("webcam:1", "webcam:1"),
        ("file:my film.mp4", "my film.mp4"),
        ("/shows/first.mp4", "first.mp4"),
        ("C:\\shows\\first.mp4", "first.mp4"),
        ("rtsp://user:secret@camera.local:554/stream?key=1", "rtsp://camera.local:554"),
        ("rtmp://live.example/app/secret", "rtmp://live.example"),
        ("http://[::1", "http://[::1"),
        ("rtsp://user:sec/ret@camera.local/stream", "rtsp://..."),
        ("stream:rtsp://user:secret@camera.local/key", "stream:rtsp://camera.local"),
    ],
)
def test_no_folder_and_no_key_is_on_the_page(name, seen):
    assert shown(name) == seen


def test_on_a_page_too_the_card_waits_for_no_change_and_changes_come_in_their_order(run, monkeypatch):
    busy, go, done = threading.Event(), threading.Event(), []

    def change(values):
        busy.set()
        go.wait(2 * PATIENCE)
        done.append(values["strength"])

    monkeypatch.setattr(run.panel.studio, "set", change)
    with run.socket() as socket:
        for number in range(20):
            socket.send(json.dumps({"type": "set", "values": {"strength": number}}))
        assert busy.wait(PATIENCE)
        socket.send(json.dumps({"type": "do", "action": "card"}))
        try:
            wait_for(lambda: run.session.controls.card_shown)
        finally:
            go.set()
        wait_for(lambda: len(done) == 20)
    assert done == list(range(20))


def test_the_room_is_not_seen_while_values_change_together(run, monkeypatch):
    order = []
    monkeypatch.setattr(run.session.controls, "set", lambda *changed: order.append(changed))
    run.panel.studio.set({"area": "people", "background": "blur"})
    assert order == [("background", "blur"), ("area", "people")]
    run.panel.studio.set({"background": None, "area": "all"})
    assert order[2:] == [("area", "all"), ("background", None)]


def test_a_camera_whose_address_holds_a_password_is_chosen_without_it(folders):
    secret = "rtsp://user:secret@camera.local/stream"
    with studio_run(source=secret) as run, run.client() as client:
        listed = client.get("/api/sources")
        assert "secret" not in listed.text + client.get("/api/state").text
        (camera,) = [one for one in listed.json()["sources"] if one["on"]]
        assert camera["title"] == "rtsp://camera.local"
        opened, open_source = [], run.session.open_source
        run.session.open_source = lambda target: (opened.append(target), open_source(target))[1]
        for name in ("demo", camera["name"]):
            assert client.post("/api/sources", json={"name": name}).status_code == 200
        assert opened == ["demo", secret]


def test_a_webcam_is_seen_as_in_a_mirror_by_its_user_alone(run):
    mirrored = lambda: run.panel.studio.state()["mirrors_preview"]  # noqa: E731
    assert not mirrored()
    run.session.source = "webcam:1"
    assert mirrored()
    run.session.preview_mirror = False
    assert not mirrored()


def test_a_source_that_cannot_be_opened_changes_nothing(run, monkeypatch):
    def fail(target):
        raise SourceError("the demo is out of order")

    run.session.open_source = fail
    with run.client() as client:
        answer = client.post("/api/sources", json={"name": "demo"})
        assert (answer.status_code, answer.json()["error"]) == (400, "the demo is out of order")
        assert client.get("/api/state").json()["state"]["source"] == "camera"
    shown = run.out.count
    wait_for(lambda: run.out.count > shown + 5)


def test_a_phone_gets_an_address_only_where_it_is_let_in(run, folders, monkeypatch):
    with run.client() as client:
        assert client.get("/api/addresses").json()["phone"] is None
        assert client.get("/qr.svg").status_code == 404
    monkeypatch.setattr("nstfilter.plugins.studio.server.own_address", lambda: "192.168.1.20")
    with studio_run(host="0.0.0.0") as open_run, open_run.client() as client:
        phone = client.get("/api/addresses").json()["phone"]
        assert phone == f"http://192.168.1.20:{open_run.panel.server.port}/?token={open_run.token}"
        assert client.get("/qr.svg").content.startswith(b"<svg")
        with httpx.Client(base_url=open_run.base) as stranger:
            assert stranger.get("/qr.svg").status_code == 401


def test_an_uploaded_picture_is_kept_in_a_pack_of_ones_own(run, tmp_path):
    with run.client() as client:
        first = client.post("/api/styles", params={"name": "a.png"}, content=picture()).json()
        client.patch("/api/values", json={"style": first["text"]})
        kept = client.post("/api/styles/keep", json={"key": first["key"], "name": "My G\u00e4rden"})
        assert kept.status_code == 201
        assert {"mine/ruby", "mine/my-garden"} <= {one["key"] for one in kept.json()["styles"]}
        assert first["key"] not in {one["key"] for one in kept.json()["styles"]}
        assert run.session.controls.get("style") == "mine/my-garden"
        again = client.post("/api/styles", params={"name": "b.png"}, content=picture(color=(9, 9, 9))).json()
        taken = client.post("/api/styles/keep", json={"key": again["key"], "name": "my garden"})
        assert "you have a style called" in taken.json()["error"]
        for wish in ({"key": again["key"], "name": "\u2603"}, {"key": "mine/ruby", "name": "x"}, {}):
            assert client.post("/api/styles/keep", json=wish).status_code == 400
