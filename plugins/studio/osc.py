"""Open Sound Control, in and out: every value and every action of the run under an address of its own.

    /nstfilter/strength 0.6
    /nstfilter/style wave
    /nstfilter/do/card
    /nstfilter/preset 3

Changes, wherever they come from, are sent to everyone who has been heard from lately: to the port that they
sent from, and to the port after ours.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_message_builder import BuildError
from pythonosc.osc_server import BlockingOSCUDPServer
from pythonosc.udp_client import SimpleUDPClient

from nstfilter.errors import NstfilterError, SinkError, UsageError
from nstfilter.live.actions import ACTIONS
from nstfilter.parameters import PARAMETERS
from nstfilter.plugins.studio.studio import Studio

ROOT = "/nstfilter"
# seconds between two looks at what has changed; that a sender is told of changes; how many senders
LOOK, REMEMBERED, MAX_PEERS = 0.05, 600.0, 8
# actions without an address: OSC has no password, and nobody ends a call from elsewhere
WITHOUT_ADDRESS = ("quit", "help")

log = logging.getLogger("nstfilter")


def address_of(text: str) -> tuple[str, int]:
    """`9000`, or `0.0.0.0:9000` for other computers too. Raises `UsageError`."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) <= 65534:
        raise UsageError(
            f"--osc is {text!r}; expected a port such as 9000, or 0.0.0.0:9000 for other computers"
        )
    return host.strip("[]") or "127.0.0.1", int(port)


class Osc:
    """Listens at `host`:`port` in a thread of its own. Raises `SinkError` where that cannot be had."""

    def __init__(self, studio: Studio, host: str, port: int) -> None:
        self.studio = studio
        dispatcher = Dispatcher()
        dispatcher.set_default_handler(self._heard, needs_reply_address=True)
        try:
            self._server = BlockingOSCUDPServer((host, port), dispatcher)
        except OSError as error:
            raise SinkError(
                f"OSC cannot listen at {host}:{port}: {error.strerror}; choose another --osc"
            ) from None
        self.host, self.port = host, self._server.server_address[1]
        self._peers: dict[tuple[str, int], float] = {}
        self._peers_lock = threading.Lock()  # one thread hears of them, the other sends to them
        self._sent: dict[str, Any] = {}
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=f"nstfilter-studio-osc-{name}", daemon=True)
            for name, work in (("in", self._listen), ("out", self._send))
        ]

    def start(self) -> None:
        self._sent = values(self.studio)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Close the port, soon; at once where it was never started."""
        self._ending.set()
        if not self._threads[0].is_alive():
            self._server.server_close()

    def _listen(self) -> None:
        self._server.timeout = 0.1
        with self._server:
            while not self._ending.is_set():
                self._server.handle_request()

    def _heard(self, peer: tuple[str, int], address: str, *arguments: Any) -> None:
        now = time.monotonic()
        with self._peers_lock:
            if peer not in self._peers and len(self._peers) >= MAX_PEERS:
                del self._peers[min(self._peers, key=lambda one: self._peers[one])]
            self._peers[peer] = now
        try:
            self._obey(address, arguments)
        except NstfilterError as error:
            self.studio.session.say(f"OSC {address[:80]}: {error}")
        except Exception:
            log.exception("OSC %r failed", address[:80])

    def _obey(self, address: str, arguments: tuple[Any, ...]) -> None:
        root, _, name = address.strip("/").partition("/")
        if f"/{root}" != ROOT:
            raise UsageError(f"expected an address that begins with {ROOT}/")
        value = arguments[0] if arguments else None
        if name.startswith("do/"):
            if name.removeprefix("do/") in WITHOUT_ADDRESS:
                raise UsageError(f"there is no address {address}")
            if value is None or value:  # a button sends 1 when it is pressed and 0 when it is let go
                self.studio.do(name.removeprefix("do/"))
        elif name == "preset":
            presets = self.studio.presets.all.values()
            found = [one for one in presets if value in (one.slot, one.name, one.key)]
            if not found:
                raise UsageError(f"there is no preset {value!r}")
            self.studio.set(found[0].values)
        else:
            self.studio.set({name: _meant(name, value)})

    def _send(self) -> None:
        while not self._ending.wait(LOOK):
            now = time.monotonic()
            with self._peers_lock:
                self._peers = {peer: at for peer, at in self._peers.items() if now - at < REMEMBERED}
                peers = list(self._peers)
            if not peers:
                continue
            there = values(self.studio)
            changed = {name: value for name, value in there.items() if self._sent.get(name) != value}
            self._sent = there
            for name, value in changed.items():
                for host, port in {peer for h, p in peers for peer in ((h, p), (h, self.port + 1))}:
                    try:
                        client = SimpleUDPClient(host, port)
                        with client:
                            client.send_message(f"{ROOT}/{name}", _sent_as(value))
                    except (OSError, BuildError) as error:
                        log.debug("OSC to %s:%s failed", host, port, exc_info=error)


def values(studio: Studio) -> dict[str, Any]:
    """Every value that has an address, and whether the actions that are switches are on."""
    controls = studio.session.controls
    switches = {"do/card": controls.card_shown, "do/plain": controls.plain, "do/record": controls.recording}
    return studio.values() | {name: int(on) for name, on in switches.items()}


def addresses() -> list[dict[str, str]]:
    """The list that the page shows: address, type, range and what it does."""
    listed = [
        {
            "address": f"{ROOT}/{one.name}",
            "type": {"float": "f", "int": "i", "bool": "i", "str": "s"}[one.kind.__name__],
            "range": "0 or 1" if one.kind is bool else one.range,
            "help": one.help,
        }
        for one in PARAMETERS.values()
        if one.between_frames
    ]
    listed.append({"address": f"{ROOT}/preset", "type": "i", "range": "1 to 9", "help": "Apply a preset."})
    for action in ACTIONS:
        if action.name not in WITHOUT_ADDRESS:
            about = f"{action.help[0].upper()}{action.help[1:]}."
            listed.append({"address": f"{ROOT}/do/{action.name}", "type": "", "range": "", "help": about})
    return listed


def _sent_as(value: Any) -> Any:
    """What an automatic value and a switch are in OSC."""
    return "" if value is None else int(value) if isinstance(value, bool) else value


def _meant(name: str, value: Any) -> Any:
    """OSC knows no truth values everywhere, and some programs send every number as a float."""
    parameter = PARAMETERS.get(name)
    if parameter is None:
        return value
    if parameter.kind is bool and isinstance(value, int | float):
        return bool(value)
    if parameter.default is None and value in ("", 0):
        return None
    if parameter.kind is int and isinstance(value, float):
        return round(value)
    return value
