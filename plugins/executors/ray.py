"""Work done on a Ray cluster (`--on ray[:ADDRESS]`), or on one of its own on this computer."""

from __future__ import annotations

from nstfilter.errors import MissingLibraryError, UsageError
from nstfilter.hookspecs import Register, hookimpl
from nstfilter.jobs.task import Executor


@hookimpl
def register_executors(register: Register) -> None:
    register("ray", _open, help="a Ray cluster: ray:ADDRESS, or ray for the one this computer belongs to")


def _open(target: str, *, jobs: int | None = None) -> Executor:
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs is {jobs}; expected a whole number from 1 up")
    try:
        from nstfilter.plugins.executors.ray_cluster import Cluster
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "ray":
            raise
        raise MissingLibraryError('Ray is not installed; pip install "nstfilter[ray]" brings it') from None
    return Cluster(target or None, jobs)
