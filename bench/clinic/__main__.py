"""The clinic: python -m bench.clinic [--count 12] [--controls 264] [--half report].

Every illness on patients of several kinds, and healthy runs beside them: what is found, what is
named as the cause, what is healed; torchmortem on the same runs. Thresholds were chosen on the half
"choose"; figures to publish come from the half "report", whose seeds are others.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from bench.clinic.rounds import Job, examine
from nnatomy.diagnose import Case, findings_of

HALVES = {"choose": 0, "report": 50_000}


def table(lines: Sequence[dict[str, Any]]) -> str:
    """What is to be published."""
    by = defaultdict(list)
    for line in lines:
        by[line["illness"]].append(line)
    rows = [f"{'illness':24} {'n':>4} {'found':>6} {'cause':>6} {'healed':>7} {'torchmortem':>12}"]
    sums: Counter[str] = Counter()
    for illness, own in by.items():
        if not illness:
            continue
        counts = {
            "n": len(own),
            "found": sum(illness in line["found"] for line in own),
            "cause": sum(line["found"][:1] == [illness] for line in own),
            "healed": sum(bool(line.get("healed")) for line in own),
            "rival": sum(bool(line.get("rival_named")) for line in own),
            "first": sum(bool(line.get("rival_first")) for line in own),
            "any": sum(bool(line.get("rival")) for line in own),
        }
        sums.update(counts)
        rows.append(
            f"{illness:24} {counts['n']:4} {counts['found']:6} {counts['cause']:6} "
            f"{counts['healed']:7} {counts['rival']:12}"
        )
    total = max(1, sums["n"])
    well = by.get("", [])
    alarms = Counter(check for line in well for check in line["found"])
    rows += [
        "",
        f"sick runs {sums['n']}: found {sums['found'] / total:.1%}, right cause first "
        f"{sums['cause'] / total:.1%}, healed {sums['healed'] / total:.1%}",
        f"  torchmortem: named {sums['rival'] / total:.1%}, named first "
        f"{sums['first'] / total:.1%}, anything {sums['any'] / total:.1%}",
        f"healthy runs {len(well)}: false alarms on {sum(bool(y['found']) for y in well)} "
        f"({sum(bool(y['found']) for y in well) / max(1, len(well)):.1%}) {dict(alarms)}",
        f"  torchmortem: on {sum(bool(line.get('rival')) for line in well)} "
        f"({sum(bool(line.get('rival')) for line in well) / max(1, len(well)):.1%}), critical ones "
        f"on {sum(bool(line.get('rival_critical')) for line in well)}",
    ]
    return "\n".join(rows)


def _judged_anew(line: dict[str, Any]) -> dict[str, Any]:
    """A line with the findings that today's checks make of its run."""
    found = findings_of(Case.from_json(line["case"]))
    return line | {"found": [finding.check for finding in found]}


def main(arguments: Sequence[str] | None = None) -> None:
    from bench.clinic.cases import ILLNESSES

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=12, help="patients an illness")
    parser.add_argument("--controls", type=int, default=264, help="healthy runs")
    parser.add_argument("--half", choices=HALVES, default="report")
    parser.add_argument("--illness", nargs="*", default=list(ILLNESSES))
    parser.add_argument("--no-healing", action="store_true")
    parser.add_argument("--no-rival", action="store_true", help="leave torchmortem out")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write every line as JSON")
    parser.add_argument("--read", type=Path, help="judge the runs of such a file anew")
    given = parser.parse_args(arguments)
    if given.read:
        print(table([_judged_anew(json.loads(text)) for text in given.read.open()]))
        return
    first, heals, rivals = HALVES[given.half], not given.no_healing, not given.no_rival
    jobs: list[Job] = [
        (illness, number, first, heals, rivals)
        for number in range(given.count)
        for illness in given.illness
    ]
    jobs += [("", number, first, False, rivals) for number in range(given.controls)]
    lines = []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.processes, mp_context=spawn) as pool:
        for job, line in zip(jobs, pool.map(examine, jobs), strict=True):
            if line is None:
                print(f"no draw made number {job[1]} {job[0] or 'healthy'}", flush=True)
                continue
            lines.append(line)
            if given.out:
                with given.out.open("a") as file:
                    file.write(json.dumps(line) + "\n")
    print(table(lines))


if __name__ == "__main__":
    main()
