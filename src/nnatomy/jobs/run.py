"""A finished run: its folder, read back."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from nnatomy.jobs.predictor import Predictor, load
from nnatomy.report.facts import Facts, read_facts
from nnatomy.types import Label


class Run:
    """What a training run left behind.

    Args:
        path: The run folder.

    Raises:
        RunError: The folder holds no finished run.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.facts: Facts = read_facts(self.path)

    @property
    def result(self) -> dict[str, Any]:
        """Everything about the outcome, as in result.json."""
        return self.facts["result"]

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Test figures by name, each with value, low, high and n."""
        metrics: dict[str, dict[str, Any]] = self.result["metrics"]
        return metrics

    @property
    def history(self) -> list[dict[str, Any]]:
        """One row an epoch."""
        return self.facts["metrics"]

    @property
    def report(self) -> Path:
        """The report page."""
        return self.path / "report.html"

    @cached_property
    def model(self) -> Predictor:
        """The trained network, ready to predict."""
        return load(self.path)

    def predict(self, source: Any) -> list[Label]:
        """Predictions for a source like the training source."""
        return self.model.predict(source)

    def __repr__(self) -> str:
        from nnatomy.report.notebook import text_snippet

        return text_snippet(self.facts)

    def _repr_html_(self) -> str:
        from nnatomy.report.notebook import html_snippet

        return html_snippet(self.facts)
