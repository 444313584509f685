"""Work done on a Ray cluster (`--on ray[:ADDRESS]`), or on one of its own on this computer."""

from __future__ import annotations

import importlib.util
import os
import sys

from nstfilter.errors import MissingLibraryError, UsageError
from nstfilter.hookspecs import Register, hookimpl
from nstfilter.jobs.task import Executor


@hookimpl
def register_executors(register: Register) -> None:
    register("ray", _open, help="a Ray cluster: ray:ADDRESS, or ray for the one this computer belongs to")


def _open(target: str, *, jobs: int | None = None) -> Executor:
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs is {jobs}; expected a whole number from 1 up")
    if importlib.util.find_spec("ray") is None:
        raise MissingLibraryError('Ray is not installed; pip install "nstfilter[ray]" brings it')
    connected = "ray" in sys.modules and sys.modules["ray"].is_initialized()
    address = target or os.environ.get("RAY_ADDRESS", "")
    if not connected and address:
        from nstfilter.plugins.executors.ray_address import check

        check(address)
    from nstfilter.plugins.executors.ray_cluster import Cluster

    return Cluster(target or None, jobs)
