"""C7 to C11: counts by hand and from papers, claims by plain loops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nnatomy.lecture import classic_networks, dense_connections, googlenet_table, residual
from nnatomy.lecture.digits import digit_pictures, digit_samples
from nnatomy.lecture.sketches import layers_in_line, products_of, sketch, weights_of
from nnatomy.models.resnet import resnet152
from nnatomy.training.order import permutation


class Forked(nn.Module):
    """One convolution, then two side by side against one, then a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2, 3, padding=1)
        self.long = nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(), nn.Conv2d(2, 2, 1))
        self.short = nn.Conv2d(2, 2, 1, bias=False)
        self.head = nn.Linear(2, 3)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.first(images)
        maps = self.long(maps) + self.short(maps)
        outputs: Tensor = self.head(maps.mean((2, 3)))
        return outputs


def test_the_longest_way_counts() -> None:
    network = sketch(Forked)
    assert layers_in_line(network) == 4
    assert layers_in_line(network.get_submodule("long")) == 2
    assert weights_of(network) == 2 * 9 + 3 * 4 + 6
    assert products_of(network, (1, 5, 4)) == 20 * (2 * 9 + 3 * 4) + 6
    assert all(parameter.is_meta for parameter in network.parameters())


def test_alexnet_and_vgg() -> None:
    rows = classic_networks.alexnet().rows
    assert [row.verdict for row in rows] == [
        *["agrees"] * 3,
        *["erratum"] * 2,
        "agrees",
    ]
    # Layer by layer, each with its biases: Krizhevsky et al. 2012, section 3.5.
    published = [34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000]
    halves = sketch(classic_networks.two_columns)
    assert [sum(p.numel() for p in layer.parameters()) for layer in halves.children()] == published
    assert f"{sum(published):,}" in rows[4].reason
    assert {row.verdict for row in classic_networks.vgg().rows} == {"agrees"}


def by_hand(inputs: int, filters: str) -> int:
    """Weights of an inception module."""
    ones, reduce3, threes, reduce5, fives, projected = map(int, filters.split())
    of_inputs = ones + reduce3 + reduce5 + projected
    return inputs * of_inputs + 9 * reduce3 * threes + 25 * reduce5 * fives


def test_the_weights_of_the_table_by_hand() -> None:
    lines = list(zip(googlenet_table.PRINTED, googlenet_table.measured(), strict=True))
    maps = 0
    for line, own in lines:
        if line.filters:
            assert own.weights == by_hand(maps, line.filters), line.name
            side = int(own.output.split("×")[0])
            assert own.multiplications == own.weights * side**2, line.name
        maps = int(own.output.split("×")[2])
    assert lines[0][1].weights == 7 * 7 * 3 * 64
    assert lines[2][1].weights == 64 * 64 + 9 * 64 * 192
    assert lines[-1][1].weights == lines[-1][1].multiplications == 1024 * 1000


def test_every_erratum_of_the_table_tells_the_count() -> None:
    rows = googlenet_table.googlenet().rows
    assert {row.verdict for row in rows} == {"agrees", "erratum"}
    wrong = [row for row in rows if row.verdict == "erratum"]
    assert len(wrong) == len(googlenet_table.ERRATA) + 1
    weights = {
        line.name: own.weights
        for line, own in zip(googlenet_table.PRINTED, googlenet_table.measured(), strict=True)
    }
    for (name, _), reason in googlenet_table.ERRATA.items():
        assert f"{weights[name]:,}" in reason, name


def test_what_the_wrong_lines_have_in_common_with_their_multiplications() -> None:
    # Printed multiplications belong to printed weights on two of the wrong lines ...
    for weights, side, printed in ((364, 14, 73), (1072, 7, 54)):
        assert round(weights * 1024 * side**2 / 1e6) == printed
    assert round(14 * 3 * 64 * 112**2 / 1e6) == 34
    # ... and to the weights of the filters on the others.
    for filters, side, printed in ((509_440, 14, 100), (604_672, 14, 119), (867_328, 14, 170)):
        assert round(filters * side**2 / 1e6) == printed


def test_one_by_one_filters_save_multiplications() -> None:
    computed = [row.computed for row in googlenet_table.googlenet().rows[-5:]]
    assert computed == [112.9, 1.5, 3.8, 5.3, [0.576, 0.027]]


def test_residual_rows() -> None:
    rows = residual.residual().rows
    assert [row.verdict for row in rows] == ["agrees"] * len(rows)
    assert layers_in_line(sketch(resnet152)) == 152
    # The deep networks are not held back by the edge of the rates tried.
    for skip in (False, True):
        assert residual.best_rate(residual.DEPTHS[1], skip) == residual.RATES[1]
    # Three projections: 64·128 + 2·128 and so on, twice the width each time.
    assert rows[4].computed == [173_824, 173_824]


@pytest.mark.parametrize("depth", residual.DEPTHS)
def test_networks_of_the_run_have_that_depth(depth: int) -> None:
    assert layers_in_line(residual.build(depth, True, 0).eval()) == depth
    assert layers_in_line(residual.build(depth, False, 0).eval()) == depth


def test_a_residual_network_is_that_of_a_plain_loop() -> None:
    train, _ = digit_pictures(1000, 500)
    network = residual.build(8, True, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.03, momentum=0.9)
    for epoch in range(6):
        total = 0.0
        for chosen in permutation(1000, 1, epoch).split(100):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(train.inputs[chosen]), train.targets[chosen])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
    ours = residual.last(residual.trained(8, True, 0.03), "loss")[1]
    assert ours == pytest.approx(total / 1000, rel=0.05)


def test_pictures_are_the_digits() -> None:
    (rows, _), (pictures, held_out) = digit_samples(30, 20), digit_pictures(30, 20)
    assert pictures.inputs.shape == (30, 1, 8, 8)
    assert held_out.inputs.shape == (20, 1, 8, 8)
    assert torch.equal(pictures.inputs.flatten(1), rows.inputs)
    assert torch.equal(pictures.targets, rows.targets)


def test_dense_rows() -> None:
    rows = dense_connections.dense_connections().rows
    assert [row.verdict for row in rows] == ["erratum", *["agrees"] * 6]
    assert rows[0].computed == [121, 169, 201, 1 + 2 * (6 + 12 + 64 + 48) + 3 + 1]
    assert rows[4].computed == [1296, 2592, 3888, 5184]


def test_small_networks_of_the_run_by_hand() -> None:
    size, scores = dense_connections.size_and_scores("dense, k = 4")
    stem = 9 * 8
    block = sum(2 * i + 16 * i + 2 * 16 + 9 * 16 * 4 for i in (8, 12, 16))
    after = sum(2 * i + 16 * i + 2 * 16 + 9 * 16 * 4 for i in (10, 14, 18))
    assert size == stem + block + (2 * 20 + 20 * 10) + after + (2 * 22 + 22 * 10 + 10)
    assert len(scores) == dense_connections.SEEDS
