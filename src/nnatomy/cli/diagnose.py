"""nnatomy diagnose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnatomy.cli.output import print_json
from nnatomy.report.wording import lacking_words, line, number, plural

if TYPE_CHECKING:
    from nnatomy.diagnose.case import Case
    from nnatomy.diagnose.finding import Evidence, Finding


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a run, finished or broken off.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> None:
    """Say what is wrong with a training run, with evidence and remedy; causes first."""
    from nnatomy.diagnose.checks.catalog import CHECKS
    from nnatomy.diagnose.diagnosis import findings_of
    from nnatomy.diagnose.unjudged import unjudged
    from nnatomy.jobs.diagnosis import read_case
    from nnatomy.training.atomic import spell_non_finite

    case = read_case(run)
    findings = findings_of(case)
    lacking = unjudged(case)
    if as_json:
        found = spell_non_finite([finding.to_json() for finding in findings])
        print_json({"findings": found, "not_judged": lacking})
        return
    if case.failure:
        print(f"training broke off: {_words(case.failure)}")
    if all(finding.severity == "note" for finding in findings):
        looked = f"{len(CHECKS)} checks, {plural(len(case.rows), 'measurement')}"
        print(f"no findings: {looked} of {plural(_steps(case), 'step')}")
    for finding in findings:
        _print_finding(finding)
    if lacking:
        print(f"not judged: {lacking_words(lacking)}")


def _steps(case: Case) -> int:
    return int(case.settings.get("steps") or 0)


def _print_finding(finding: Finding) -> None:
    print(f"{finding.severity}: {finding.check}")
    print(f"  symptom:  {_words(finding.symptom)}")
    for proof in finding.evidence:
        print(f"  evidence: {_proof(proof)}")
    behind = "nothing else was found behind it" if finding.cause == finding.check else finding.cause
    print(f"  cause:    {behind}")
    print(f"  remedy:   {_words(finding.remedy)}")
    print(f"  lecture:  item {finding.lecture}")


def _proof(proof: Evidence) -> str:
    value = proof.value if isinstance(proof.value, str) else number(proof.value, 3)
    limit = f" (limit: {proof.limit})" if proof.limit else ""
    return _words(f"{proof.what} = {value}{limit}")


def _words(text: str) -> str:
    return line(text, 1000)
