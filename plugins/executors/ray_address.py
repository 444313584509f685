"""Asks at a Ray cluster's address whether a cluster answers there, and whether it lets us in.

`ray.init` itself tries for up to six minutes, and says no more than that it could not connect.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import grpc

from nstfilter.errors import NstfilterError

TIMEOUT = 10.0  # seconds that a cluster has to answer
CALL = "/ray.rpc.NodeInfoGcsService/CheckAlive"


def check(address: str) -> None:
    """Return when a Ray cluster answers at `address`, HOST:PORT or ray://HOST:PORT; anything else is left to
    Ray. Raises `NstfilterError` after `TIMEOUT` seconds at the latest.

    A cluster may want a token, and Ray sends one only where RAY_AUTH_MODE says so: if the cluster accepts the
    token that is at hand, that variable is set here. Ray reads it while it is imported.
    """
    found = re.fullmatch(r"(?:ray://)?(\[.+\]|[^\[\]]+):(\d+)", address)
    if not found:
        return
    place = f"{found[1]}:{found[2]}"
    problem = _call(place, None)
    if problem and problem.code() == grpc.StatusCode.UNAUTHENTICATED:
        token, origin = _token()
        if not token:
            raise NstfilterError(
                f"the Ray cluster at {address} wants a token; put it into the variable RAY_AUTH_TOKEN or the "
                "file ~/.ray/auth_token (on the cluster's head, ray get-auth-token prints it)"
            )
        problem = _call(place, token)
        if problem and problem.code() == grpc.StatusCode.UNAUTHENTICATED:
            raise NstfilterError(
                f"the Ray cluster at {address} wants another token than the one in {origin}; "
                "on the cluster's head, ray get-auth-token prints it"
            )
        os.environ["RAY_AUTH_MODE"] = "token"
    if problem and problem.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        raise NstfilterError(
            f"what listens at {address} has not answered for {TIMEOUT:g} seconds; is it a Ray cluster, and "
            "is it well (ray status on its head)?"
        )
    if problem and problem.code() == grpc.StatusCode.UNAVAILABLE:
        raise NstfilterError(
            f"no Ray cluster answers at {address} ({_reason(problem)}); ray start --head begins one"
        )


def _call(place: str, token: str | None) -> grpc.Call | None:
    """None where the call is answered, else what came of it."""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(place, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary(CALL)(b"", timeout=TIMEOUT, metadata=metadata)
        except grpc.RpcError as error:
            return error  # which is a Call too
    return None


def _token() -> tuple[str, str]:
    """The token that Ray would send, and where it is from; empty where there is none."""
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token, "RAY_AUTH_TOKEN"
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    try:
        return path.read_text().strip(), str(path)
    except (OSError, UnicodeDecodeError):
        return "", ""


def _reason(problem: grpc.Call) -> str:
    """The last of what gRPC says, without the addresses it tried."""
    details = problem.details() or "no reason given"
    if "HTTP" in details:
        return "what listens there speaks another protocol"
    return details.rpartition(": ")[2].rstrip("]")
