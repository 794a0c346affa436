"""What an explanation is: a map an image, of what speaks for a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from nnatomy.errors import SettingError
from nnatomy.explain.curves import Curves, join_curves
from nnatomy.explain.undisturbed import probabilities_of

Method = Literal["cam", "grad-cam", "occlusion"]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where a network looks: signed maps, positive where the image speaks for the target.

    Args:
        values: (N, H, W) maps at the size of the images. Of "cam" and "grad-cam" they are `maps`
            enlarged bilinearly, of "occlusion" the mean over the patches that cover a pixel.
        maps: (N, h, w) maps as they were computed.
        target: (N,) the output that each map explains.
        method: "cam", in units of the score: its mean plus `bias` is the class score.
            "grad-cam": Σ_k α_k A^k with its sign; the paper's map is its positive part,
            `positive`. "occlusion": by how much the score falls when a patch is covered.
        scores: (N, K) outputs of the network.
        bias: (N,) the target's bias, for "cam" only.
        judge: Computes the deletion and insertion curves when they are asked for.
    """

    values: Tensor
    maps: Tensor
    target: Tensor
    method: Method
    scores: Tensor
    bias: Tensor | None = None
    judge: Callable[[Explanation], Curves] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def positive(self) -> Tensor:
        """The maps without what speaks against the target, (N, H, W)."""
        return self.values.clamp(min=0)

    @property
    def probability(self) -> Tensor:
        """Probability of the target, (N,); of a network with one output, the output itself.

        Softmax of the scores, unless these are probabilities that sum to 1: classes that do not
        exclude each other, as behind sigmoid units, have another.
        """
        return probabilities_of(self.scores).gather(1, self.target[:, None])[:, 0]

    @cached_property
    def curves(self) -> Curves:
        """Deletion and insertion curves; computed when first asked for, which costs 90 passes.

        Raises:
            SettingError: Network or images were changed since, or the explanation was made by
                hand.
        """
        if self.judge is None:
            raise SettingError("this explanation knows no network: make it by nnatomy.explain")
        return self.judge(self)

    @property
    def faithfulness(self) -> Tensor:
        """How much better the map orders the pixels than chance does, (N,).

        In [-1, 1]; of a network with one output, in units of that output.

        ½ [(A_ins - A_ins,random) + (A_del,random - A_del)], A the areas under the class
        probability as pixels are inserted or deleted in the map's order, or in that of the same
        map at random places. Above 0: better than chance. 0: no better, as for a constant map or a
        network that does not look at the image. See `curves` for the cost.
        """
        return self.curves.faithfulness


def join(parts: Sequence[Explanation]) -> Explanation:
    """Explanations of several batches by one network and method as one.

    Args:
        parts: In order; at least one.
    """
    first = parts[0]

    def judge(_: Explanation) -> Curves:
        return join_curves([part.curves for part in parts])

    biases = [part.bias for part in parts if part.bias is not None]
    return Explanation(
        values=torch.cat([part.values for part in parts]),
        maps=torch.cat([part.maps for part in parts]),
        target=torch.cat([part.target for part in parts]),
        method=first.method,
        scores=torch.cat([part.scores for part in parts]),
        bias=torch.cat(biases) if biases else None,
        judge=judge,
    )
