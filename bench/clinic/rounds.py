"""One patient at a time: admitted, diagnosed, healed, and shown to another doctor."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from bench.clinic import rival
from bench.clinic.ward import admit, as_good, control
from nnatomy.data.samples import TensorSamples
from nnatomy.diagnose import findings_of, heal

Job = tuple[str, int, int, bool, bool]
"""Illness ("" for none), number, first seed, whether to heal, whether to ask the other doctor."""


def examine(job: Job) -> dict[str, Any] | None:
    """One patient or control: a line of the table to be."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    illness, number, first, heals, rivals = job
    stay = admit(illness, number, first) if illness else control(number, first)
    if stay is None:
        return None
    found = [finding.check for finding in findings_of(stay.trial.case)]
    data = stay.patient.data
    line: dict[str, Any] = {
        "illness": illness,
        "data": data.name,
        "seed": stay.patient.seed,
        "engine": stay.trial.session.engine,
        "draws": stay.draws,
        "score": stay.trial.score,
        "twin": stay.twin,
        "found": found,
        "case": stay.trial.case.to_json(),
    }
    if illness and heals:
        train = TensorSamples(data.inputs, data.targets)
        valid = TensorSamples(data.valid_inputs, data.valid_targets)
        healing = heal(stay.trial, train, valid, allowed=lambda _plan: True)
        line["healed_score"] = healing.after.score
        line["healed"] = as_good(healing.after.score, stay.twin)
        line["attempts"] = [
            (a.check, a.remedy, a.before, a.after, a.kept) for a in healing.attempts
        ]
    if rivals:
        theirs = rival.findings(stay.patient)
        titles = [title for title, _ in theirs]
        line["rival"] = titles
        line["rival_critical"] = any(critical for _, critical in theirs)
        line["rival_named"] = any(rival.names(illness, title) for title in titles)
        line["rival_first"] = bool(titles) and rival.names(illness, titles[0])
    return line
