"""What nstfilter live says of a run that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nstfilter.errors import NstfilterError
    from nstfilter.live.stats import Figures

# what the figures count, and --json tells
COUNTS = ("captured", "painted", "shown", "dropped", "ticks", "repeated", "skipped")


def facts(
    figures: Figures, warnings: list[str], files: list[str], failure: NstfilterError | None
) -> dict[str, Any]:
    def milliseconds(seconds: float | None) -> float | None:
        return None if seconds is None else round(1000 * seconds, 1)

    p50, p95 = figures.latency or (None, None)
    return {
        "seconds": round(figures.seconds, 3),
        "frames_per_second": round(figures.rate, 2),
        "camera_frames_per_second": round(figures.camera, 2),
        "latency_p50_ms": milliseconds(p50),
        "latency_p95_ms": milliseconds(p95),
        "size": figures.size,
        **{name: getattr(figures, name) for name in COUNTS},
        "sinks": [
            {
                "name": sink.name,
                "state": sink.state,
                "frames_per_second": round(sink.rate, 2),
                "written": sink.written,
                "dropped": sink.dropped,
                "retries": sink.retries,
                "latency_p50_ms": milliseconds(sink.p50),
                "latency_p95_ms": milliseconds(sink.p95),
            }
            for sink in figures.sinks
        ],
        "files": files,
        "warnings": warnings,
        "error": None if failure is None else str(failure),
    }


def summary(facts: dict[str, Any]) -> list[str]:
    first = f"{facts['seconds']:.1f} s live, {facts['frames_per_second']:.1f} new pictures a second"
    if facts["latency_p50_ms"] is not None:
        first += f", latency {facts['latency_p50_ms']:.0f} ms (p95 {facts['latency_p95_ms']:.0f})"
    lines = [f"{first}, {facts['dropped']} of {facts['captured']} dropped"]
    for sink in facts["sinks"]:
        again = f", opened again {sink['retries']} times" if sink["retries"] else ""
        lines.append(f"  {sink['name']}: {sink['written']} frames, {sink['dropped']} dropped{again}")
    return lines + [f"  {path}" for path in facts["files"] if path not in {s["name"] for s in facts["sinks"]}]
