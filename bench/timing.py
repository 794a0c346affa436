"""Timing several ways of doing the same work, so that it holds on a noisy machine."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of each round, and the ratio to the reference in the same round."""

    name: str
    seconds: list[float]
    ratios: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)


def compare(
    ways: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 7,
    warm: bool = True,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Timing]:
    """Run every way once a round, the first one being the reference of the ratios.

    Args:
        ways: By name.
        rounds: How often.
        warm: Whether each runs once before.
        clock: time.process_time counts the processor's seconds instead of the wall's, which holds
            beside other work; it says nothing about how well threads share.
    """
    if warm:
        for way in ways.values():
            way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = clock()
            way()
            seconds[name].append(clock() - began)
    reference = seconds[next(iter(ways))]
    return [
        Timing(name, own, [a / b for a, b in zip(own, reference, strict=True)])
        for name, own in seconds.items()
    ]


def print_table(
    title: str, timings: list[Timing], targets: Mapping[str, float] | None = None
) -> None:
    """One line a way: median seconds, median ratio to the first, its range, and the target."""
    print(f"\n{title}")
    print(f"  {'':36} {'median s':>9} {'ratio':>7} {'min':>6} {'max':>6}  target")
    for timing in timings:
        target = (targets or {}).get(timing.name)
        verdict = ""
        if target is not None:
            verdict = f"≤ {target:g} {'met' if timing.ratio <= target else 'MISSED'}"
        low, high = min(timing.ratios), max(timing.ratios)
        print(
            f"  {timing.name:36} {timing.median:9.4f} {timing.ratio:7.2f} {low:6.2f} {high:6.2f}"
            f"  {verdict}"
        )


def peak_memory_mb() -> float:
    """The largest resident size of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
