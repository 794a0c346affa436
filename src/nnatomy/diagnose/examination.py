"""What the records and the trained network's answers say, before and after training."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nnatomy.data.samples import TensorSamples
from nnatomy.training.inference import outputs_of
from nnatomy.training.objectives import Objective, objective_named
from nnatomy.types import Samples

_RECORDS, _RECORDS_WIDE, _WIDE = 2000, 800, 500
_COLUMNS = 2000
_REFERENCE = 1000
_VALUES, _FEWEST = 15_000_000, 100
"""Of a sample: numbers at most, so that large images do not fill the memory; records at least."""
_SIDE = 32
"""Pixels of an image's side by which neighbors and trees judge it: more cost minutes."""
_ANSWERS = 8


def examine_records(train: Samples, objective: str) -> dict[str, Any]:
    """Facts about the training records, from a sample of them.

    Args:
        train: Training records; a fixed sample of at most 2,000 is looked at.
        objective: Name of the loss.

    Returns:
        See the keys in the code: sizes, scales of inputs and targets, class shares, what the
        single best column and the nearest neighbors know, and whether the order is sorted.
    """
    inputs, targets = _sample(train)
    rows = inputs.reshape(len(inputs), -1).double().numpy()
    facts: dict[str, Any] = {
        "records": len(train),
        "inputs": rows.shape[1],
        "input_axes": inputs.dim() - 1,
        "objective": objective,
        "weighted": next(iter(train.batches(torch.zeros(1, dtype=torch.long), 1))).weights
        is not None,
    }
    classes = not targets.is_floating_point()
    if inputs.is_floating_point():  # numbers of words have no scale
        facts |= _scales(rows, images=inputs.dim() >= 3)
    else:
        facts["words"] = True
    wrong = ~np.isfinite(rows).all(1)
    wrong |= ~np.isfinite(targets.double().reshape(len(targets), -1).numpy()).all(1)
    if wrong.any():
        return facts | {"not_finite": int(wrong.sum())}
    if classes and (targets.dim() > 1 or bool((targets < 0).any())):
        return facts | _class_facts(targets[targets >= 0].numpy())  # many answers a record, or none
    facts |= _class_facts(targets.numpy()) if classes else _value_facts(targets.double().numpy())
    answers = targets.numpy() if classes else _answers(targets)
    facts |= _alone(rows[:, :_COLUMNS], answers, classes=classes)
    small = _small(inputs).reshape(len(inputs), -1).double().numpy()
    facts |= _references(small, answers, classes=classes)
    facts["sorted"] = _sortedness(train, classes=classes)
    return facts


def target_facts(targets: Tensor) -> dict[str, Any]:
    """Facts about class numbers, of which those below 0 do not count, or about finite values."""
    if not targets.is_floating_point():
        return _class_facts(targets[targets >= 0].numpy())
    return _value_facts(targets.double().numpy()) if bool(torch.isfinite(targets).all()) else {}


def _answers(targets: Tensor) -> NDArray[Any]:
    """A few of the values that each record is asked for: (n,) of one, (n, k) of several."""
    values = targets.reshape(len(targets), -1).double()
    thin = max(1, values.shape[1] // _ANSWERS)
    return values[:, ::thin][:, :_ANSWERS].squeeze(1).numpy()


def _sample(train: Samples) -> tuple[Tensor, Tensor]:
    wide = int(np.prod(train.input_shape)) > _WIDE
    most = min(len(train), _RECORDS_WIDE if wide else _RECORDS)
    most = min(most, max(_FEWEST, _VALUES // max(1, int(np.prod(train.input_shape)))))
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(train), generator=generator)[:most]
    batches = list(train.batches(order, most))
    return torch.cat([b.inputs for b in batches]).cpu(), torch.cat(
        [b.targets for b in batches]
    ).cpu()


def _small(inputs: Tensor) -> Tensor:
    """Large images (N, C, H, W) at 32 pixels a side; everything else as it is."""
    if inputs.dim() != 4 or max(inputs.shape[2:]) <= _SIDE:
        return inputs
    height, width = (min(side, _SIDE) for side in inputs.shape[2:])
    return nn.functional.adaptive_avg_pool2d(inputs.float(), (height, width))


def _scales(rows: NDArray[np.float64], *, images: bool) -> dict[str, Any]:
    """Sizes of the inputs: of all together and, for tables, of the columns against each other."""
    finite = np.where(np.isfinite(rows), rows, 0.0)
    facts: dict[str, Any] = {
        "input_rms": float(np.sqrt((finite**2).mean())),
        "input_std": float(finite.std()),
        "input_mean": float(finite.mean()),
        "scale_ratio": 1.0,
        "offset": abs(float(finite.mean())) / max(float(finite.std()), 1e-12),
    }
    if not images:
        stds = finite.std(0)
        varied = stds > 1e-9 * max(float(np.abs(finite).max()), 1e-300)
        if varied.any():
            facts["scale_ratio"] = float(stds[varied].max() / np.median(stds[varied]))
            means = np.abs(finite.mean(0))[varied]
            facts["offset"] = float((means / stds[varied]).max())
            facts["largest_std"] = float(stds[varied].max())
    return facts


def _class_facts(labels: NDArray[np.int64]) -> dict[str, Any]:
    if not len(labels):
        return {"task": "classification"}
    shares = np.bincount(labels) / len(labels)
    present = shares[shares > 0]
    return {
        "task": "classification",
        "classes": len(present),
        "majority": float(present.max()),
        "rarest": float(present.min()),
        "chance_loss": float(-(present * np.log(present)).sum()),
        "chance_score": float(present.max()),
    }


def _value_facts(values: NDArray[np.float64]) -> dict[str, Any]:
    distinct = len(np.unique(values))
    return {
        "task": "regression",
        "target_mean": float(values.mean()),
        "target_std": float(values.std()),
        "target_low": float(values.min()),
        "target_high": float(values.max()),
        "chance_loss": float(0.5 * values.var(0).sum()) if values.ndim > 1 else 0.0,
        "chance_score": 0.0,
        "target_whole": bool((values == np.round(values)).all()) and distinct <= 20,
    }


def _alone(rows: NDArray[np.float64], answers: NDArray[Any], *, classes: bool) -> dict[str, Any]:
    """How well each column alone tells the answer: by its nearest value, or by rank correlation."""
    if len(rows) < 30:
        return {"single_score": 0.0, "single_column": None, "second_score": 0.0}
    scores = _nearest_scores(rows, answers) if classes else _rank_correlations(rows, answers)
    order = np.argsort(scores)[::-1]
    return {
        "single_score": float(scores[order[0]]),
        "single_column": int(order[0]),
        "second_score": float(scores[order[1]]) if len(order) > 1 else 0.0,
    }


def _nearest_scores(rows: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """For each column, the share of records whose nearest other value in it has the same label.

    Columns with few distinct values have no nearest one; they count 0.
    """
    order = np.argsort(rows, axis=0, kind="stable")
    values, sorted_labels = np.take_along_axis(rows, order, 0), labels[order]
    gaps, same = np.diff(values, axis=0), sorted_labels[1:] == sorted_labels[:-1]
    before = np.vstack([np.full((1, rows.shape[1]), np.inf), gaps])
    after = np.vstack([gaps, np.full((1, rows.shape[1]), np.inf)])
    like_before = np.vstack([np.zeros((1, rows.shape[1]), bool), same])
    like_after = np.vstack([same, np.zeros((1, rows.shape[1]), bool)])
    scores: NDArray[np.float64] = np.where(before < after, like_before, like_after).mean(0)
    scores[(gaps > 0).mean(0) < 0.5] = 0.0
    return scores


def _rank_correlations(rows: NDArray[np.float64], values: NDArray[Any]) -> NDArray[np.float64]:
    """Spearman's |ρ| of each column with the values; 0 where either is constant.

    The mean over the values where each record has several: one input may well be one of them.
    """
    from scipy.stats import rankdata

    several = values.reshape(len(values), -1)
    columns, wanted = (r - r.mean(0) for r in (rankdata(v, axis=0) for v in (rows, several)))
    lengths = np.sqrt(np.outer((wanted**2).sum(0), (columns**2).sum(0)))
    scores: NDArray[np.float64] = np.abs(wanted.T @ columns) / np.where(lengths > 0, lengths, 1.0)
    means: NDArray[np.float64] = scores.mean(0)
    return means


def _references(
    rows: NDArray[np.float64], answers: NDArray[Any], *, classes: bool
) -> dict[str, Any]:
    """What five nearest neighbors, and trees, know of records that they have not seen."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    unknown = {"neighbor_score": None, "reference_score": None}
    if len(rows) < 30 or (classes and np.bincount(answers)[np.unique(answers)].min() < 3):
        return unknown
    thin = max(1, rows.shape[1] // _COLUMNS)
    rows, answers = rows[:_REFERENCE, ::thin], answers[:_REFERENCE]
    judges = (
        (KNeighborsClassifier(5), ExtraTreesClassifier(50, random_state=0))
        if classes
        else (KNeighborsRegressor(5), ExtraTreesRegressor(50, random_state=0))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        neighbors, trees = (
            float(cross_val_score(make_pipeline(StandardScaler(), j), rows, answers, cv=3).mean())
            for j in judges
        )
    return {"neighbor_score": neighbors, "reference_score": max(neighbors, trees)}


def _sortedness(train: Samples, *, classes: bool) -> float:
    """How alike records beside each other are: 0 for records in random order, 1 for sorted ones."""
    targets = torch.cat(
        [b.targets for b in train.batches(torch.arange(min(len(train), 4000)), 512)]
    )
    if len(targets) < 20:
        return 0.0
    if classes:
        same = (targets[1:] == targets[:-1]).double().mean().item()
        shares = torch.bincount(targets).double() / len(targets)
        chance = shares.square().sum().item()
        return max(0.0, (same - chance) / max(1e-9, 1 - chance))
    values = targets.reshape(len(targets), -1)[:, 0].double()
    gaps, spread = values.diff().square().mean().item(), 2 * values.var().item()
    return max(0.0, 1 - gaps / spread) if spread > 0 else 0.0


def examine_answers(
    network: nn.Module, train: Samples, valid: Samples | None, objective: Objective
) -> dict[str, Any]:
    """Facts about what a trained network answers to training and validation records.

    Returns:
        train_loss and train_score on a sample of the training records; valid_loss and valid_score;
        and, for classes: balanced (mean recall), predicted_share (of the class named most often),
        confidence_auc (how well the network's confidence tells its right answers from its wrong
        ones; None with fewer than ten of either), errors (how many answers were wrong).
    """
    inputs, targets = _sample(train)
    facts: dict[str, Any] = {}
    held: dict[str, Samples] = {"train": TensorSamples(inputs, targets)}
    if valid is not None and len(valid):
        held["valid"] = valid
    for name, samples in held.items():
        outputs, answers = outputs_of(network, samples)
        facts[f"{name}_loss"] = objective.mean_loss(outputs, answers, None)
        facts |= answers_facts(name, outputs, answers, objective)
    return facts


def answers_facts(
    name: str, outputs: Tensor, targets: Tensor, objective: Objective | None = None
) -> dict[str, Any]:
    """The score of answers, and for classes what `examine_answers` lists.

    Args:
        name: "train" or "valid".
        outputs: (N, K).
        targets: (N,) class numbers or (N, D) values.
        objective: What decodes them; None takes softmax and R².
    """
    classes = targets.dim() == 1 and not targets.is_floating_point()
    if objective is None:
        objective = objective_named("cross_entropy" if classes else "squared")
        if not classes and targets.dim() == 1:
            targets = targets[:, None]
    if not torch.isfinite(outputs).all():
        return {}
    outputs = outputs.float()  # NumPy has no bfloat16
    facts: dict[str, Any] = {f"{name}_score": objective.score(outputs, targets, None)}
    if classes:
        facts |= _classified(objective.decode(outputs).cpu().numpy(), targets.cpu().numpy())
    return facts


def _classified(probabilities: NDArray[Any], labels: NDArray[np.int64]) -> Mapping[str, Any]:
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    answers = probabilities.argmax(1)
    right = answers == labels
    facts: dict[str, Any] = {
        "balanced": _quiet(balanced_accuracy_score, labels, answers),
        "predicted_share": float(np.bincount(answers).max() / len(answers)),
        "errors": int((~right).sum()),
        "confidence_auc": None,
    }
    if min(right.sum(), (~right).sum()) >= 10:
        facts["confidence_auc"] = float(roc_auc_score(right, probabilities.max(1)))
    return facts


def _quiet(score: Any, *arguments: Any) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(score(*arguments))
