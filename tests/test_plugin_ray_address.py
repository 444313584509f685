"""What is said of a Ray cluster's address: servers of gRPC that answer as Ray does, and one real cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

grpc = pytest.importorskip("grpc", reason="gRPC is not installed (pip install grpcio)")

from nstfilter.errors import NstfilterError  # noqa: E402
from nstfilter.plugins.executors import ray_address  # noqa: E402
from nstfilter.plugins.executors.ray_address import CALL, check  # noqa: E402

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def no_token_of_this_computer(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "")  # so that it is put back


class Answers(grpc.GenericRpcHandler):
    """What Ray answers, to who has the token if there is one."""

    def __init__(self, token):
        self.token = token

    def service(self, details):
        if details.method != CALL:
            return None
        allowed = not self.token or ("authorization", f"Bearer {self.token}") in details.invocation_metadata

        def answer(request, context):
            if not allowed:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken: missing or incorrect")
            return b"\n\x00"

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def server(monkeypatch):
    """Starts a server, and gives its address."""
    monkeypatch.setattr(ray_address, "TIMEOUT", 120)  # on a busy machine it answers late
    started = []

    def start(token=None):
        made = grpc.server(ThreadPoolExecutor(1), handlers=[Answers(token)])
        port = made.add_insecure_port("127.0.0.1:0")
        made.start()
        started.append(made)
        return f"127.0.0.1:{port}"

    yield start
    for made in started:
        made.stop(None).wait()


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def address_of(listener):
    return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("prefix", ["", "ray://"])
def test_a_cluster_that_answers_is_fine(server, prefix):
    check(prefix + server())
    assert not os.environ["RAY_AUTH_MODE"]


@pytest.mark.parametrize("address", ["auto", "local", "a cluster", ""])
def test_what_is_no_address_is_left_to_ray(address):
    check(address)


def test_a_cluster_that_wants_a_token_says_so(server):
    address = server(TOKEN)
    with pytest.raises(NstfilterError, match=f"the Ray cluster at {address} wants a token; put it into"):
        check(address)


@pytest.mark.parametrize("where", ["variable", "named file", "usual file"])
def test_the_token_at_hand_is_used(server, where, tmp_path, monkeypatch):
    if where == "variable":
        monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    else:
        path = tmp_path / (".ray/auth_token" if where == "usual file" else "mine")
        path.parent.mkdir(exist_ok=True)
        path.write_text(TOKEN + "\n")
        if where == "named file":
            monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    check(server(TOKEN))
    assert os.environ["RAY_AUTH_MODE"] == "token"


def test_a_wrong_token_is_called_wrong(server, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "f" * 32)
    with pytest.raises(NstfilterError, match="wants another token than the one in RAY_AUTH_TOKEN; "):
        check(server(TOKEN))
    assert not os.environ["RAY_AUTH_MODE"]


def test_a_port_that_accepts_and_is_silent(listener, monkeypatch):
    monkeypatch.setattr(ray_address, "TIMEOUT", 0.3)
    with pytest.raises(NstfilterError, match=r"has not answered for 0.3 seconds; is it a Ray cluster"):
        check(address_of(listener))


def test_the_time_to_answer_is_bounded():
    assert 1 <= ray_address.TIMEOUT <= 15


def test_a_port_where_something_else_answers(listener):
    def web():
        connection, _ = listener.accept()
        with connection:
            connection.recv(24)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=web)
    thread.start()
    with pytest.raises(NstfilterError, match=r"\(what listens there speaks another protocol\)"):
        check(address_of(listener))
    thread.join()


def test_a_port_where_nobody_listens(listener):
    address = address_of(listener)
    listener.close()
    with pytest.raises(NstfilterError, match=rf"no Ray cluster answers at {address} \(Connection refused\)"):
        check(address)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the folder and the process group are Linux's")
def test_a_real_cluster_with_a_token(tmp_path, listener):
    pytest.importorskip("ray", reason="Ray is not installed (pip install ray)")
    address = address_of(listener)
    listener.close()
    plain = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_MODE"}
    plain["RAY_USAGE_STATS_ENABLED"] = "0"
    # in a folder with a short path: those of the sockets in it may have about 100 letters
    temporary = tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True)
    head = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=1"]
    head += [f"--port={address.rpartition(':')[2]}", "--include-dashboard=false"]
    opening = [sys.executable, "-c", f"from nstfilter.manager import open_executor as o; o('ray:{address}')"]

    def said(**more):
        done = subprocess.run(
            opening, env=plain | more, capture_output=True, text=True, check=False, timeout=600
        )
        return done.stderr.splitlines()[-1] if done.returncode else "it opened"

    log = tmp_path / "ray.log"
    with (
        temporary as folder,
        log.open("wb") as output,
        subprocess.Popen(
            [*head, f"--temp-dir={folder}"],
            env=plain | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as cluster,
    ):
        try:
            for _ in range(600):
                ended, told = cluster.poll() is not None, log.read_text()
                if ended or "Ray runtime started" in told:
                    break
                time.sleep(0.5)
            if "timed out during startup" in told:
                pytest.skip("Ray gave its own start up: it lets a machine have thirty seconds for it")
            assert "Ray runtime started" in told
            for _ in range(60):
                if "has not answered for" not in (told := said()):
                    break
                time.sleep(0.5)
            assert f"NstfilterError: the Ray cluster at {address} wants a token; " in told
            assert said(RAY_AUTH_TOKEN=TOKEN) == "it opened"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(cluster.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    cluster.wait(60)
                os.killpg(cluster.pid, signal.SIGKILL)
