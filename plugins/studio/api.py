"""The panel's HTTP API: what the page does, for buttons, scripts and other programs too.

GET    /api/state            values, style, files, figures
GET    /api/parameters       every value, with its type and range
PATCH  /api/values           {"strength": 0.6}
POST   /api/do/ACTION        card, plain, record, snapshot, next, previous, ...
GET    /api/styles           the gallery;  POST ?name=NAME, a picture as the body: a new style
GET    /api/presets          the presets;  POST {"name": "Evening", "slot": 1}: the look of the moment
POST   /api/presets/KEY/apply
GET    /api/renders          the queue;    POST ?name=NAME, a file as the body: painted with this look
POST   /api/renders/KEY/pause, /api/renders/KEY/resume;  GET /renders/KEY/result
GET    /api/sources          cameras, the demo, videos that were sent;  POST {"name": "webcam:1"}
POST   /api/sources/send     ?name=NAME, a video as the body: kept, and seen through
DELETE /api/sources/file:NAME
GET    /api/outputs          where the frames go;  POST {"name": "virtualcam", "on": true}
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from nstfilter.errors import UsageError
from nstfilter.plugins.studio.outputs import ask_doctor, list_outputs, switch_output
from nstfilter.plugins.studio.renders import MAX_FILE
from nstfilter.plugins.studio.sources import FILE, list_sources, remove_video, switch_source
from nstfilter.plugins.studio.studio import Studio, error_line
from nstfilter.plugins.studio.uploads import MAX_PICTURE, TooLargeError, plain_name, receive

# bytes of a JSON body; pictures, and files to paint, received at once
MAX_BODY, MAX_UPLOADS = 65_536, 2


class Api:
    """The routes. `changed` is called in the server's loop when pages are to be told of a change."""

    def __init__(self, studio: Studio, changed: Callable[[], None]) -> None:
        self._studio, self._changed = studio, changed
        # apart, so that a picture need not wait for two films
        self._pictures, self._films = asyncio.Semaphore(MAX_UPLOADS), asyncio.Semaphore(MAX_UPLOADS)

    def routes(self) -> list[Route]:
        return [
            Route("/files/{key}", self._file),
            Route("/api/state", self._get_state),
            Route("/api/parameters", self._get_parameters),
            Route("/api/values", self._set_values, methods=["PATCH", "POST"]),
            Route("/api/do/{action}", self._do, methods=["POST"]),
            Route("/api/styles", self._get_styles, methods=["GET"]),
            Route("/api/styles", self._add_style, methods=["POST"]),
            Route("/api/renders", self._get_renders, methods=["GET"]),
            Route("/api/renders", self._add_render, methods=["POST"]),
            Route("/api/renders/{key}/{action}", self._do_render, methods=["POST"]),
            Route("/api/renders/{key}", self._remove_render, methods=["DELETE"]),
            Route("/renders/{key}/{what}", self._render_file),
            Route("/api/styles/keep", self._keep_style, methods=["POST"]),
            Route("/api/sources", self._get_sources, methods=["GET"]),
            Route("/api/sources", self._switch_source, methods=["POST"]),
            Route("/api/sources/send", self._send_video, methods=["POST"]),
            Route("/api/sources/{name}", self._remove_video, methods=["DELETE"]),
            Route("/api/outputs", self._get_outputs, methods=["GET"]),
            Route("/api/outputs", self._switch_output, methods=["POST"]),
            Route("/api/doctor", self._doctor),
            Route("/api/presets", self._get_presets, methods=["GET"]),
            Route("/api/presets", self._save_preset, methods=["POST"]),
            Route("/api/presets/import", self._import_preset, methods=["POST"]),
            Route("/api/presets/{key}.toml", self._export_preset, methods=["GET"]),
            Route("/api/presets/{key}/apply", self._apply_preset, methods=["POST"]),
            Route("/api/presets/{key}", self._change_preset, methods=["PATCH", "DELETE"]),
        ]

    async def _file(self, request: Request) -> Response:
        path = self._studio.file(request.path_params["key"])
        return FileResponse(path, filename=path.name)

    async def _get_state(self, request: Request) -> Response:
        return JSONResponse({"state": self._studio.state(), "stats": self._studio.stats()})

    async def _get_parameters(self, request: Request) -> Response:
        return JSONResponse({"parameters": self._studio.parameters()})

    async def _set_values(self, request: Request) -> Response:
        values = await _object(request)
        await run_in_threadpool(self._studio.set, values)
        self._changed()
        return JSONResponse({"values": self._studio.values()})

    async def _do(self, request: Request) -> Response:
        await run_in_threadpool(self._studio.do, request.path_params["action"])
        self._changed()
        return JSONResponse({"state": self._studio.state()})

    async def _get_styles(self, request: Request) -> Response:
        return JSONResponse({"styles": self._studio.gallery.facts()})

    async def _add_style(self, request: Request) -> Response:
        name = plain_name(request.query_params.get("name", "picture"))
        style = await self._with_upload(request, MAX_PICTURE, partial(self._studio.uploads.add, name=name))
        await run_in_threadpool(self._studio.gallery.reload)
        self._changed()
        key = f"upload/{style.path.parent.name}"
        return JSONResponse(self._studio.gallery.thumbnails[key].facts(), 201)

    async def _get_presets(self, request: Request) -> Response:
        return JSONResponse({"presets": self._studio.presets.facts()})

    async def _save_preset(self, request: Request) -> Response:
        wish = await _object(request)
        saved = await run_in_threadpool(self._studio.save_preset, wish.get("name", ""), wish.get("slot"))
        self._changed()
        return JSONResponse(saved.facts(), 201)

    async def _import_preset(self, request: Request) -> Response:
        saved = await run_in_threadpool(self._studio.presets.add, await _body(request))
        self._changed()
        return JSONResponse(saved.facts(), 201)

    async def _export_preset(self, request: Request) -> Response:
        preset = self._studio.presets.get(request.path_params["key"])
        # a file that the user has put there may be called anything
        headers = {"content-disposition": f"attachment; filename*=utf-8''{quote(preset.key, safe='')}.toml"}
        return Response(preset.toml(), media_type="application/toml", headers=headers)

    async def _apply_preset(self, request: Request) -> Response:
        preset = self._studio.presets.get(request.path_params["key"])
        await run_in_threadpool(self._studio.set, preset.values)
        self._changed()
        return JSONResponse({"values": self._studio.values()})

    async def _change_preset(self, request: Request) -> Response:
        key = request.path_params["key"]
        if request.method == "DELETE":
            await run_in_threadpool(self._studio.presets.remove, key)
        else:
            wish = await _object(request)
            values = self._studio.portable_values() if wish.get("current") else None
            change = partial(self._studio.presets.change, key, name=wish.get("name"), values=values)
            await run_in_threadpool(change)
        self._changed()
        return JSONResponse({"presets": self._studio.presets.facts()})

    async def _keep_style(self, request: Request) -> Response:
        wish = await _object(request)
        key, name = str(wish.get("key", "")), str(wish.get("name", ""))
        await run_in_threadpool(self._studio.keep_style, key, name)
        self._changed()
        return JSONResponse({"styles": self._studio.gallery.facts()}, 201)

    async def _get_sources(self, request: Request) -> Response:
        sources = await run_in_threadpool(list_sources, self._studio.session, self._studio.videos)
        return JSONResponse({"sources": sources})

    async def _switch_source(self, request: Request) -> Response:
        name = str((await _object(request)).get("name"))
        await run_in_threadpool(switch_source, self._studio.session, self._studio.videos, name)
        self._changed()
        return await self._get_sources(request)

    async def _send_video(self, request: Request) -> Response:
        videos, name = self._studio.videos, plain_name(request.query_params.get("name", ""), "video")
        await run_in_threadpool(videos.check, name, _claimed(request, MAX_FILE))
        async with self._films:
            path = await run_in_threadpool(videos.scratch.new)
            try:
                await receive(request.stream(), path, MAX_FILE)
                await run_in_threadpool(self._see_through, path, name)
            finally:
                path.unlink(missing_ok=True)
        self._changed()
        return await self._get_sources(request)

    def _see_through(self, path: Path, name: str) -> None:
        """Keep the video at `path`, if it is one, and go on with it."""
        videos = self._studio.videos
        kept = videos.add(path, name)
        try:
            switch_source(self._studio.session, videos, FILE + kept)
        except BaseException:
            videos.remove(kept)
            raise

    async def _remove_video(self, request: Request) -> Response:
        name = request.path_params["name"]
        await run_in_threadpool(remove_video, self._studio.session, self._studio.videos, name)
        return await self._get_sources(request)

    async def _get_outputs(self, request: Request) -> Response:
        return JSONResponse({"outputs": await run_in_threadpool(list_outputs, self._studio.session)})

    async def _switch_output(self, request: Request) -> Response:
        wish = await _object(request)
        switch = partial(switch_output, self._studio.session, str(wish.get("name")), wish.get("on") is True)
        await run_in_threadpool(switch)
        self._changed()
        return JSONResponse({"outputs": await run_in_threadpool(list_outputs, self._studio.session)})

    async def _doctor(self, request: Request) -> Response:
        return JSONResponse({"checks": await run_in_threadpool(ask_doctor)})

    async def _get_renders(self, request: Request) -> Response:
        return JSONResponse({"renders": self._studio.renders.facts()})

    async def _add_render(self, request: Request) -> Response:
        renders, name = self._studio.renders, plain_name(request.query_params.get("name", ""))
        await run_in_threadpool(renders.check, name, _claimed(request, MAX_FILE))
        look = self._studio.values()
        async with self._films:
            folder = await run_in_threadpool(renders.new_folder)
            try:
                await receive(request.stream(), folder / "upload", MAX_FILE)
                render = await run_in_threadpool(renders.add, folder, name, self._studio.look(), look)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        self._changed()
        return JSONResponse({"key": render.key}, 201)

    async def _do_render(self, request: Request) -> Response:
        acts = {"pause": self._studio.renders.pause, "resume": self._studio.renders.resume}
        act = acts.get(request.path_params["action"])
        if act is None:
            raise UsageError(f"expected one of {', '.join(acts)}")
        await run_in_threadpool(act, request.path_params["key"])
        self._changed()
        return JSONResponse({"renders": self._studio.renders.facts()})

    async def _remove_render(self, request: Request) -> Response:
        await run_in_threadpool(self._studio.renders.remove, request.path_params["key"])
        self._changed()
        return JSONResponse({"renders": self._studio.renders.facts()})

    async def _render_file(self, request: Request) -> Response:
        key, what = request.path_params["key"], request.path_params["what"]
        if what == "result":
            path = self._studio.renders.output(key)
            return FileResponse(path, filename=path.name)
        if what not in ("before.jpg", "after.jpg"):
            return Response(status_code=404)
        data = await run_in_threadpool(self._studio.renders.still, key, what == "after.jpg")
        return Response(data, media_type="image/jpeg", headers={"cache-control": "private, max-age=600"})

    async def _with_upload(self, request: Request, limit: int, use: Callable[[Path], Any]) -> Any:
        """What `use` makes of the request's body, a file."""
        _claimed(request, limit)
        async with self._pictures:
            with tempfile.TemporaryDirectory(prefix="nstfilter-studio-") as folder:
                path = Path(folder, "upload")
                await receive(request.stream(), path, limit)
                return await run_in_threadpool(use, path)


def refuse(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": error_line(error)}, 413 if isinstance(error, TooLargeError) else 400)


def _claimed(request: Request, limit: int) -> int:
    """How many bytes the request says that it brings, 0 where it does not. Raises `TooLargeError`."""
    claimed = int(request.headers.get("content-length", "0") or 0)
    if claimed > limit:
        raise TooLargeError(f"the file is larger than {limit // 1_000_000} MB")
    return claimed


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise TooLargeError("the request is larger than 64 kB")
    return body


async def _object(request: Request) -> dict[str, Any]:
    try:
        read = json.loads(await _body(request))
    except (ValueError, RecursionError):
        raise UsageError("the request's body is not JSON") from None
    if not isinstance(read, dict):
        raise UsageError('the request\'s body is no object; expected something like {"strength": 0.6}')
    return read
