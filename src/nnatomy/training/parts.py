"""Which parts of a network learn, from when on, and how fast: what transfer needs of training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from nnatomy.errors import SettingError, nearest
from nnatomy.training.flat import FlatParameters
from nnatomy.training.optimizers import Rule
from nnatomy.training.settings import Settings

FEATURES = "features"
"""What comes before the head; networks name it so."""


class Parts:
    """Freezing, warming up the head, and lower rates for earlier parts.

    With earlier_rate ρ and the parts 1, …, L, of which L is the head, part l learns at the rate
    η ρ^(L-l): what an update rule would add to its weights is multiplied by ρ^(L-l), which for
    every rule here is the same as a learning rate of its own. Source: Howard and Ruder 2018,
    Universal language model fine-tuning (arXiv 1801.06146), 3.2, with ρ = 1/2.6; warming up the
    head first is the beginning of its gradual unfreezing, 3.3.

    Parameters that do not learn get no gradient, so that nothing is computed for them; modules
    that do not learn compute as in evaluation.

    Args:
        network: Its parameters are marked in place as trained or not, until `release`.
        settings: Its freeze, warm_up and earlier_rate.
        input_shape: Shape of one input.

    Raises:
        SettingError: A part is unknown or has no weights, or nothing is left to train.
    """

    def __init__(
        self, network: nn.Module, settings: Settings, input_shape: tuple[int, ...]
    ) -> None:
        if settings.warm_up >= settings.epochs > 0:
            raise SettingError(
                f"warm_up={settings.warm_up} of {settings.epochs} epochs leaves none for the rest "
                f"of the network: give more epochs, or freeze={FEATURES} instead"
            )
        self._network, self._warm_up = network, settings.warm_up
        self._frozen = [_part(network, name) for name in settings.freeze]
        frozen = {p for part in self._frozen for p in part.parameters()}
        self._before = {p: p.requires_grad for p in network.parameters()}
        if all(p in frozen or not p.requires_grad for p in self._before) and frozen:
            raise SettingError(
                f"freeze={','.join(settings.freeze)} leaves nothing to train: leave the head out"
            )
        self._waiting = _waiting(network, frozen) if settings.warm_up else []
        self._factors: Mapping[nn.Parameter, float] | None = None
        if settings.earlier_rate != 1:
            self._factors = rate_factors(network, input_shape, settings.earlier_rate)
        for parameter in frozen:
            parameter.requires_grad_(False)
        self._flat: FlatParameters | None = None
        self._slots: Mapping[str, Tensor] = {}
        self._resting: Tensor | None = None

    def guide(self, flat: FlatParameters, rule: Rule) -> Rule:
        """The rule with a learning rate for each part."""
        self._flat, self._slots = flat, rule.slots
        if self._waiting:
            waiting = set(self._waiting)
            self._resting = flat.filled(lambda p: float(p in waiting)) > 0
        if self._factors is None:
            return rule
        factors = flat.filled(self._factors.__getitem__)
        return Rule(rule.slots, _scaled(flat.weights, rule.update, factors))

    def open_epoch(self, epoch: int) -> None:
        """Let what waited for the head join in when its epoch has come."""
        if self._warm_up and epoch == self._warm_up:
            for slot in self._slots.values():
                slot.zero_()
            self.enter(epoch)

    def enter(self, epoch: int) -> None:
        """Put the network to training as it is in this epoch; also where a run goes on in it."""
        warming = epoch < self._warm_up
        for parameter in self._waiting:
            parameter.requires_grad_(not warming)
        if self._flat is not None:
            self._flat.resting = self._resting if warming else None
        self._network.train()
        for part in self._frozen:
            part.eval()
        if warming:
            self._network.get_submodule(FEATURES).eval()

    def release(self) -> None:
        """Mark the parameters as they were marked before."""
        for parameter, trained in self._before.items():
            parameter.requires_grad_(trained)


def _scaled(
    weights: Tensor, update: Callable[[float], None], factors: Tensor
) -> Callable[[float], None]:
    before = torch.empty_like(weights)

    def step(lr: float) -> None:
        before.copy_(weights)
        update(lr)
        torch.lerp(before, weights, factors, out=weights)

    return step


def _part(network: nn.Module, name: str) -> nn.Module:
    """The module of this name, which must hold weights."""
    modules: dict[str, nn.Module] = {key: m for key, m in network.named_modules() if key}
    if name not in modules:
        weighted = [key for key, part in modules.items() if any(True for _ in part.parameters())]
        close = get_close_matches(name, weighted, n=1)
        upper = [key for key in weighted if key.count(".") < 2]
        raise SettingError(f"freeze: there is no part '{name}'; {nearest(name, close or upper)}")
    if not any(True for _ in modules[name].parameters()):
        raise SettingError(f"freeze: part '{name}' has no weights that could change: leave it out")
    return modules[name]


def _features(network: nn.Module, setting: str) -> nn.Module:
    features: nn.Module | None = dict(network.named_children()).get(FEATURES)
    if features is None or not any(True for _ in features.parameters()):
        raise SettingError(
            f"{setting}: this network has no weights before its head (no part '{FEATURES}'): "
            f"leave {setting} out"
        )
    return features


def _waiting(network: nn.Module, frozen: set[nn.Parameter]) -> list[nn.Parameter]:
    """What joins in after the head; something of the head must be there to be trained first."""
    features = list(_features(network, "warm_up").parameters())
    before = set(features)
    if not any(p.requires_grad and p not in before | frozen for p in network.parameters()):
        raise SettingError("warm_up trains the head first, which is frozen: leave one of both out")
    return [p for p in features if p.requires_grad and p not in frozen]


def rate_factors(
    network: nn.Module, input_shape: tuple[int, ...], earlier_rate: float
) -> dict[nn.Parameter, float]:
    """ρ^(L-l) for every parameter of part l of L; the head is part L.

    Args:
        network: With a part "features".
        input_shape: Shape of one input.
        earlier_rate: ρ.

    Raises:
        SettingError: There is nothing before the head.
    """
    stages = stages_of(network, input_shape)
    factors = dict.fromkeys(network.parameters(), 1.0)
    for number, stage in enumerate(stages):
        for module in stage:
            factors |= dict.fromkeys(module.parameters(), earlier_rate ** (len(stages) - number))
    return factors


def stages_of(network: nn.Module, input_shape: tuple[int, ...]) -> list[list[nn.Module]]:
    """The modules of `features` with weights, those that work at one size of maps together.

    Where there are no maps, each layer is a part, with the normalization that follows it.

    Args:
        network: With a part "features"; its modes are as before afterwards.
        input_shape: Shape of one input.

    Raises:
        SettingError: There is nothing before the head.
    """
    features = _features(network, "earlier_rate")
    sizes = _map_sizes(network, list(features.children()), input_shape)
    stages: list[list[nn.Module]] = []
    last: tuple[int, ...] = ()
    for module in features.children():
        parameters = list(module.parameters())
        if not parameters:
            continue
        size = sizes.get(module, ())
        alone = not any(p.dim() >= 2 for p in parameters)
        if stages and (alone or (size and size == last)):
            stages[-1].append(module)
        else:
            stages.append([module])
        last = size
    return stages


@torch.no_grad()
def _map_sizes(
    network: nn.Module, modules: list[nn.Module], input_shape: tuple[int, ...]
) -> dict[nn.Module, tuple[int, ...]]:
    """Height and width of the maps that each module gives, for those that give maps."""
    sizes: dict[nn.Module, tuple[int, ...]] = {}

    def note(module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() == 4:
            sizes[module] = tuple(output.shape[2:])

    modes = {module: module.training for module in network.modules()}
    parameter = next(network.parameters())
    handles = [module.register_forward_hook(note) for module in modules]
    try:
        network.eval()
        network(torch.zeros((1, *input_shape), dtype=parameter.dtype, device=parameter.device))
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return sizes
