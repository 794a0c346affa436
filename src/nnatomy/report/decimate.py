"""Fewer points for the same picture: a curve keeps the extremes of every pixel column."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, float]


def decimate(points: Sequence[Point], columns: int) -> list[Point]:
    """Keep, of every pixel column, the first, lowest, highest and last point.

    A line through the kept points covers the same pixels as the line through all of them: no
    peak is lost, as it would be by keeping every n-th point or a random sample.

    Args:
        points: (x, y) in ascending order of x.
        columns: Width of the picture in pixels.

    Returns:
        At most four points a column, in their order; a curve of at most that many points is
        returned unchanged.
    """
    if len(points) <= 4 * columns:
        return list(points)
    left, right = points[0][0], points[-1][0]
    width = (right - left) / columns
    buckets: dict[int, list[int]] = {}
    for position, (x, _) in enumerate(points):
        column = min(int((x - left) / width), columns - 1) if width > 0 else 0
        buckets.setdefault(column, []).append(position)
    kept: list[Point] = []
    for members in buckets.values():
        lowest = min(members, key=lambda position: points[position][1])
        highest = max(members, key=lambda position: points[position][1])
        kept.extend(points[p] for p in sorted({members[0], lowest, highest, members[-1]}))
    return kept


def moving_mean(values: Sequence[float], window: int) -> list[float]:
    """Centered mean over `window` values; towards the ends the window shrinks on both sides.

    A centered mean has no lag, and the first and last value are kept as they are.
    """
    means = []
    for position in range(len(values)):
        half = min(window // 2, position, len(values) - 1 - position)
        near = values[position - half : position + half + 1]
        means.append(sum(near) / len(near))
    return means
