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

HALVES = {"choose": 0, "report": 70_000}
"""Seeds. Those from 50,000 on were reported once, and looked at to choose limits since then."""


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / max(1, whole):.1%})"


def table(lines: Sequence[dict[str, Any]]) -> str:
    """What is to be published."""
    rows = [f"{'illness':24} {'n':>4} {'found':>6} {'cause':>6} {'healed':>7}  torchmortem"]
    sick, well = [y for y in lines if y["illness"]], [y for y in lines if not y["illness"]]
    by = defaultdict(list)
    for line in sick:
        by[line["illness"]].append(line)
    for illness, own in by.items():
        asked = [line for line in own if "rival" in line]
        rows.append(
            f"{illness:24} {len(own):4} {sum(illness in y['found'] for y in own):6} "
            f"{sum(y['found'][:1] == [illness] for y in own):6} "
            f"{sum(bool(y.get('healed')) for y in own):7}  "
            f"{sum(y['rival_named'] for y in asked)} of {len(asked)}"
        )
    alarms = Counter(check for line in well for check in line["found"])
    asked, quiet = ([y for y in group if "rival" in y] for group in (sick, well))
    found = sum(y["illness"] in y["found"] for y in sick)
    rows += [
        "",
        f"found {_share(found, len(sick))}, right cause first "
        f"{_share(sum(y['found'][:1] == [y['illness']] for y in sick), len(sick))}, healed "
        f"{_share(sum(bool(y.get('healed')) for y in sick), len(sick))}",
        f"false alarms {_share(sum(bool(y['found']) for y in well), len(well))} {dict(alarms)}",
        f"torchmortem: named {_share(sum(y['rival_named'] for y in asked), len(asked))}, named "
        f"first {_share(sum(y['rival_first'] for y in asked), len(asked))}, any warning "
        f"{_share(sum(bool(y['rival']) for y in asked), len(asked))}; false alarms "
        f"{_share(sum(bool(y['rival']) for y in quiet), len(quiet))}, critical ones "
        f"{_share(sum(y['rival_critical'] for y in quiet), len(quiet))}",
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
    parser.add_argument("--rival-every", type=int, default=4, help="on every such run")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write every line as JSON")
    parser.add_argument("--read", type=Path, help="judge the runs of such a file anew")
    given = parser.parse_args(arguments)
    if given.read:
        print(table([_judged_anew(json.loads(text)) for text in given.read.open()]))
        return
    first, heals, rivals = HALVES[given.half], not given.no_healing, not given.no_rival

    def asked(number: int) -> bool:
        return rivals and number % given.rival_every == 0

    jobs: list[Job] = [
        (illness, number, first, heals, asked(number))
        for number in range(given.count)
        for illness in given.illness
    ]
    jobs += [("", number, first, False, asked(number)) for number in range(given.controls)]
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
