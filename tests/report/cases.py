"""Facts of runs as a run folder would hold them, made by code."""

from __future__ import annotations

import base64
import io
import math
import random

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    mean_absolute_error,
    precision_recall_curve,
    precision_recall_fscore_support,
    r2_score,
    roc_auc_score,
    roc_curve,
)

from nnatomy.report.facts import Facts

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><h1>out</h1>",
    '"><img src=x onerror=alert(2)>',
    "\x1b[31mred\x1b[0m\x00 \u202eright to left",
)


def wilson(right: int, n: int) -> tuple[float, float]:
    z = 1.959963984540054
    share = right / n
    center = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return center - half, center + half


def metric_rows(epochs: int, task: str = "classification") -> list[dict]:
    noise = random.Random(3)
    rows = []
    for epoch in range(epochs):
        fall = math.exp(-epoch / (epochs / 5 + 1))
        rows.append(
            {
                "epoch": epoch + 1,
                "step": 23 * (epoch + 1),
                "loss": 2.2 * fall + 0.02 + 0.02 * noise.random(),
                "valid_loss": 2.1 * fall + 0.09 + 0.004 * epoch + 0.03 * noise.random(),
                "valid_score": min(0.985, 1 - 0.85 * fall + 0.01 * noise.random()),
                "lr": 0.001 * (1 + math.cos(math.pi * epoch / epochs)) / 2 + 1e-6,
                "grad_norm": 1.8 * fall + 0.2 * noise.random(),
                "seconds": 0.4,
            }
        )
    return rows


def picture(seed: int) -> str:
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def predictions(classes: list[str], n: int, sharpness: float = 6.0) -> pd.DataFrame:
    """A table as in test_predictions.csv: name, truth, prediction, p_<class> …"""
    generator = np.random.default_rng(0)
    truth = np.arange(n) % len(classes)
    scores = generator.normal(size=(n, len(classes))) * 1.6
    scores[np.arange(n), truth] += sharpness
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    frame = pd.DataFrame({"name": [f"row {i}" for i in range(n)]})
    frame["truth"] = [classes[t] for t in truth]
    frame["prediction"] = [classes[t] for t in p.argmax(axis=1)]
    columns = pd.DataFrame(p, columns=[f"p_{label}" for label in classes])
    return pd.concat([frame, columns], axis=1)


def evaluation(frame: pd.DataFrame, classes: list[str]) -> dict:
    p = frame[[f"p_{label}" for label in classes]].to_numpy()
    truth, guess = frame["truth"], frame["prediction"]
    scores = precision_recall_fscore_support(truth, guess, labels=classes, zero_division=0)
    per_class = [
        {"label": label, "precision": a, "recall": b, "f1": c, "n": int(n)}
        for label, a, b, c, n in zip(classes, *(part.tolist() for part in scores), strict=True)
    ]
    confidence, right = p.max(axis=1), (truth == guess).to_numpy()
    bins = []
    for low in np.arange(0, 1, 0.1):
        inside = (confidence > low) & (confidence <= low + 0.1)
        n = int(inside.sum())
        bins.append(
            {
                "low": float(low),
                "high": float(low + 0.1),
                "confidence": float(confidence[inside].mean()) if n else None,
                "accuracy": float(right[inside].mean()) if n else None,
                "n": n,
            }
        )
    roc, pr = [], []
    for column, label in enumerate(classes):
        is_class = (truth == label).to_numpy()
        fpr, tpr, _ = roc_curve(is_class, p[:, column])
        precision, recall, _ = precision_recall_curve(is_class, p[:, column])
        area = float(roc_auc_score(is_class, p[:, column]))
        roc.append({"label": label, "points": np.c_[fpr, tpr].tolist(), "auc": area})
        thin = np.c_[recall, precision][:: max(1, len(recall) // 50)]
        pr.append({"label": label, "points": thin.tolist(), "auc": area})
    matrix = confusion_matrix(truth, guess, labels=classes).tolist()
    return {"confusion": matrix, "per_class": per_class, "calibration": bins, "roc": roc, "pr": pr}


def class_metrics(frame: pd.DataFrame, classes: list[str]) -> dict:
    truth, guess, n = frame["truth"], frame["prediction"], len(frame)
    ordered = sorted(classes)
    p = frame[[f"p_{label}" for label in ordered]].to_numpy()
    low, high = wilson(int((truth == guess).sum()), n)
    accuracy = float(accuracy_score(truth, guess))
    balanced = float(balanced_accuracy_score(truth, guess))
    f1 = float(f1_score(truth, guess, average="macro"))
    loss = float(log_loss(truth, p, labels=ordered))

    def around(value: float) -> dict:
        return {
            "value": value,
            "low": value * 0.97,
            "high": value * 1.01 if value * 1.01 < 1 else 1.0,
            "n": n,
            "interval": "bootstrap 95 %",
        }

    return {
        "accuracy": {
            "value": accuracy,
            "low": low,
            "high": high,
            "n": n,
            "interval": "Wilson 95 %",
        },
        "balanced_accuracy": around(balanced),
        "macro_f1": around(f1),
        "log_loss": around(loss) | {"high": loss * 1.2},
    }


LENET = [
    ("features.0", "Conv2d(1, 16, 3)", [16, 8, 8], 160, 9216, "z = W * x + b"),
    ("features.1", "ReLU()", [16, 8, 8], 0, 0, "y = max(0, z)"),
    ("features.2", "MaxPool2d(2)", [16, 4, 4], 0, 0, "y = max over 2×2"),
    ("features.3", "Conv2d(16, 32, 3)", [32, 4, 4], 4640, 73728, "z = W * x + b"),
    ("features.4", "ReLU()", [32, 4, 4], 0, 0, "y = max(0, z)"),
    ("pool", "AdaptiveAvgPool2d(2)", [32, 2, 2], 0, 0, "mean over each cell"),
    ("head.0", "Flatten()", [128], 0, 0, ""),
    ("head.1", "Linear(128, 64)", [64], 8256, 8192, "z = W x + b"),
    ("head.2", "ReLU()", [64], 0, 0, "y = max(0, z)"),
    ("head.3", "Dropout(0.2)", [64], 0, 0, "y = m x / (1 − p)"),
    ("head.4", "Linear(64, 10)", [10], 650, 640, "z = W x + b"),
]


def architecture(layers: list[tuple] = LENET) -> list[dict]:
    keys = ("name", "layer", "output", "parameters", "multiplications", "formula")
    return [dict(zip(keys, layer, strict=True)) for layer in layers]


def classification(
    classes: list[str] | None = None, *, n: int = 360, epochs: int = 30
) -> tuple[Facts, pd.DataFrame]:
    """A run like that of LeNet on the digits, and its test predictions."""
    classes = classes or [str(digit) for digit in range(10)]
    frame = predictions(classes, n)
    metrics = class_metrics(frame, classes)
    lesser = {key: entry | {"value": entry["value"] * 0.96} for key, entry in metrics.items()}
    for entry in lesser.values():
        entry |= {"low": entry["value"] * 0.97, "high": min(1.0, entry["value"] * 1.02)}
    wrong = frame[frame["truth"] != frame["prediction"]].head(6)
    examples = {
        key: [
            {
                "name": row["name"],
                "truth": row["truth"],
                "prediction": row["prediction"],
                "probability": float(row[f"p_{row['prediction']}"]),
                "image": picture(position),
            }
            for position, (_, row) in enumerate(part.iterrows())
        ]
        for key, part in (("random", frame.sample(12, random_state=1)), ("worst", wrong))
    }
    result = {
        "schema": 1,
        "task": "classification",
        "network": "lenet",
        "settings": {"epochs": epochs, "lr": 0.001, "optimizer": "adam"},
        "source": "digits",
        "target": "label",
        "classes": classes,
        "primary": "accuracy",
        "metrics": metrics,
        "baseline": {
            "majority": {key: {"value": 0.1, "low": 0.08, "high": 0.14, "n": n} for key in metrics},
            "logistic": lesser,
            "boosting": lesser,
        },
        "verdict": {
            "outcome": "ties",
            "against": "boosting",
            "text": f"lenet reaches {100 * metrics['accuracy']['value']:.1f} % accuracy on {n} "
            "test records, level with gradient boosting: their intervals overlap.",
        },
        "splits": {"train": 3 * n, "valid": n // 2, "test": n},
        "architecture": architecture(),
        "parameters": 13706,
        "multiplications": 91776,
        "best_epoch": min(13, epochs),
        "epochs": epochs,
        "stopped": "early stopping: no better validation loss in 10 epochs",
        "evaluation": evaluation(frame, classes),
        "examples": examples,
        "command": "nnatomy train digits --model lenet --epochs 30 --seed 0",
        "seed": 0,
        "seconds": 12.3,
        "training_seconds": 9.8,
        "finished": "2026-03-01T09:30:00+00:00",
        "threads": 1,
        "report": "report.html",
        "model": "model.nnatomy",
        "model_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    }
    report = {
        "schema": 1,
        "source": "digits",
        "kind": "images",
        "fingerprint": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
        "read": 4 * n + n // 2 + 2,
        "used": 4 * n + n // 2,
        "splits": result["splits"],
        "split_method": "Stratified by class, shuffled with seed 0.",
        "target": {"name": "label", "reason": "folders", "classes": dict.fromkeys(classes, 178)},
        "columns": [
            {
                "name": "image",
                "kind": "gray image 8×8",
                "reason": "pixels",
                "used": True,
                "missing": 0,
                "unique": 1797,
                "treatment": "divided by 16, then standardized with the mean of the training set",
            }
        ],
        "rejected": [{"file": "digits/broken.png", "line": 0, "reason": "not a readable image"}]
        * 2,
        "findings": [
            {
                "code": "duplicates-across-splits",
                "message": "2 records of the test set are equal to training records.",
                "where": "test",
            }
        ],
    }
    return {
        "config": {"model": "lenet", "epochs": epochs, "optimizer": {"name": "adam", "lr": 0.001}},
        "env": {
            "versions": {"nnatomy": "0.1.0", "torch": "2.13.0", "python": "3.11.2"},
            "platform": "Linux x86_64",
            "cpu_count": 2,
            "threads": 1,
        },
        "data_report": report,
        "metrics": metric_rows(epochs),
        "result": result,
    }, frame


def regression(*, n: int = 500, epochs: int = 80) -> tuple[Facts, pd.DataFrame]:
    """A run of a small network on house prices, and its test predictions."""
    facts, _ = classification(epochs=epochs)
    generator = np.random.default_rng(5)
    truth = generator.gamma(4.0, 55.0, n)
    guess = truth + generator.normal(0, 22.0, n)
    frame = pd.DataFrame(
        {"name": [f"line {i + 2}" for i in range(n)], "truth": truth, "prediction": guess}
    )
    counts, edges = np.histogram(guess - truth, bins=24)
    values = {
        "r2": float(r2_score(truth, guess)),
        "mae": float(mean_absolute_error(truth, guess)),
        "rmse": float(np.sqrt(np.mean((truth - guess) ** 2))),
    }
    metrics = {
        key: {
            "value": value,
            "low": value * 0.96,
            "high": value * 1.02,
            "n": n,
            "interval": "bootstrap 95 %",
        }
        for key, value in values.items()
    }
    ridge = {
        key: {"value": e["value"] * 0.7, "low": e["value"] * 0.6, "high": e["value"] * 0.8, "n": n}
        for key, e in metrics.items()
    }
    rows = [
        {
            "name": frame["name"][i],
            "truth": float(truth[i]),
            "prediction": float(guess[i]),
            "row": {"area": f"{40 + i} m²", "rooms": str(1 + i % 5), "street": "Lindenweg"},
        }
        for i in range(6)
    ]
    result = dict(facts["result"])
    for key in ("classes", "baseline", "evaluation", "examples"):
        result.pop(key)
    result |= {
        "task": "regression",
        "network": "mlp",
        "source": "houses.csv",
        "target": "price",
        "primary": "r2",
        "metrics": metrics,
        "baseline": {"mean": {"r2": {"value": -0.01, "n": n}}, "ridge": ridge},
        "verdict": {
            "outcome": "wins",
            "against": "ridge",
            "text": "mlp explains 96 % of the variance of price on 500 test records.",
        },
        "splits": {"train": 3 * n, "valid": n, "test": n},
        "architecture": architecture(
            [
                ("features.0", "Linear(8, 64)", [64], 576, 512, "z = W x + b"),
                ("features.1", "ReLU()", [64], 0, 0, "y = max(0, z)"),
                ("head", "Linear(64, 1)", [1], 65, 64, "z = W x + b"),
            ]
        ),
        "best_epoch": epochs,
        "evaluation": {
            "points": np.c_[truth, guess].tolist(),
            "residuals": {"edges": edges.tolist(), "counts": counts.tolist()},
        },
        "examples": {"random": rows, "worst": rows[:3]},
    }
    report = facts["data_report"] | {
        "source": "houses.csv",
        "kind": "table",
        "splits": result["splits"],
        "target": {
            "name": "price",
            "reason": "many distinct numbers",
            "values": {"mean": 220.0, "std": 110.0},
        },
        "findings": [],
        "rejected": [],
        "columns": [
            {
                "name": name,
                "kind": kind,
                "reason": "",
                "used": True,
                "missing": missing,
                "unique": unique,
                "treatment": treatment,
            }
            for name, kind, missing, unique, treatment in (
                ("area", "number", 12, 310, "median where missing, standardized"),
                ("rooms", "number", 0, 5, "standardized"),
                ("street", "category", 0, 14, "one-hot"),
            )
        ],
    }
    facts = {**facts, "result": result, "data_report": report}
    facts["metrics"] = metric_rows(epochs, "regression")
    return facts, frame


def hostile() -> tuple[Facts, pd.DataFrame]:
    """A run whose every text from the user tries to break out of where it is shown."""
    facts, frame = classification(list(HOSTILE), n=200)
    result, report = facts["result"], facts["data_report"]
    result |= {"source": HOSTILE[0], "target": HOSTILE[2], "command": " ".join(HOSTILE)}
    result["verdict"] = result["verdict"] | {"text": HOSTILE[2]}
    result["architecture"][0] |= {"name": HOSTILE[0], "layer": HOSTILE[2], "formula": HOSTILE[1]}
    result["examples"]["random"][0] |= {"name": HOSTILE[2], "image": 'x" onerror="alert(3)'}
    result["examples"]["worst"] = [
        {
            "name": HOSTILE[1],
            "truth": HOSTILE[0],
            "prediction": HOSTILE[2],
            "probability": 0.9,
            "row": {HOSTILE[0]: HOSTILE[2]},
        }
    ]
    facts["config"] = {HOSTILE[0]: HOSTILE[1]}
    facts["env"] = {HOSTILE[1]: HOSTILE[2]}
    report |= {"source": HOSTILE[1], "split_method": HOSTILE[2]}
    report["columns"][0] |= {"name": HOSTILE[0], "treatment": HOSTILE[2]}
    report["rejected"] = [{"file": HOSTILE[2], "line": 3, "reason": HOSTILE[0]}]
    report["findings"] = [{"code": "x", "message": HOSTILE[0], "where": HOSTILE[2]}]
    return facts, frame
