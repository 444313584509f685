"""Who may talk to the panel: a token, and checks of the headers that a browser cannot be made to forge."""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import platformdirs
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OLD_ADDRESS = (
    "This address is not complete. Open the one that nstfilter printed in the terminal: it ends with a token."
)


def state_folder() -> Path:
    """The folder for what the panel keeps from one run to the next; NSTFILTER_STATE_DIR moves it."""
    base = os.environ.get("NSTFILTER_STATE_DIR") or platformdirs.user_state_dir("nstfilter", appauthor=False)
    return Path(base) / "studio"


def load_token() -> str:
    """The token of this user, 128 random bits. It is made once and kept in a file that only the user can
    read, so that a page, a phone or a button that knew it yesterday finds the panel again today."""
    path = state_folder() / "token"
    try:
        token = path.read_text("ascii").strip()
        if re.fullmatch(r"[\w-]{22,64}", token):
            return token
    except (OSError, UnicodeDecodeError):
        pass
    token = secrets.token_urlsafe(16)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(token + "\n")
    except OSError:
        pass  # a token for this run only
    return token


class Guard:
    """ASGI middleware: lets a request through to `app` when

    - its Host is an address, `localhost` or this computer's name: a page of another site that was rebound to
      127.0.0.1 by DNS still sends its own name;
    - its Origin, where there is one and the request can change something, is the panel's own;
    - it brings the token, as a cookie, as `Authorization: Bearer TOKEN` or as `?token=TOKEN`.

    Paths below `public` hold nothing of the user's and need no token. Every answer gets the headers that keep
    the page from loading anything from elsewhere. The token never goes to a log: uvicorn's is off.
    """

    def __init__(self, app: ASGIApp, token: str, cookie: Callable[[], str], public: str) -> None:
        self.app, self.token, self.cookie, self.public = app, token, cookie, public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        queried = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        problem = self._problem(scope, headers, queried)
        # a stranger's Host is not repeated
        extra = security_headers("" if problem else headers.get("host", ""))
        if problem:
            problem.raw_headers += extra
            await problem(scope, receive, send)
            return
        if scope["path"] == "/" and self._is_token(queried):
            cookie = f"{self.cookie()}={self.token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000"
            extra.append((b"set-cookie", cookie.encode()))

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        await self.app(scope, receive, with_headers)

    def _problem(self, scope: Scope, headers: Headers, queried: str) -> Response | None:
        host = headers.get("host", "")
        if not is_own_name(host):
            return PlainTextResponse("This is not the panel's address.", 421)
        origin = headers.get("origin")
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if changes and origin is not None and origin != f"http://{host}":
            return PlainTextResponse("Requests from other sites are not answered.", 403)
        if scope["type"] == "http" and scope["path"].startswith(self.public):
            return None
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        cookie = cookie_parser(headers.get("cookie", "")).get(self.cookie(), "")
        if not any(self._is_token(given) for given in (cookie, bearer, queried)):
            return PlainTextResponse(OLD_ADDRESS, 401)
        return None

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())


def security_headers(host: str) -> list[tuple[bytes, bytes]]:
    """What every answer carries: the page may load nothing from elsewhere, and open a socket to `host` alone,
    to none where that is empty."""
    socket_address = f" ws://{host}" if host else ""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        f"media-src 'self' blob:; connect-src 'self'{socket_address}; manifest-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return [
        (b"content-security-policy", policy.encode("latin-1", "replace")),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
    ]


def is_own_name(host: str) -> bool:
    """Whether `host`, a Host header, is an address or a name of this computer, with or without a port."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::\d{1,5})?", host, re.ASCII)
    if not match:
        return False
    name = match[1].strip("[]").lower().rstrip(".")
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        here = socket.gethostname().lower()
        return name in ("localhost", here, f"{here.partition('.')[0]}.local")
