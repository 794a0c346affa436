"""After training: judge the network on the test records and write model, result and report."""

from __future__ import annotations

import base64
import json
import shlex
import time
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nnatomy.conversion import written
from nnatomy.data.augmentation.settings import augmentation_text
from nnatomy.data.images import ImageSettings
from nnatomy.data.prepared import Encoded, Prepared
from nnatomy.data.split import SplitPlan
from nnatomy.jobs.baselines import Baseline, fit_baselines
from nnatomy.jobs.config import Plan, TrainConfig, source_name
from nnatomy.jobs.data_lines import Say
from nnatomy.jobs.diagnosis import brief, diagnosis_of, write_diagnosis
from nnatomy.jobs.example_maps import example_maps
from nnatomy.jobs.healing import Healed
from nnatomy.jobs.judgement import Answers, judge
from nnatomy.jobs.prediction_table import write_table
from nnatomy.jobs.predictor import Predictor
from nnatomy.models.summary import count_parameters, summarize
from nnatomy.report.build import build_document
from nnatomy.report.facts import Facts
from nnatomy.report.health import health_of
from nnatomy.report.html import render_html
from nnatomy.training.atomic import spell_non_finite, to_json, write_bytes, write_json
from nnatomy.training.model_file import write_model
from nnatomy.training.objectives import objective_named
from nnatomy.training.run_folder import RunFolder
from nnatomy.training.session import Session

_EXAMPLES = 8
_BATCH = 1024


def conclude(
    folder: RunFolder, config: TrainConfig, prepared: Prepared, end: Healed, say: Say
) -> None:
    """Write what a finished run leaves behind; result.json comes last and marks it as finished.

    Args:
        folder: The run folder.
        config: What was asked for.
        prepared: The records.
        end: The run that is kept, as it was trained or as it was healed.
        say: Told of each thing that is begun.
    """
    began = time.perf_counter()
    plan, session = end.plan, end.session
    diagnosis = diagnosis_of(end.case) | {"attempts": spell_non_finite(end.attempts)}
    write_diagnosis(folder.diagnosis, diagnosis)
    transfer = _transfer(folder)
    facts = _model_facts(config, plan, prepared, session)
    facts["made"] |= transfer
    digest = write_model(folder.model, dict(session.network.state_dict()), facts)
    predictor = Predictor(session.network, prepared.codec, objective_named(plan.objective), facts)
    answers = _answers(predictor, prepared)
    baselines = _baselines(prepared, config.seed, say)
    encoded = Encoded(prepared.test, prepared.test_names, _truth(answers), (), ())
    write_table(folder.predictions, predictor.table(encoded, answers.predicted))
    result: dict[str, Any] = {
        "schema": 1,
        "task": prepared.task.kind,
        "network": plan.network,
        "settings": {**plan.network_settings, **asdict(plan.training)},
        "augment": None if config.augment is None else augmentation_text(config.augment),
        "source": source_name(config.source),
        "target": prepared.task.target,
        "classes": list(prepared.task.classes),
        **judge(plan.network, answers, baselines),
        "splits": prepared.report.splits,
        **transfer,
        **_size(session, prepared),
        "objective": plan.objective,
        **_course(session),
        "findings": brief(diagnosis),
        "healing": diagnosis["attempts"],
        "evaluation": answers.details(),
        "examples": _examples(answers, predictor, prepared, config.seed),
        "command": command_of(config, folder),
        "seed": config.seed,
        "seconds": session.seconds + time.perf_counter() - began,
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "model_sha256": digest,
        "run": str(folder.path),
        "report": str(folder.report),
        "model": str(folder.model),
    }
    say("writing the report")
    _write_report(folder, prepared, session, result, diagnosis)
    write_json(folder.result, result)


def _transfer(folder: RunFolder) -> dict[str, Any]:
    """What the network took over from earlier weights, where it did."""
    return {"start": json.loads(folder.transfer.read_bytes())} if folder.transfer.exists() else {}


def _size(session: Session, prepared: Prepared) -> dict[str, Any]:
    """The network's layers and what they cost."""
    rows = summarize(session.network, prepared.input_shape)
    return {
        "architecture": [asdict(row) for row in rows],
        "parameters": count_parameters(session.network),
        "multiplications": sum(row.multiplications for row in rows),
    }


def _course(session: Session) -> dict[str, Any]:
    """How the training went."""
    return {
        "best_epoch": session.rules.best_epoch if session.valid else session.epoch,
        "epochs": session.epoch,
        "stopped": session.stopped,
        "engine": session.engine,
        "threads": session.threads,
        "training_seconds": session.seconds,
    }


def _model_facts(
    config: TrainConfig, plan: Plan, prepared: Prepared, session: Session
) -> dict[str, Any]:
    """What the model file says of itself: how to rebuild it, and how it was made."""
    return {
        "network": plan.network,
        "network_settings": plan.network_settings,
        "input_shape": list(prepared.input_shape),
        "outputs": prepared.task.outputs,
        "objective": plan.objective,
        "inputs": prepared.report.kind,
        "codec": prepared.codec.to_json(),
        "made": {
            "config": config.to_json(),
            "training": asdict(plan.training),
            "data_fingerprint": prepared.report.fingerprint,
            "splits": prepared.report.splits,
            "epochs": session.epoch,
            "step": session.step,
            "stopped": session.stopped,
        },
    }


def _answers(predictor: Predictor, prepared: Prepared) -> Answers:
    targets = torch.cat([batch.targets for batch in prepared.test.batches(None, _BATCH)])
    truth: NDArray[Any] = targets.numpy()
    if prepared.task.kind == "regression":
        truth = prepared.codec.decode_value(truth[:, 0].astype(np.float64))
    return Answers(prepared.task, truth, predictor.decoded(prepared.test))


def _truth(answers: Answers) -> list[Any]:
    if answers.task.kind == "classification":
        return [answers.task.classes[k] for k in answers.truth]
    return [float(value) for value in answers.truth]


def _baselines(prepared: Prepared, seed: int, say: Say) -> list[Baseline]:
    baselines = fit_baselines(prepared.train, prepared.test, prepared.task, seed, say)
    if prepared.task.kind == "regression":
        return [_in_units(baseline, prepared) for baseline in baselines]
    return baselines


def _in_units(baseline: Baseline, prepared: Prepared) -> Baseline:
    return replace(baseline, predicted=prepared.codec.decode_value(baseline.predicted))


def _examples(
    answers: Answers, predictor: Predictor, prepared: Prepared, seed: int
) -> dict[str, list[dict[str, Any]]]:
    """A few test records drawn at random, and those that the network got most wrong."""
    count = len(answers.truth)
    drawn = np.random.default_rng(seed).permutation(count)[:_EXAMPLES]
    worst = np.argsort(-answers.losses(), kind="stable")[:_EXAMPLES]
    decided = predictor.decide(answers.predicted)
    maps: dict[int, dict[str, Any]] = {}
    if prepared.report.kind == "images" and prepared.task.kind == "classification":
        maps = example_maps(predictor.network, prepared.test, [*drawn.tolist(), *worst.tolist()])

    def example(i: int) -> dict[str, Any]:
        shown = prepared.show(i)
        entry: dict[str, Any] = {"name": shown["name"], "prediction": decided[i]}
        if prepared.task.kind == "classification":
            entry["truth"] = prepared.task.classes[int(answers.truth[i])]
            entry["probability"] = float(answers.predicted[i].max())
        else:
            entry["truth"] = float(answers.truth[i])
        if "image" in shown:
            encoded = base64.b64encode(shown["image"]).decode()
            entry["image"] = f"data:image/png;base64,{encoded}"
            if i in maps:
                entry["map"] = maps[i]
        else:
            entry["row"] = shown["row"]
        return entry

    return {
        "random": [example(int(i)) for i in drawn],
        "worst": [example(int(i)) for i in worst],
    }


def _write_report(
    folder: RunFolder,
    prepared: Prepared,
    session: Session,
    result: dict[str, Any],
    diagnosis: dict[str, Any],
) -> None:
    # In the order of read_facts, so that `nnatomy report` writes the same page again.
    facts: Facts = {
        "result": json.loads(to_json(result)),
        "config": json.loads(folder.config.read_bytes()),
        "env": json.loads(folder.env.read_bytes()),
        "data_report": prepared.report.to_json(),
        "metrics": list(session.history),
        "health": health_of(json.loads(to_json(diagnosis))),
    }
    page = render_html(build_document(facts), facts)
    write_bytes(folder.report, page.encode())


def command_of(config: TrainConfig, folder: RunFolder) -> str:
    """The command line that does this job again."""
    if not isinstance(config.source, str | Path):
        return f"nnatomy.train(...) in Python, on a {source_name(config.source)}"
    options = {
        "--target": config.target,
        "--task": config.task,
        "--network": config.network,
        "--from": config.start,
        "--class-weight": config.class_weight,
        "--group": config.split.group,
        "--time": config.split.time,
        "--seed": config.seed,
    } | _unusual(config)
    words = ["nnatomy", "train", str(config.source)]
    for option, value in options.items():
        if value is not None:
            words += [option, str(value)]
    for name, value in config.settings.items():
        words += ["--set", f"{name}={written(value)}"]
    if config.heal:
        words.append("--heal")
    for column, kind in config.kinds.items():
        words += ["--kind", f"{column}={kind}"]
    return shlex.join([*words, "--out", str(folder.path)])


def _unusual(config: TrainConfig) -> dict[str, Any]:
    """Options that are named only where they are not what they are by default."""
    split, images = config.split, config.images
    given: dict[str, tuple[Any, Any]] = {
        "--valid": (split.valid, SplitPlan.valid),
        "--test": (split.test, SplitPlan.test),
        "--image-size": (images.size, ImageSettings.size),
        "--channels": (images.channels, ImageSettings.channels),
        "--fit": (images.fit, ImageSettings.fit),
    }
    unusual = {option: value for option, (value, usual) in given.items() if value != usual}
    if config.augment is not None:
        unusual["--augment"] = augmentation_text(config.augment)
    return unusual
