"""The panel's web server: a page and a socket, in a thread of its own; the rest is in `api`.

GET    /                     the page
WS     /socket               state and commands as JSON, frames as binary messages
GET    /stream.mjpg          the painted picture, for OBS and others
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from nstfilter.errors import NstfilterError, SinkError, UsageError
from nstfilter.plugins.studio.access import Guard
from nstfilter.plugins.studio.api import Api, refuse
from nstfilter.plugins.studio.outputs import own_address
from nstfilter.plugins.studio.preview import SHOWS, Viewer
from nstfilter.plugins.studio.stream import StreamSink
from nstfilter.plugins.studio.studio import Studio, error_line
from nstfilter.plugins.studio.uploads import TooLargeError

if TYPE_CHECKING:
    from nstfilter.plugins.studio.osc import Osc

PAGE = Path(__file__).parent / "page"
VERSION = 1  # of the messages on the socket
# seconds between two looks at whether the state has changed, and between two messages of figures
LOOK, FIGURES = 0.1, 0.5
# seconds after which a picture that stands still is sent again: players want to hear something
REPEAT = 1.0
# bytes of a message from a page, and how many are worked on; pages at once; lines that wait for a slow page
MAX_MESSAGE, MAX_TASKS, MAX_PAGES, MAX_WAITING = 65_536, 256, 16, 8

log = logging.getLogger("nstfilter")


class Page:
    """One open page: what it is still to be sent. Of each kind only the newest waits, and of what the run
    says the latest few lines."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.viewer = Viewer(self._frame_from_the_sink)
        self.turn = asyncio.Lock()  # changes are made one after the other
        self._loop = loop
        self._waiting: dict[str, str | bytes] = {}
        self._messages: deque[str] = deque(maxlen=MAX_WAITING)  # none replaces another
        self._wake = asyncio.Event()

    def put(self, message: dict[str, Any]) -> None:
        """In the server's loop."""
        if message["type"] == "message":
            self._messages.append(json.dumps(message))
        else:
            self._waiting[message["type"]] = json.dumps(message)
        self._wake.set()

    def _frame_from_the_sink(self, data: bytes) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._frame, data)

    def _frame(self, data: bytes) -> None:
        self._waiting["frame"] = data
        self._wake.set()

    async def send_to(self, websocket: WebSocket) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting or self._messages:
                if self._waiting:
                    message = self._waiting.pop(next(iter(self._waiting)))
                else:
                    message = self._messages.popleft()
                if isinstance(message, bytes):
                    await websocket.send_bytes(message)
                else:
                    await websocket.send_text(message)


class Server:
    """Serves `studio` at `host`:`port` to those who know `token`.

    `port`  0 for any that is free. Raises `SinkError` where it cannot be had.
    """

    def __init__(self, studio: Studio, token: str, host: str = "127.0.0.1", port: int = 0) -> None:
        self.studio, self.token, self.host = studio, token, host
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self.pages: set[Page] = set()
        self.osc: Osc | None = None  # the sink sets it
        self._stream_sink: StreamSink | None = None
        self._api = Api(studio, self._tell_changes)
        self._state: dict[str, Any] = {}
        self._renders: list[dict[str, Any]] = []
        self._version = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        config = uvicorn.Config(
            self.app(),
            log_config=None,
            access_log=False,  # addresses hold the token
            log_level="error",
            ws_max_size=MAX_MESSAGE,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=3,  # longer than a reader of the stream takes to notice the end
            limit_concurrency=128,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="nstfilter-studio-server", daemon=True)
        studio.gallery.wanted = self._looking

    @property
    def address(self) -> str:
        """What to open in the browser on this computer."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/?token={self.token}"

    def start(self) -> None:
        """Returns once pages are answered. Raises `SinkError` where that fails."""
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.005)
        if not self._server.started:
            raise SinkError(f"the panel cannot be served at {self.host}:{self.port}; the log says why")

    def stop(self) -> None:
        """Say goodbye to every page and close the port, soon; at once where it was never started."""
        self.tell({"type": "ended"})
        self._server.should_exit = True
        if not self._thread.is_alive():
            self._socket.close()

    def tell(self, message: dict[str, Any]) -> None:
        """Send `message` to every page; from any thread."""
        if self._loop:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._put, message)

    def _run(self) -> None:
        try:
            self._server.run([self._socket])
        finally:
            self._socket.close()

    def _put(self, message: dict[str, Any]) -> None:
        for page in self.pages:
            page.put(message)

    def _looking(self) -> bool:
        return any(page.viewer.width for page in list(self.pages))

    # the application

    def app(self) -> ASGIApp:
        routes = [
            Route("/", self._index),
            Mount("/page", _Uncached(directory=PAGE)),
            WebSocketRoute("/socket", self._serve_page),
            Route("/stream.mjpg", self._stream),
            Route("/thumbs/{key:path}", self._thumbnail),
            *self._api.routes(),
            Route("/api/addresses", self._addresses),
            Route("/api/osc", self._osc_addresses),
            Route("/qr.svg", self._qr),
        ]
        starlette = Starlette(
            routes=routes,
            lifespan=self._lifespan,
            exception_handlers={NstfilterError: refuse, TooLargeError: refuse, ClientDisconnect: _gone},
        )
        return Guard(starlette, self.token, lambda: f"nstfilter-{self.port}", "/page/")

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            self._loop = None

    async def _watch(self) -> None:
        """Keep every page in step with whoever else changes something: keys, OSC, another page."""
        due = 0.0
        while True:
            await asyncio.sleep(LOOK)
            if not self.pages:
                continue
            try:
                self._tell_changes()
                if (now := time.monotonic()) >= due:
                    due = now + FIGURES
                    thumbs = {key: one.version for key, one in self.studio.gallery.thumbnails.items()}
                    self._put({"type": "stats", "stats": self.studio.stats(), "thumbs": thumbs})
            except Exception:
                log.exception("the panel's pages could not be updated")
                await asyncio.sleep(5)

    def _tell_changes(self) -> None:
        self._update()
        self._put_renders()

    def _update(self) -> None:
        state = self.studio.state()
        if state != self._state:
            if state["gallery"] != self._state.get("gallery"):
                self._put({"type": "styles", "styles": self.studio.gallery.facts()})
            self._state = state
            self._version += 1
            self._put({"type": "state", "number": self._version, "state": state})

    # pages

    async def _index(self, request: Request) -> Response:
        return FileResponse(PAGE / "index.html", headers={"cache-control": "no-store"})

    def _put_renders(self) -> None:
        """Tell every page about the queue, where it has changed."""
        facts = self.studio.renders.facts()
        if facts != self._renders:
            self._renders = facts
            self._put({"type": "renders", "renders": facts})

    async def _serve_page(self, websocket: WebSocket) -> None:
        await websocket.accept()
        if len(self.pages) >= MAX_PAGES:
            await websocket.send_text(json.dumps({"type": "full", "pages": MAX_PAGES}))
            await websocket.close(1013)
            return
        page = Page(asyncio.get_running_loop())
        page.viewer.ready = False  # until it says what it shows
        self._update()  # the other pages have not heard of the latest change yet
        self.pages.add(page)
        page.put(
            {
                "type": "hello",
                "version": VERSION,
                "parameters": self.studio.parameters(),
                "styles": self.studio.gallery.facts(),
                "number": self._version,
                "state": self._state,
                "stats": self.studio.stats(),
                "renders": self.studio.renders.facts(),
            }
        )
        self.studio.preview.add(page.viewer)
        self.studio.gallery.refresh()
        sender = asyncio.create_task(page.send_to(websocket))
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                if len(tasks) >= MAX_TASKS:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                tasks.add(task := asyncio.create_task(self._receive(page, message.get("text"))))
                task.add_done_callback(tasks.discard)
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self.pages.discard(page)
            self.studio.preview.remove(page.viewer)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await sender

    async def _receive(self, page: Page, text: str | None) -> None:
        try:
            message = json.loads(text or "")
            kind = message["type"]
            if kind == "ack":
                page.viewer.ready = page.viewer.width > 0
            elif kind == "view":
                page.viewer.width = min(3840, max(0, int(message["width"])))
                page.viewer.show = message["show"] if message["show"] in SHOWS else "painted"
                page.viewer.sent = ()
                page.viewer.ready = page.viewer.width > 0
            elif kind == "set":
                async with page.turn:
                    await run_in_threadpool(self.studio.set, message["values"])
                self._update()
            elif kind == "do":
                action = str(message["action"])
                on = True if message.get("on") else None
                # the card waits for no style that is embedded and no snapshot that is written
                async with contextlib.nullcontext() if action in ("card", "mute") else page.turn:
                    await run_in_threadpool(self.studio.do, action, on)
                self._update()
            elif kind == "refresh":
                self.studio.gallery.refresh()
        except (ValueError, OverflowError, TypeError, KeyError, AttributeError, RecursionError):
            page.put(
                {"type": "message", "level": "error", "text": "the page sent what is not understood here"}
            )
        except NstfilterError as error:
            page.put({"type": "message", "level": "error", "text": error_line(error)})
            page.put({"type": "state", "number": self._version, "state": self._state})

    # where else it can be found

    def phone_address(self) -> str | None:
        """The page's address for other devices, where they are let in."""
        host = {"0.0.0.0": own_address(), "": own_address(), "::": own_address()}.get(self.host, self.host)
        if host is None or host == "localhost" or host.startswith("127.") or host == "::1":
            return None
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/?token={self.token}"

    async def _addresses(self, request: Request) -> Response:
        page = self.address
        stream = page.replace("/?", "/stream.mjpg?")
        return JSONResponse({"page": page, "stream": stream, "phone": self.phone_address()})

    async def _osc_addresses(self, request: Request) -> Response:
        from nstfilter.plugins.studio.osc import addresses

        osc = {"host": self.osc.host, "port": self.osc.port} if self.osc else None
        return JSONResponse({"osc": osc, "addresses": addresses()})

    async def _qr(self, request: Request) -> Response:
        import segno

        address = self.phone_address()
        if address is None:
            return Response(status_code=404)
        svg = segno.make(address, error="m").svg_inline(scale=4, border=2, dark="#131211", light="#ffffff")
        svg = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        return Response(svg, media_type="image/svg+xml", headers={"cache-control": "no-store"})

    # pictures

    async def _thumbnail(self, request: Request) -> Response:
        data = await run_in_threadpool(self.studio.gallery.jpeg, request.path_params["key"])
        if data is None:
            return Response(status_code=404)
        # the address carries the version
        return Response(data, media_type="image/jpeg", headers={"cache-control": "private, max-age=600"})

    def _add_reader(self, viewer: Viewer) -> StreamSink:
        """All readers share one sink, which is there while one of them is."""
        if self._stream_sink is None:
            self._stream_sink = StreamSink()
            self.studio.session.live.add(self._stream_sink)
        self._stream_sink.preview.add(viewer)
        return self._stream_sink

    def _remove_reader(self, sink: StreamSink, viewer: Viewer) -> None:
        sink.preview.remove(viewer)
        if not sink.preview.viewers and sink is self._stream_sink:
            self.studio.session.live.remove(sink)
            self._stream_sink = None

    async def _stream(self, request: Request) -> Response:
        width = _number(request.query_params.get("width", "960"), 64, 3840)
        loop = asyncio.get_running_loop()
        wake: asyncio.Queue[bytes] = asyncio.Queue()

        def send(data: bytes) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(wake.put_nowait, data)

        viewer = Viewer(send, width)

        async def frames() -> AsyncIterator[bytes]:
            sink = self._add_reader(viewer)
            try:
                part = b""
                while not self._server.should_exit:
                    with contextlib.suppress(TimeoutError):
                        part = (await asyncio.wait_for(wake.get(), REPEAT))[8:]
                    if not part:
                        continue
                    yield b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(part)
                    yield part + b"\r\n"
                    viewer.ready = True
            finally:
                self._remove_reader(sink, viewer)

        kind = "multipart/x-mixed-replace; boundary=frame"
        return StreamingResponse(frames(), media_type=kind, headers={"cache-control": "no-store"})


class _Uncached(StaticFiles):
    """The page's files: always asked for again, for they change with the program and not with the address."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response


def _gone(request: Request, error: Exception) -> Response:
    """For a page that was closed in the middle of an upload: no failure, and nobody reads it."""
    return Response(status_code=499)


def _number(text: str, low: int, high: int) -> int:
    try:
        return min(high, max(low, int(text)))
    except ValueError:
        raise UsageError(f"{text!r} is not a whole number") from None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if os.name != "nt":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # now, for two programs can bind one port, and only the first of them can listen
    except (OSError, OverflowError) as error:
        listener.close()
        why = getattr(error, "strerror", None) or error
        raise SinkError(
            f"the panel cannot be served at {host}:{port}: {why}; choose another --host or --port"
        ) from None
    listener.set_inheritable(False)
    return listener
