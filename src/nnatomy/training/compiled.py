"""Binding a plain dense network to the compiled steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nnatomy.errors import SettingError
from nnatomy.training.dense_layers import DenseLayer, dense_layers, takes_rows
from nnatomy.training.dense_records import Block, numbers
from nnatomy.training.flat import FlatParameters
from nnatomy.training.hooks import all_are_watched
from nnatomy.training.objectives import OBJECTIVES, Objective
from nnatomy.training.optimizers import Rule
from nnatomy.training.settings import Settings
from nnatomy.types import Batch

if TYPE_CHECKING:
    from nnatomy.training.dense_kernel import Learned, Plan, Work

_CALL_WORK = 500_000_000
"""Multiplications of one call, about a tenth of a second: how long a request to stop can wait."""
_UNIT_WORK, _PARAMETER_WORK = 30, 10
"""Multiplications that take as long as the activation of a unit, and the update of a parameter."""
_CALL_BYTES = 8 << 20
"""Largest size of the inputs, or of what dropout draws, for one call."""
_MOST_PRODUCTS, _MOST_RECORDS = 500_000_000, 4096
"""Multiplications of a forward pass of a batch, and records of it, up to which compiled steps are
faster than autograd (bench/dense.py)."""
_PRECISIONS = (torch.float32, torch.float64)
_LOSSES = ("cross_entropy", "binary_cross_entropy", "squared", "perceptron")
_CLASS_LOSSES = (_LOSSES.index("cross_entropy"), _LOSSES.index("perceptron"))
_RULES = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam")
_ACTIVATIONS = (
    *("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "softplus", "silu"),
)
_SLOTS = {
    "momentum": ("velocity",),
    "nesterov": ("velocity",),
    "adagrad": ("squares",),
    "adadelta": ("squares", "changes"),
    "rmsprop": ("squares",),
    "adam": ("mean", "squares"),
}


def compiled_steps(
    network: nn.Module,
    flat: FlatParameters,
    rule: Rule,
    objective: Objective,
    settings: Settings,
    batch_size: int,
    example: Batch,
) -> CompiledSteps | None:
    """The compiled steps of a run where they are asked for or, left to choose, faster.

    Args:
        network: Of any kind.
        flat: Its parameters.
        rule: The update rule.
        objective: What is made small.
        settings: How.
        batch_size: Records a step.
        example: A training record, to see what form they have.

    Raises:
        SettingError: They are asked for and cannot compute this network.
    """
    if settings.engine not in ("auto", "compiled"):
        return None
    reason = _obstacle(network, flat.weights.dtype, objective, settings)
    if flat.weights.device.type != "cpu":
        reason = f"it computes on the CPU, not on {flat.weights.device}"
    reason = reason or _odd(example, network, flat, objective)
    if reason and settings.engine == "compiled":
        raise SettingError(f"engine 'compiled' cannot train this network: {reason}")
    if reason or (settings.engine == "auto" and not _pays(network, batch_size)):
        return None
    return CompiledSteps(network, flat, rule, objective, settings, batch_size)


def suits_compiled_steps(
    network: nn.Module, objective: Objective, settings: Settings, batch_size: int
) -> bool:
    """Whether a network would be trained in compiled steps if it were on the CPU.

    Small dense networks learn faster so than on a GPU, which spends its time on being called.
    """
    dtype = next((p.dtype for p in network.parameters()), torch.float32)
    if settings.engine == "compiled":
        return True
    wanted = settings.engine == "auto" and _pays(network, batch_size)
    return wanted and not _obstacle(network, dtype, objective, settings)


def _obstacle(
    network: nn.Module, dtype: torch.dtype, objective: Objective, settings: Settings
) -> str:
    """Why the compiled steps cannot train a network; empty when they can."""
    if settings.precision == "bfloat16" or dtype not in _PRECISIONS:
        return "it computes in single or double precision"
    if objective is not OBJECTIVES.get(objective.name) or objective.name not in _LOSSES:
        return f"it has no formula of the objective '{objective.name}'"
    if settings.optimizer not in _RULES:
        return f"it has no formula of the optimizer '{settings.optimizer}'"
    if torch.is_autocast_enabled("cpu") or all_are_watched():
        return "autocast is on, or hooks are set on all modules"
    if settings.freeze or settings.warm_up or settings.earlier_rate != 1:
        return "it trains all parts alike, without freeze, warm_up and earlier_rate"
    layers = dense_layers(network)
    if objective.name == "binary_cross_entropy" and layers and layers[-1].linear.out_features != 1:
        return "binary_cross_entropy looks at one output unit"
    if layers is None:
        return (
            "it computes plain dense networks, without batch normalization, shortcuts, frozen "
            "parts or hooks"
        )
    return ""


def _odd(example: Batch, network: nn.Module, flat: FlatParameters, objective: Objective) -> str:
    """What about a record the compiled steps do not understand; empty when nothing."""
    inputs, targets = example.inputs, example.targets
    if inputs.dtype != flat.weights.dtype:
        return f"inputs are {inputs.dtype}, its parameters {flat.weights.dtype}"
    if inputs.dim() != 2 and takes_rows(network):
        return f"records have the shape {tuple(inputs.shape[1:])} and no layer flattens them"
    if _LOSSES.index(objective.name) in _CLASS_LOSSES and (
        targets.dim() != 1 or targets.is_floating_point()
    ):
        return f"the targets of {objective.name} are class numbers, one a record"
    return ""


def _pays(network: nn.Module, batch_size: int) -> bool:
    """Whether the compiled steps are faster than autograd on this plain dense network.

    They are, by far, for small networks. In large ones matrix products take all the time, and in
    large batches several threads would share the rest. By sizes only, never by a clock, so that
    a run can be repeated to the bit.
    """
    products = batch_size * sum(p.numel() for p in network.parameters() if p.dim() == 2)
    return products <= _MOST_PRODUCTS and batch_size <= _MOST_RECORDS


@dataclass
class Done:
    """What a call did.

    Args:
        steps: Steps done; fewer than asked for when the next was not finite.
        losses: (steps,) the loss of each batch.
        norms: (steps,) the norm of each gradient.
        rates: (steps,) the learning rate of each.
    """

    steps: int
    losses: NDArray[np.float64]
    norms: NDArray[np.float64]
    rates: NDArray[np.float64]


class CompiledSteps:
    """The steps of one training run.

    Args:
        network: A plain dense network, its parameters in `flat`.
        flat: Parameters and gradient; changed in place.
        rule: The update rule; its memory is changed in place.
        objective: One of nnatomy.training.objectives.OBJECTIVES.
        settings: How.
        batch_size: Records a step.

    Attributes:
        generator: What dropout draws from.
        last: Where the records of the last step began and ended in their block.
        most: Steps of one call at most.
        uses_blas: Whether some products are large enough to be left to BLAS.
    """

    def __init__(
        self,
        network: nn.Module,
        flat: FlatParameters,
        rule: Rule,
        objective: Objective,
        settings: Settings,
        batch_size: int,
    ) -> None:
        from nnatomy.training.dense_kernel import Learned, Plan
        from nnatomy.training.dense_products import BLAS_PRODUCTS

        layers = dense_layers(network) or []
        largest = max(layer.linear.weight.numel() for layer in layers)
        self.uses_blas = largest * batch_size > BLAS_PRODUCTS
        self.rule, self.batch_size = rule, batch_size
        self.generator = torch.Generator().manual_seed(settings.seed)
        self._drops = [
            (layer.linear.out_features, 1.0 - layer.dropout) for layer in layers if layer.dropout
        ]
        self._dtype = flat.weights.dtype
        self.learned: Learned = Learned(
            flat.weights.numpy(), flat.gradient.numpy(), *self._memory(settings.optimizer)
        )
        clip = settings.clip_norm
        self.plan: Plan = Plan(
            _table(layers, flat),
            np.array([1.0 - layer.dropout for layer in layers]),
            _LOSSES.index(objective.name),
            _RULES.index(settings.optimizer),
            float(settings.momentum),
            float(settings.l1),
            float(settings.l2),
            flat.penalized,
            float("inf") if clip is None else float(clip),
            batch_size,
        )
        self.last = (0, 0)
        self._none: NDArray[Any] = np.empty(0, self.learned.weights.dtype)
        self._online = _is_online(self.plan)
        self.work = self._work(layers)
        self.most = self._most(layers)

    def _memory(self, optimizer: str) -> list[NDArray[Any]]:
        slots = [self.rule.slots[name].numpy() for name in _SLOTS.get(optimizer, ())]
        empty = torch.empty(0, dtype=self._dtype).numpy()
        return [*slots, empty, empty][:2]

    def _work(self, layers: list[DenseLayer]) -> Work:
        from nnatomy.training.dense_kernel import Work

        units = layers[0].linear.in_features + sum(y.linear.out_features for y in layers)
        sizes = [units, units, units, 1, 2]
        return Work(*(torch.empty(n * self.batch_size, dtype=self._dtype).numpy() for n in sizes))

    def _most(self, layers: list[DenseLayer]) -> int:
        weights = sum(layer.linear.weight.numel() for layer in layers)
        units = sum(layer.linear.out_features for layer in layers)
        work = self.batch_size * (3 * weights + _UNIT_WORK * units) + _PARAMETER_WORK * weights
        drawn = sum(width for width, _ in self._drops)
        values = max(layers[0].linear.in_features, drawn, 1) * self._dtype.itemsize
        return max(1, min(_CALL_WORK // work, _CALL_BYTES // values // self.batch_size))

    def block(self, batch: Batch) -> Block:
        """Records of several steps, in order, made ready.

        Raises:
            DataError: They do not fit the network.
        """
        sizes = int(self.plan.layers[0, 0]), int(self.plan.layers[-1, 1])
        return Block(batch, sizes, self._dtype, classes=self.plan.loss in _CLASS_LOSSES)

    def run(
        self,
        block: Block,
        span: tuple[int, int],
        rates: NDArray[np.float64],
        totals: NDArray[np.float64],
    ) -> Done:
        """Do one step for each learning rate, through the records and again from their start.

        Args:
            block: Holds the records; the last step of a pass may have fewer.
            span: Of these, from the one to before the other.
            rates: The learning rates.
            totals: Receive the sum of losses times records, and that of the norms.
        """
        from nnatomy.training.dense_kernel import Records, learn

        count = span[1] - span[0]
        masks = numbers(self._masks(count, len(rates)), self._dtype) if self._drops else self._none
        records = Records(*block.part(*span), masks)
        losses, norms = np.empty(len(rates)), np.empty(len(rates))
        updates = self.rule.slots.get("count")
        before = 0 if updates is None else int(updates)
        if self._online:
            from nnatomy.training.dense_online import learn_online

            steps = learn_online(
                self.learned.weights,
                self.learned.gradient,
                self.plan.loss,
                records.inputs,
                records.targets,
                records.weights,
                rates,
                losses,
                norms,
                totals,
            )
        else:
            steps = learn(
                self.learned, self.plan, records, self.work, rates, before, losses, norms, totals
            )
        if updates is not None:
            updates.fill_(before + steps)
        if steps:
            begin = (steps - 1) % math.ceil(count / self.batch_size) * self.batch_size
            end = min(begin + self.batch_size, count)
            self.last = (span[0] + begin, span[0] + end)
        return Done(steps, losses[:steps], norms[:steps], rates[:steps])

    def activations(self) -> tuple[list[Tensor], Tensor] | None:
        """What the layers were fed in the last step, and the outputs, before the update.

        Values that dropout silenced are 0; the others are as they were before their scaling.

        Shape: a list of (B, units), and (B, outputs); None where they are not kept.
        """
        size = self.last[1] - self.last[0]
        if self._online or not size:
            return None
        fed = []
        for layer in self.plan.layers:
            begin = layer[6] * size
            values = self.work.out[begin : begin + layer[0] * size].reshape(layer[0], size)
            fed.append(torch.from_numpy(values.T))
        _, outputs, *_, top = self.plan.layers[-1]
        logits = self.work.pre[top * size : (top + outputs) * size].reshape(outputs, size)
        return fed, torch.from_numpy(logits.T)

    def _masks(self, count: int, steps: int) -> Tensor:
        """What nn.Dropout would draw in the same steps, in its order."""
        sizes = [min(self.batch_size, count - start) for start in range(0, count, self.batch_size)]
        drawn = []
        for step in range(steps):
            size = sizes[step % len(sizes)]
            for width, keep in self._drops:
                mask = torch.empty(size, width, dtype=self._dtype)
                drawn.append(mask.bernoulli_(keep, generator=self.generator).reshape(-1))
        return torch.cat(drawn)


def _is_online(plan: Plan) -> bool:
    """Whether one unit learns record by record by plain descent."""
    one_unit = len(plan.layers) == 1 and plan.layers[0, 1] == 1
    formula = plan.loss in (_LOSSES.index("binary_cross_entropy"), _LOSSES.index("squared"))
    plain = plan.rule == _RULES.index("sgd") and plan.clip == float("inf")
    return bool(one_unit and formula and plain and plan.batch == 1 and not (plan.l1 or plan.l2))


def _table(layers: list[DenseLayer], flat: FlatParameters) -> NDArray[np.int64]:
    """The table of layers that nnatomy.training.dense_kernel describes."""
    starts: dict[Tensor, int] = dict(zip(flat.parameters, flat.starts, strict=True))
    rows, below = [], 0
    for layer in layers:
        linear = layer.linear
        above = below + linear.in_features
        rows.append(
            [
                linear.in_features,
                linear.out_features,
                starts[linear.weight],
                starts[linear.bias],
                _ACTIVATIONS.index(layer.activation),
                int(layer.dropout > 0),
                below,
                above,
            ]
        )
        below = above
    return np.array(rows, dtype=np.int64)
