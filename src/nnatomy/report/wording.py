"""How facts are put into words: numbers, counts, intervals, and text from the user's data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

NO_VALUE = "–"
THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"

# Control characters could drive a terminal; bidirectional overrides could reverse what a line
# says; lone surrogates cannot be written as UTF-8. None of them can be shown, so all are marked.
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)

PERCENT_METRICS = frozenset({"accuracy", "balanced_accuracy"})
SCORE_METRICS = frozenset({"macro_f1", "log_loss", "r2"})
METRIC_NAMES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "log_loss": "Log loss",
    "r2": "R²",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
}
BASELINE_NAMES = {
    "majority": "most frequent class",
    "mean": "mean of the targets",
    "logistic": "logistic regression",
    "ridge": "ridge regression",
    "boosting": "gradient boosting",
}
LOWER_IS_BETTER = frozenset({"log_loss", "mae", "rmse"})


def plain(text: object) -> str:
    """Any value as printable text: characters that cannot be shown become U+FFFD."""
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(text))


def line(text: object, limit: int = 200) -> str:
    """Any value as one printable line of at most `limit` characters; a cut is marked by "…"."""
    words = " ".join(plain(text).split())
    return words if len(words) <= limit else words[: limit - 1] + "…"


def distinct(names: Sequence[str], limit: int) -> dict[str, str]:
    """Names shortened from the left to about `limit` characters, longer where two would be equal.

    >>> list(distinct(["net.layer1.0.conv", "net.layer2.0.conv"], 14).values())
    ['…layer1.0.conv', '…layer2.0.conv']
    """
    each = {name: line(name, 60) for name in names}
    for length in range(limit, max(map(len, each.values()), default=0)):
        short = {name: _ending(words, length) for name, words in each.items()}
        if len(set(short.values())) == len(set(each.values())):
            return short
    return each


def _ending(words: str, limit: int) -> str:
    """The last characters, from the beginning of a dotted part where there is one."""
    if len(words) <= limit:
        return words
    kept = words[len(words) - limit :]  # its first character makes room for "…"
    part = kept.partition(".")[2]
    return "…" + (part if 2 * len(part) >= limit else kept[1:])


def finite(value: object) -> float | None:
    """The value as a float when it is a finite number, else None ("nan" and "inf" are text)."""
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return None


def number(value: object, digits: int = 4) -> str:
    """A number with `digits` significant digits, in the shortest form.

    >>> number(0.123456), number(12.0), number(None), number(1.5e-7)
    ('0.1235', '12', '–', '1.5e-07')
    """
    amount = finite(value)
    if amount is None:
        return NO_VALUE if value is None or isinstance(value, float) else line(value, 40)
    if abs(amount) >= 10**digits and abs(amount) < 1e9:
        return count(round(amount))
    return signed(f"{amount:.{digits}g}")


def score(value: object) -> str:
    """A score of the order of one, with three decimals (four below 0.01) so that a column lines up.

    >>> score(1.0), score(0.0042), score(None)
    ('1.000', '0.0042', '–')
    """
    amount = finite(value)
    if amount is None or abs(amount) >= 1000:
        return number(value)
    return signed(f"{amount:.4f}" if amount and abs(amount) < 0.01 else f"{amount:.3f}")


def signed(digits: str) -> str:
    """Digits with a true minus sign in front where they have a hyphen."""
    return "\N{MINUS SIGN}" + digits[1:] if digits.startswith("-") else digits


def count(value: object) -> str:
    """A whole number with thin spaces between thousands; "–" when it is not known."""
    amount = finite(value)
    return NO_VALUE if amount is None else f"{round(amount):,}".replace(",", THIN_SPACE)


def percent(value: object, digits: int = 1) -> str:
    r"""A share as a percentage.

    >>> percent(0.98765)
    '98.8\u202f%'
    """
    amount = finite(value)
    return NO_VALUE if amount is None else f"{100 * amount:.{digits}f}{THIN_SPACE}%"


def plural(amount: object, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "record"), plural(2, "record")
    ('1 record', '2 records')
    """
    return f"{count(amount)} {noun}" if amount == 1 else f"{count(amount)} {noun}s"


def seconds(value: object) -> str:
    """A duration in the unit that fits: "850 ms", "12.3 s", "4 min 05 s", "2 h 07 min"."""
    amount = finite(value)
    if amount is None:
        return NO_VALUE
    if amount < 1:
        return f"{1000 * amount:.0f} ms"
    if amount < 60:
        return f"{amount:.1f} s"
    minutes, rest = divmod(round(amount), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def shape(sizes: object) -> str:
    """The shape of one output: "16×8×8"; "–" when it is not known."""
    if isinstance(sizes, Sequence) and not isinstance(sizes, str) and sizes:
        return "×".join(plain(size) for size in sizes)
    return NO_VALUE


def metric_name(key: str) -> str:
    """The name of a metric as it is printed."""
    return METRIC_NAMES.get(key, line(key.replace("_", " "), 40))


def baseline_name(key: str) -> str:
    """The name of a baseline as it is printed."""
    return BASELINE_NAMES.get(key, line(key.replace("_", " "), 40))


def metric_value(key: str, value: object) -> str:
    """A metric's value: a percentage for accuracies, a score, or a quantity of the target."""
    if key in PERCENT_METRICS:
        return percent(value)
    return score(value) if key in SCORE_METRICS else number(value)


def metric_interval(key: str, entry: Mapping[str, Any]) -> str:
    """The interval of a metric, "97.2–99.6 %" or "−0.1 to 0.2"; empty when it has none."""
    low, high = finite(entry.get("low")), finite(entry.get("high"))
    if low is None or high is None:
        return ""
    if key in PERCENT_METRICS:
        return f"{100 * low:.1f}–{percent(high)}"
    between = "–" if low >= 0 else " to "
    return f"{metric_value(key, low)}{between}{metric_value(key, high)}"


def metric_in_full(key: str, entry: Mapping[str, Any]) -> str:
    """A metric's value with its interval in brackets."""
    interval = metric_interval(key, entry)
    value = metric_value(key, entry.get("value"))
    return f"{value} ({interval})" if interval else value


def lacking_words(lacking: Mapping[str, Sequence[object]]) -> str:
    """Checks that could say nothing, each with what was missing, in a line.

    >>> lacking_words({"overfitting": ["validation records"]})
    'overfitting (no validation records)'
    """
    each = (f"{check} ({', '.join(f'no {w}' for w in words)})" for check, words in lacking.items())
    return line(", ".join(each), 2000)
