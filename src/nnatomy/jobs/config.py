"""What the user asked for: the content of config.json."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from nnatomy.conversion import convert
from nnatomy.data.augmentation import Augmentation, augmentation_from
from nnatomy.data.images import ImageSettings
from nnatomy.data.quality import Rejected
from nnatomy.data.split import SplitPlan
from nnatomy.errors import SettingError, nearest
from nnatomy.models.catalog import (
    CATALOG,
    Entry,
    checked_settings,
    default_network,
    entry_of,
    network_settings,
)
from nnatomy.training.atomic import to_json
from nnatomy.training.optimizers import OPTIMIZERS
from nnatomy.training.schedules import SCHEDULES
from nnatomy.training.settings import Settings, setting_names, settings_from
from nnatomy.training.starting import require_start, settings_like
from nnatomy.training.weight_source import Start

GENERAL_DEFAULTS: dict[str, Any] = {"epochs": 200, "patience": 15}
"""Training settings that a job has unless the user or the network's entry has others."""


_Part = TypeVar("_Part", SplitPlan, ImageSettings)


_OTHER_NAMES = {
    "learning_rate": "lr",
    "learning_rate_init": "lr",
    "weight_decay": "l2",
    "alpha": "l2",
}
"""Names of the same things elsewhere."""


@dataclass(frozen=True)
class TrainConfig:
    """One training job as the user asked for it; what was not asked for is chosen later.

    Args:
        source: A path, the name of a bundled data set, or (from Python) a frame or arrays.
        target: Column with the answers.
        task: "classification" or "regression"; None infers it.
        network: Name in the catalog; None chooses by the data.
        settings: Settings of the network and of the training by name.
        split: Shares, group and time column; its seed is `seed`.
        kinds: Column kinds that override the inferred ones.
        images: How images are read.
        augment: How training images are varied, as `augmentation_from` takes it; None where they
            are not.
        class_weight: "balanced" weighs each class by the inverse of its frequency.
        heal: Whether remedies are tried on a training that has findings.
        start: Weights to start from: a run folder, a model file, or a file in torchvision's format.
        seed: Of the split, the initial weights, the order of records and everything random.
    """

    source: Any
    target: str | None = None
    task: str | None = None
    network: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    split: SplitPlan = field(default_factory=SplitPlan)
    kinds: Mapping[str, str] = field(default_factory=dict)
    images: ImageSettings = field(default_factory=ImageSettings)
    augment: Augmentation | None = None
    class_weight: str | None = None
    heal: bool = False
    start: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse misspelt names and unusable values before any data are read.

        Training settings are kept as numbers however they were written, so that the same job
        has the same configuration.

        Raises:
            SettingError: Names the setting and the nearest spelling.
        """
        if self.seed < 0:
            raise SettingError(f"seed must be at least 0, got {self.seed}")
        if "seed" in self.settings:
            raise SettingError("setting 'seed' is an option of its own: --seed, or seed=")
        self._check_names()
        augmentation = augmentation_from(self.augment)
        object.__setattr__(self, "augment", augmentation if augmentation.changes else None)
        if self.class_weight not in (None, "balanced"):
            raise SettingError(f"class_weight is 'balanced' or none, got '{self.class_weight}'")
        for name, share in (("valid", self.split.valid), ("test", self.split.test)):
            if not 0 <= share < 1:
                raise SettingError(f"{name} must be a share from 0 to below 1, got {share}")
        self._check_transfer()
        given = self.training_settings()
        typed = asdict(settings_from(given))
        for name in given:
            if isinstance(typed[name], float) and not math.isfinite(typed[name]):
                raise SettingError(f"{name} must be a finite number, got {typed[name]}")
        object.__setattr__(self, "settings", {**self.settings, **{n: typed[n] for n in given}})
        object.__setattr__(self, "split", replace(self.split, seed=self.seed))

    def _check_transfer(self) -> None:
        if self.start is not None and self.heal:
            raise SettingError(
                "heal tries remedies on networks that start anew: leave out --heal or --from"
            )
        require_start(self.settings, self.start)

    def _check_names(self) -> None:
        check_setting_names(self.settings, self.network)
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            chosen = self.settings.get(name, next(iter(known)))
            if chosen not in known:
                raise SettingError(f"{name} '{chosen}' is unknown: {nearest(str(chosen), known)}")
        if self.network is not None:
            own = network_settings(self.network)
            checked_settings(self.network, {k: v for k, v in self.settings.items() if k in own})

    def training_settings(self) -> dict[str, Any]:
        """Those settings that are of the training; a rate that is to be searched is left out."""
        known = set(setting_names())
        automatic = {"lr"} if self.settings.get("lr") == "auto" else set()
        return {k: v for k, v in self.settings.items() if k in known - automatic}

    def to_json(self) -> dict[str, Any]:
        """The configuration as JSON-able values; a source in memory is named by its type."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["source"] = source_name(self.source)
        values["settings"] = dict(self.settings)
        values["kinds"] = dict(self.kinds)
        values["split"] = {k: v for k, v in asdict(self.split).items() if k != "seed"}
        values["images"] = asdict(self.images)
        values["augment"] = None if self.augment is None else asdict(self.augment)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> TrainConfig:
        """The configuration that `to_json` described.

        Raises:
            SettingError: A name is unknown or a value is of the wrong form.
        """
        known = [f.name for f in fields(cls)]
        for name in values:
            if name not in known:
                raise SettingError(f"config: '{name}' is unknown: {nearest(name, known)}")
        if "source" not in values:
            raise SettingError("config: 'source' is missing: name a file or a bundled data set")
        parts = dict(values)
        for name, hint in _SCALARS.items():
            parts[name] = convert(name, values.get(name, _ABSENT.get(hint)), hint)
        for name in ("settings", "split", "kinds", "images"):
            parts[name] = values.get(name, {})
            if not isinstance(parts[name], Mapping):
                raise SettingError(f"config: '{name}' holds no values by name")
        parts["split"] = _part("split", SplitPlan, parts["split"])
        images = dict(parts["images"])
        if isinstance(images.get("size"), list):
            images["size"] = tuple(images["size"])
        parts["images"] = _part("images", ImageSettings, images)
        return cls(**parts)

    def default_folder(self) -> Path:
        """Where the run goes when no folder is named: equal settings share one folder.

        The same command therefore finds its own earlier start again and goes on from there.
        """
        digest = sha256(to_json(self.to_json())).hexdigest()[:8]
        stem = Path(source_name(self.source)).stem or "data"
        return Path("runs") / f"{stem}-{self.network or 'auto'}-{digest}"


def check_setting_names(
    given: Iterable[str], network: str | None, also: Iterable[str] = ()
) -> None:
    """Refuse what is no setting.

    Args:
        given: Names of settings.
        network: The network; all of the catalog where it is open.
        also: Further names that are known.

    Raises:
        SettingError: A name is unknown; offers the nearest.
    """
    names = {*setting_names(), *also}
    for one in CATALOG if network is None else [network]:
        names |= set(network_settings(one))
    for name in given:
        if name not in names:
            hint = nearest(_OTHER_NAMES.get(name, name), names)
            raise SettingError(f"setting '{name}' is unknown: {hint}")


_SCALARS: dict[str, Any] = {
    "source": str,
    "target": str | None,
    "task": str | None,
    "network": str | None,
    "class_weight": str | None,
    "heal": bool,
    "start": str | None,
    "seed": int,
}


_ABSENT: dict[Any, Any] = {int: 0, bool: False}


def _part(name: str, kind: type[_Part], values: Mapping[str, Any]) -> _Part:
    known = [f.name for f in fields(kind)]
    for entry in values:
        if entry not in known:
            raise SettingError(f"config: '{name}.{entry}' is unknown: {nearest(entry, known)}")
    hints = get_type_hints(kind)
    try:
        return kind(
            **{
                k: v if k == "size" else convert(f"{name}.{k}", v, hints[k])
                for k, v in values.items()
            }
        )
    except TypeError:
        raise SettingError(f"config: '{name}' holds a value of the wrong form") from None


@dataclass(frozen=True)
class Plan:
    """The configuration with everything chosen.

    Args:
        network: Name in the catalog.
        network_settings: All its settings.
        training: How it is trained.
        objective: Name of the objective.
    """

    network: str
    network_settings: dict[str, Any]
    training: Settings
    objective: str

    def entry(self) -> Entry:
        """The network's entry in the catalog."""
        return entry_of(self.network)


def resolve(
    config: TrainConfig, input_shape: tuple[int, ...], task: str, start: Start | None = None
) -> Plan:
    """Choose what the user left open; with a start, its network and the settings of that.

    Raises:
        SettingError: A setting does not belong to the network, or the network cannot learn the
            task.
    """
    earlier = None if start is None else start.network
    name = config.network or earlier or default_network(input_shape)
    entry = entry_of(name)
    if task not in entry.objectives:
        raise SettingError(f"network '{name}' cannot learn {task}: use mlp")
    training_names = set(setting_names())
    network_part = {k: v for k, v in config.settings.items() if k not in training_names}
    chosen = settings_like(name, network_part, start)
    defaults = {**GENERAL_DEFAULTS, **entry.training(chosen)}
    training = settings_from({**defaults, **config.training_settings(), "seed": config.seed})
    return Plan(name, chosen, training, entry.objectives[task])


def source_name(source: Any) -> str:
    """How a source is called in files and messages."""
    return str(source) if isinstance(source, str | Path) else type(source).__name__


def place_of(rejected: Rejected) -> str:
    """Where a record that is not used stands: "a.csv, line 7", or the file alone."""
    if rejected.file in ("DataFrame", "array") or rejected.file.endswith((".parquet", ".pq")):
        return f"{rejected.file}, row {rejected.line}"
    return f"{rejected.file}, line {rejected.line}" if rejected.line else rejected.file
