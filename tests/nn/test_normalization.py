from __future__ import annotations

import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from nnatomy.errors import DataError, SettingError
from nnatomy.nn.normalization import batch_norm_test, batch_norm_training, running_averages, whiten


def batch(count: int = 12, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(count, 4, generator=generator) @ torch.randn(4, 4, generator=generator)
    return mixed.double() + 3


def test_training_and_running_averages_are_those_of_torch() -> None:
    layer = nn.BatchNorm1d(4).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 2.0, -0.5, 0.1]))
        layer.bias.copy_(torch.tensor([0.0, 1.0, -3.0, 0.2]))
    mean, variance = torch.zeros(4).double(), torch.ones(4).double()
    for seed in range(5):
        x = batch(seed=seed)
        done = batch_norm_training(x, layer.weight, layer.bias)
        torch.testing.assert_close(done.values, layer(x))
        mean, variance = running_averages(mean, variance, done)
    torch.testing.assert_close(mean, layer.running_mean)
    torch.testing.assert_close(variance, layer.running_var)
    layer.eval()
    x = batch(seed=9)
    found = batch_norm_test(x, layer.weight, layer.bias, mean, variance)
    torch.testing.assert_close(found, layer(x))
    assert (found - batch_norm_training(x, layer.weight, layer.bias).values).abs().max() > 0.01


def test_by_hand() -> None:
    x = torch.tensor([[1.0], [3.0]]).double()
    done = batch_norm_training(x, torch.ones(1), torch.zeros(1), epsilon=0.0)
    assert done.mean.item() == 2.0
    assert done.variance.item() == 1.0
    assert done.values.flatten().tolist() == [-1.0, 1.0]


def test_one_record_has_no_spread() -> None:
    with pytest.raises(DataError, match="two records"):
        batch_norm_training(torch.ones(1, 3), torch.ones(3), torch.zeros(3))


@pytest.mark.parametrize("method", ["pca", "zca"])
def test_whitened_features_are_uncorrelated(method: str) -> None:
    x = batch(200)
    done = whiten(x, method=method)  # type: ignore[arg-type]
    torch.testing.assert_close(done.mean(0), torch.zeros(4).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(torch.cov(done.T), torch.eye(4).double(), atol=1e-8, rtol=0)


def test_whitening_is_that_of_scikit_learn_up_to_order_and_sign() -> None:
    x = batch(200)
    ours = whiten(x, method="pca").flip(1)
    theirs = torch.from_numpy(PCA(whiten=True).fit_transform(x.numpy()))
    signs = (ours * theirs).sum(0).sign()
    torch.testing.assert_close(ours * signs, theirs, atol=1e-8, rtol=1e-6)


def test_zca_stays_closest_to_the_data() -> None:
    x = batch(200)
    centered = x - x.mean(0)
    near = (whiten(x, method="zca") - centered).square().sum()
    assert near < (whiten(x, method="pca") - centered).square().sum()


def test_dependent_features_are_refused_or_damped() -> None:
    x = batch(200)
    x[:, 3] = x[:, 0] + x[:, 1]
    with pytest.raises(DataError, match="linearly dependent"):
        whiten(x)
    assert torch.isfinite(whiten(x, epsilon=1e-3)).all()


@pytest.mark.parametrize("epsilon", [1e-12, 1e-5])
def test_repeated_large_features_with_an_epsilon(epsilon: float) -> None:
    x = (1e3 * batch(50)).float()
    assert torch.isfinite(whiten(torch.cat([x, x], 1), epsilon=epsilon)).all()
    assert whiten(x).dtype == torch.float32


def test_mistakes_in_whitening() -> None:
    with pytest.raises(SettingError, match="did you mean 'zca'"):
        whiten(batch(20), method="zcaa")  # type: ignore[arg-type]
    x = batch(20)
    x[3, 1] = float("nan")
    with pytest.raises(DataError, match="not finite"):
        whiten(x)
