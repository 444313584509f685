from __future__ import annotations

from nstfilter.live.actions import ACTIONS, BY_KEY, FAVORITES, HELP, KEYS, NAMES, SWITCHES


def test_every_key_means_one_thing():
    keys = [key for action in ACTIONS for key in action.keys] + list(FAVORITES)
    assert len(keys) == len(set(keys)) == len(KEYS)
    assert set(BY_KEY.values()) == set(NAMES)


def test_help_names_every_action_and_its_first_key():
    assert len(HELP) == len(ACTIONS) + 1
    assert "space  plain video, and back" in HELP
    assert "q  quit" in HELP


def test_switches_are_actions():
    assert set(SWITCHES) <= set(NAMES)
