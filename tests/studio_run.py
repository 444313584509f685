"""A live run with a panel, for tests: painted by the model whose results tests can work out by hand."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect

from nstfilter.errors import UsageError
from nstfilter.filter import StyleFilter
from nstfilter.live.controls import Controls
from nstfilter.live.live import Live
from nstfilter.live.recordings import Recordings
from nstfilter.live.session import Session
from nstfilter.manager import open_source
from nstfilter.plugins.studio.sink import PanelSink
from nstfilter.streams import Frame, Sink, Source, StreamInfo
from nstfilter.testing import FakeModel

STYLES = ("ruby", "jade", "coal")
# seconds in which what must come has come on any machine; nothing waits as long where all is well
PATIENCE = 120
FAKE_MODEL = """
@hookimpl
def register_models(register):
    register("fake", lambda target, *, threads=None: FakeModel())
"""


class LatestSink(Sink):
    """Stands for what others see: it keeps the latest frame."""

    def __init__(self) -> None:
        super().__init__()
        self.latest: np.ndarray | None = None
        self.count = 0

    def _open(self, info: StreamInfo) -> None: ...

    def _write(self, frame: Frame) -> None:
        self.latest = frame.image
        self.count += 1

    def _close(self) -> None: ...


class Camera(Source):
    """A gradient that moves: 320x180, 30 frames a second, without end; gray, or with a `tint` (BGR)."""

    def __init__(self, tint: tuple[int, int, int] = (0, 0, 0)) -> None:
        super().__init__()
        self.tint = np.array(tint)
        self.info = StreamInfo(320, 180, Fraction(1, 30), Fraction(30))

    def _frames(self) -> Iterator[Frame]:
        slope = np.linspace(40, 200, 320)[None, :, None]
        image = np.broadcast_to((slope + self.tint) / (1 + self.tint.any()), (180, 320, 3)).astype(np.uint8)
        for number in itertools.count():
            yield Frame(np.roll(image, 4 * number, axis=1), pts=number)


@dataclass
class Run:
    address: str
    session: Session
    out: LatestSink
    panel: PanelSink

    @property
    def base(self) -> str:
        return self.address.partition("/?")[0]

    @property
    def token(self) -> str:
        return self.address.rpartition("=")[2]

    def client(self, **options: Any) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return httpx.Client(base_url=self.base, headers=headers, timeout=PATIENCE, **options)

    def socket(self) -> ClientConnection:
        where = self.base.replace("http", "ws") + "/socket"
        headers = {"authorization": f"Bearer {self.token}"}
        # a test that has not read all it was sent does not wait for the server's goodbye
        options = {"compression": None, "open_timeout": PATIENCE, "close_timeout": 1}
        return connect(where, additional_headers=headers, **options)


@contextmanager
def studio_run(
    paint: StyleFilter | None = None,
    *,
    source: str = "camera",
    model: str = "fake",
    styles: tuple[str, ...] = STYLES,
    host: str = "127.0.0.1",
    port: int | None = 0,
    osc: tuple[str, int] | None = None,
) -> Iterator[Run]:
    """A run in a thread; it has ended when this ends, with everything that belonged to it. The fixture
    `patient` is for it."""
    before = set(threading.enumerate())
    there = threading.Event()
    addresses: list[str] = []

    def on_address(address: str) -> None:
        addresses.append(address)
        there.set()

    session = Session(source, model, on_address=on_address)
    paint = paint or StyleFilter(styles[0], model=FakeModel())
    session.controls = Controls(paint, styles, say=session.say)
    out, panel = LatestSink(), PanelSink(session, host, port, osc)
    panel.name = "panel"
    session.open_source = lambda target: (
        Camera() if target == "camera" else Camera((90, 30, 160)) if target == "demo" else open_video(target)
    )
    camera = session.open_source(source)
    session.live = Live(camera, session.controls, [out, panel], rate=Fraction(30), say=session.say)
    session.controls.on_air = lambda: session.live.on_air
    session.recordings = Recordings(session.live, session.controls)
    session.controls.handlers |= {
        "snapshot": session.recordings.snapshot,
        "record": session.recordings.record,
        "quit": session.live.stop,
    }
    errors: list[BaseException] = []

    def work() -> None:
        try:
            session.live.run()
        except BaseException as error:
            errors.append(error)
            there.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert there.wait(PATIENCE)
        if errors:
            raise errors[0]
        yield Run(addresses[0], session, out, panel)
    finally:
        session.live.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
    for one in set(threading.enumerate()) - before:
        if one.name.startswith("nstfilter-studio"):
            one.join(PATIENCE)
            assert not one.is_alive(), one.name


def open_video(path: str) -> Source:
    if "://" in path:
        return Camera()
    opened = open_source(path)
    if opened.info.still:
        opened.close()
        raise UsageError(f"{path} is a picture; nstfilter apply paints those")
    return opened


def wait_for(what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What `what` gives once that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come")


def prepare(folder: Path, make_pack: Any, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run with a panel needs: three styles and the model "fake", in an empty folder."""
    make_pack(folder / "user-data" / "styles" / "mine", *STYLES)
    site("fakemodel", FAKE_MODEL)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("nstfilter.plugins.studio.outputs.PATIENCE", 5 * PATIENCE)
    not_behind_others(monkeypatch)


def not_behind_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and thumbnails are painted after all else on the computer; on a busy one that would be never."""
    monkeypatch.setattr(os, "setpriority", lambda *_: None, raising=False)
    monkeypatch.setattr("nstfilter.plugins.studio.renders.PATIENCE", PATIENCE)
