"""What a user can do in a live run, and the keys for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """Something the user can do: what it is called, its keys (any of them), what it does."""

    name: str
    keys: str
    help: str

    @property
    def key(self) -> str:
        """The key to name to the user."""
        return "space" if self.keys[0] == " " else self.keys[0]


ACTIONS = (
    Action("next", "n", "next style"),
    Action("previous", "p", "previous style"),
    Action("mix", "x", "mix in more of the next style"),
    Action("stronger", "+=", "strength up"),
    Action("weaker", "-_", "strength down"),
    Action("plain", " ", "plain video, and back"),
    Action("card", "c", "privacy card, and back"),
    Action("area", "a", "paint all, people, or background"),
    Action("background", "b", "next background"),
    Action("lock", "l", "lock the keys, and unlock them"),
    Action("mirror", "m", "mirror"),
    Action("overlay", "o", "overlay, on and off"),
    Action("snapshot", "s", "snapshot"),
    Action("record", "r", "start and stop recording"),
    Action("mute", "u", "mute, and unmute"),
    Action("help", "h?", "help"),
    Action("quit", "q", "quit"),
)
NAMES = tuple(action.name for action in ACTIONS)
BY_KEY = {key: action.name for action in ACTIONS for key in action.keys}
FAVORITES = tuple("123456789")
HELP = (*(f"{action.key}  {action.help}" for action in ACTIONS), "1-9  favorite styles")
KEYS = frozenset(BY_KEY) | frozenset(FAVORITES)
# what is on or off, as `Controls.get` and `Controls.set` call it
SWITCHES = ("card", "plain", "lock", "overlay", "help", "record", "mute")
