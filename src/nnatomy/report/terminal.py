"""A run on the terminal: a live line while it trains, a compact table at its end."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nnatomy.report.build import comparison_rows
from nnatomy.report.facts import Facts
from nnatomy.report.wording import (
    THIN_SPACE,
    baseline_name,
    count,
    finite,
    line,
    number,
    plural,
    score,
    seconds,
)


class LiveProgress:
    """Progress of a run from its rows: one live line on a terminal, else one plain line an epoch.

    Args:
        total: Epochs at most.
        stream: Where to write; standard error when None.
        monitor: "loss" or "score", by which the best epoch is chosen.
        clock: Seconds that only grow; the time left is estimated by it.
    """

    def __init__(
        self,
        total: int,
        stream: TextIO | None = None,
        *,
        monitor: str = "loss",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.monitor = monitor
        self.console = Console(file=stream or sys.stderr, highlight=False)
        self.live = self.console.is_terminal and not self.console.is_dumb_terminal
        self.clock = clock
        self.began = clock()
        self.rows = 0
        self.best: tuple[float, float, str] | None = None

    def remember(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take in rows of an earlier start without showing them."""
        for row in rows:
            loss = finite(row.get("valid_loss"))
            loss = finite(row.get("loss")) if loss is None else loss
            reached = finite(row.get("valid_score")) if self.monitor == "score" else None
            value = loss if reached is None else -reached
            if loss is None or value is None:
                continue
            if self.best is None or (value, loss) < self.best[:2]:
                shown = number(loss) if reached is None else score(reached)
                self.best = (value, loss, f"best {shown} @ {int(row['epoch'])}")

    def row(self, row: Mapping[str, Any]) -> None:
        """Show a row of metrics.jsonl."""
        self.rows += 1
        epoch = int(row["epoch"])
        self.remember([row])
        words = "  ".join(self._parts(row, epoch))
        if self.live:
            width = max(self.console.width - 1, 1)
            self._write(f"\r\x1b[2K{words[:width]}")
        else:
            self._write(f"{words}\n")

    def close(self) -> None:
        """Leave the last line standing and go to the next one."""
        if self.live and self.rows:
            self._write("\n")

    def _parts(self, row: Mapping[str, Any], epoch: int) -> list[str]:
        parts = [f"epoch {epoch}/{self.total}", f"loss {number(row.get('loss'))}"]
        if row.get("valid_loss") is not None:
            parts.append(f"valid {number(row['valid_loss'])}")
        if row.get("valid_score") is not None:
            parts.append(f"score {score(row['valid_score'])}")
        if self.best is not None:
            parts.append(self.best[2])
        left = (self.clock() - self.began) / self.rows * max(self.total - epoch, 0)
        return [_encodable(part, self.console) for part in (*parts, f"left {seconds(left)}")]

    def _write(self, text: str) -> None:
        self.console.file.write(text)
        self.console.file.flush()


def print_terminal(facts: Facts, console: Console) -> None:
    """Print the outcome of a run: metrics beside the baselines, network, splits, files.

    On a terminal with rules and emphasis (NO_COLOR is honored), elsewhere as plain text.
    """
    result = facts.get("result", {})
    verdict = (result.get("verdict") or {}).get("text")
    if verdict:
        console.print(_text(verdict, console, "bold"), soft_wrap=True)
    if result.get("metrics"):
        console.print(_metrics_table(result, console))
    for name, words in _summary(result):
        row = Text(f"{name:<10}", style="dim").append_text(_text(words, console))
        console.print(row, soft_wrap=True)


def _metrics_table(result: dict[str, Any], console: Console) -> Table:
    table = Table(box=SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    heads = ["test metric", line(result.get("network", "network"), 24), "interval"]
    heads += [baseline_name(name) for name in result.get("baseline") or {}]
    for position, head in enumerate(heads):
        justify = "right" if position else "left"
        # Figures stay whole on a narrow terminal; names may wrap.
        whole = position in (1, 2)
        table.add_column(_text(head, console), justify=justify, no_wrap=whole)  # type: ignore[arg-type]
    for key, row in zip(result["metrics"], comparison_rows(result), strict=True):
        style = "bold" if key == result.get("primary") else ""
        cells = (*row[:3], *row[4:])  # the number of records stands in the verdict
        table.add_row(*(_text(cell, console, style) for cell in cells))
    return table


def _summary(result: dict[str, Any]) -> list[tuple[str, str]]:
    splits = result.get("splits") or {}
    layers = result.get("architecture") or []
    kinds = dict.fromkeys(str(layer.get("layer", "")).split("(")[0] for layer in layers)
    lines = []
    if layers:
        words = f"{plural(len(layers), 'layer')} ({line(', '.join(kinds), 48)})"
        lines.append(("network", f"{words}, {count(result.get('parameters'))} parameters"))
    if splits:
        words = ", ".join(f"{count(amount)} {line(name, 20)}" for name, amount in splits.items())
        lines.append(("records", words))
    if result.get("epochs") is not None:
        words = plural(result["epochs"], "epoch")
        if result.get("best_epoch") is not None:
            words += f", best {count(result['best_epoch'])}"
        stopped = f" ({line(result['stopped'], 100)})" if result.get("stopped") else ""
        lines.append(("training", f"{words}{stopped}, {seconds(result.get('training_seconds'))}"))
    lines += _health(result)
    lines += [(key, line(result[key], 4096)) for key in ("model", "report") if result.get(key)]
    return lines


def _health(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """One line a finding on the training, and where there is more; nothing for a healthy run."""
    findings = result.get("findings") or []
    lines = []
    for entry in findings:
        meant = entry.get("severity") == "note"
        severity = "" if meant else f"{entry.get('severity')}: "
        words = f"{severity}{entry.get('check')}: {entry.get('symptom')}"
        lines.append(("note" if meant else "finding", line(words, 400)))
    for attempt in result.get("healing") or []:
        if attempt.get("kept"):
            words = f"{attempt['remedy']} against {attempt['check']}: validation score "
            words += f"{number(attempt['before'], 4)} -> {number(attempt['after'], 4)}"
            lines.append(("healed", line(words, 400)))
    if findings and result.get("run"):
        place = shlex.quote(line(result["run"], 4096))
        lines.append(("", f"evidence and remedies: nnatomy diagnose {place}"))
    return lines


def _text(words: str, console: Console, style: str = "") -> Text:
    """Text that is never read as markup, in characters that the stream can write."""
    return Text(_encodable(line(words, 4096), console), style=style)


def _encodable(words: str, console: Console) -> str:
    encoding = console.encoding
    return words.replace(THIN_SPACE, " ").encode(encoding, "replace").decode(encoding)
