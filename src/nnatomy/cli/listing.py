"""nnatomy list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from nnatomy.cli.output import print_json
from nnatomy.conversion import written
from nnatomy.errors import SettingError, nearest


def _networks() -> list[dict[str, Any]]:
    from nnatomy.models.catalog import CATALOG, network_settings

    return [
        {
            "name": name,
            "about": entry.about,
            "settings": {k: _plain(v) for k, v in network_settings(name).items()},
            "training": dict(entry.defaults),
            "training_without_batch_norm": dict(entry.bare or {}),
        }
        for name, entry in CATALOG.items()
    ]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _datasets() -> list[dict[str, Any]]:
    from nnatomy.data.bundled import bundled_names, describe_bundled

    return [{"name": name, "about": describe_bundled(name)} for name in bundled_names()]


def _optimizers() -> list[dict[str, Any]]:
    from nnatomy.training.optimizers import OPTIMIZERS
    from nnatomy.training.update_rules import UPDATE_RULES

    return [
        {"name": name, "about": (UPDATE_RULES[name].__doc__ or "").split("\n")[0].rstrip(".")}
        for name in OPTIMIZERS
    ]


def _schedules() -> list[dict[str, Any]]:
    from nnatomy.training.schedules import SCHEDULES

    return [{"name": n, "about": (f.__doc__ or "").split("\n")[0]} for n, f in SCHEDULES.items()]


def _activations() -> list[dict[str, Any]]:
    from nnatomy.nn.activations import ACTIVATIONS, DERIVATIVES, FORMULAS

    return [
        {"name": name, "about": f"{FORMULAS[type(build()).__name__]};  {DERIVATIVES[name][0]}"}
        for name, build in ACTIVATIONS.items()
    ]


def _losses() -> list[dict[str, Any]]:
    from nnatomy.training.objectives import OBJECTIVES

    return [
        {"name": name, "about": f"{objective.formula}; score: {objective.score_name}"}
        for name, objective in OBJECTIVES.items()
    ]


def _initializations() -> list[dict[str, Any]]:
    from nnatomy.nn.initialization import FORMULAS, INITIALIZATIONS

    return [{"name": name, "about": FORMULAS[name]} for name in ["default", *INITIALIZATIONS]]


def _kernels() -> list[dict[str, Any]]:
    from nnatomy.nn.kernels import KERNELS

    return [
        {"name": name, "about": about, "rows": [list(row) for row in rows]}
        for name, (about, rows) in KERNELS.items()
    ]


def _settings() -> list[dict[str, Any]]:
    from dataclasses import fields

    from nnatomy.jobs.config import GENERAL_DEFAULTS
    from nnatomy.training.optimizers import OPTIMIZERS
    from nnatomy.training.schedules import SCHEDULES
    from nnatomy.training.settings import CHOICES, Settings, setting_phrases

    values = {f.name: f.default for f in fields(Settings) if f.name != "seed"} | GENERAL_DEFAULTS
    phrases = setting_phrases()
    choices = {**CHOICES, "optimizer": tuple(OPTIMIZERS), "schedule": tuple(SCHEDULES)}
    return [
        {
            "name": name,
            "default": value,
            "about": phrases[name],
            "choices": list(choices.get(name, ())),
        }
        for name, value in values.items()
    ]


def _checks() -> list[dict[str, Any]]:
    from nnatomy.diagnose.checks.catalog import CHECKS

    return [
        {"name": name, "about": check.about, "lecture": check.lecture}
        for name, check in CHECKS.items()
    ]


_TRAININGS = {
    "training": "trained with",
    "training_without_batch_norm": "without batch_norm trained with",
}
LISTS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "networks": _networks,
    "datasets": _datasets,
    "optimizers": _optimizers,
    "schedules": _schedules,
    "activations": _activations,
    "losses": _losses,
    "initializations": _initializations,
    "kernels": _kernels,
    "settings": _settings,
    "checks": _checks,
}


def command(
    what: Annotated[str, typer.Argument(help=f"One of: {', '.join(LISTS)}.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list on stdout.")] = False,
) -> None:
    """List what can be named: networks, data sets, optimizers and so on."""
    if what not in LISTS:
        raise SettingError(f"there is no list of '{what}': {nearest(what, LISTS)}")
    rows = LISTS[what]()
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print(_line(row))
        for name, default in row.get("settings", {}).items():
            print(f"    {name} = {written(default)}")
        for key, words in _TRAININGS.items():
            if row.get(key):
                values = ", ".join(f"{k} = {written(v)}" for k, v in row[key].items())
                print(f"    {words} {values}")


def _line(row: dict[str, Any]) -> str:
    if "default" in row:
        choices = f" ({', '.join(row['choices'])})" if row["choices"] else ""
        return f"{row['name']:12} {written(row['default']):9} {row['about']}{choices}"
    if "lecture" in row:
        return f"{row['name']:24} {row['about']} (lecture, item {row['lecture']})"
    return f"{row['name']:22} {row.get('about', '')}".rstrip()
