"""Training on varied images: each epoch other ones, the same in one go, in pieces and watched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from image_folders import class_folder
from nnatomy.data.augmentation import Augmentation, AugmentedSamples, augment_images
from nnatomy.data.image_decode import Framing
from nnatomy.data.image_normalize import Normalizer
from nnatomy.data.image_stream import ImageFileSamples
from nnatomy.data.images import prepare_images
from nnatomy.data.samples import TensorSamples
from nnatomy.diagnose.examination import examine_records
from nnatomy.diagnose.probe import Probe
from nnatomy.errors import SettingError
from nnatomy.jobs.augmenting import augmented
from nnatomy.models.lenet import LeNet
from nnatomy.models.mlp import MLP
from nnatomy.training.fit import fit
from nnatomy.training.many import fit_many
from nnatomy.training.observers import Observer
from nnatomy.training.order import permutation
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings

STRONG = Augmentation(0.5, 0.0, 20, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.1, 0.3)
SETTINGS = Settings(epochs=4, batch_size=16, lr=0.01, seed=3, device="cpu")
NORMALIZER = Normalizer((0.5,), (0.25,))


def bytes_of(count: int, seed: int) -> TensorSamples:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 8, 8, 1), dtype=torch.uint8, generator=generator)
    return TensorSamples(pixels, torch.arange(count) % 3, transform=NORMALIZER)


def varied(count: int = 40) -> AugmentedSamples:
    return AugmentedSamples(bytes_of(count, 0), STRONG)


def lenet() -> nn.Module:
    torch.manual_seed(0)
    return LeNet((1, 8, 8), 3, channels=(4,), hidden=8, dropout=0.2)


def mlp() -> nn.Module:
    torch.manual_seed(0)
    return MLP((1, 8, 8), 3, hidden=(8,))


class Seen(Observer):
    """Keeps the inputs of every step."""

    def __init__(self) -> None:
        self.inputs: list[Tensor] = []

    def on_step(self, session: Session) -> None:
        assert session.batch is not None
        self.inputs.append(session.batch.inputs.clone())


def test_every_epoch_shows_the_images_of_its_seed_and_number() -> None:
    samples, seen = varied(), Seen()
    fit(lenet(), samples, settings=SETTINGS, observers=[seen])
    images = next(samples.batches(None, 40)).inputs
    for epoch in range(4):
        order = permutation(40, 3, epoch)
        expected = augment_images(images[order], STRONG, order.numpy(), seed=3, epoch=epoch)
        shown = torch.cat(seen.inputs[3 * epoch : 3 * epoch + 3])
        assert torch.equal(shown, expected)
        assert not torch.equal(shown, images[order])


@pytest.mark.parametrize("build", [lenet, mlp])
def test_stopped_anywhere_and_resumed_the_weights_are_the_same(build: object) -> None:
    assert callable(build)
    whole = build()
    fit(whole, varied(), bytes_of(20, 1), settings=SETTINGS)
    for steps in (1, 4, 7):
        calls = 0

        def stop(limit: int = steps) -> bool:
            nonlocal calls
            calls += 1
            return calls >= limit

        half = fit(build(), varied(), bytes_of(20, 1), settings=SETTINGS, stop=stop)
        assert half.interrupted
        again = build()
        fit(again, varied(), bytes_of(20, 1), settings=SETTINGS, state=half.capture())
        for one, other in zip(whole.parameters(), again.parameters(), strict=True):
            assert torch.equal(one, other)


def test_watched_and_unwatched_are_the_same() -> None:
    plain, watched = lenet(), lenet()
    fit(plain, varied(), settings=SETTINGS)
    probe = Probe()
    fit(watched, varied(), settings=SETTINGS, observers=[probe, Seen()])
    probe.close()
    for one, other in zip(plain.parameters(), watched.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("engine", ["auto", "autograd"])
def test_one_batch_of_all_is_varied_in_every_epoch_too(engine: str) -> None:
    """Compiled steps take many epochs at once where nothing changes between them."""
    settings = replace(SETTINGS, batch_size=None, engine=engine)  # type: ignore[arg-type]
    network, twin = mlp(), mlp()
    fit(network, varied(), settings=settings)
    images, labels = varied().samples.inputs, varied().samples.targets  # type: ignore[attr-defined]
    rule = torch.optim.Adam(twin.parameters(), lr=settings.lr)
    for epoch in range(4):
        shown = augment_images(NORMALIZER(images), STRONG, np.arange(40), seed=3, epoch=epoch)
        rule.zero_grad()
        nn.functional.cross_entropy(twin(shown), labels).backward()
        rule.step()
    for one, other in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_validation_and_what_is_measured_on_records_stay_plain() -> None:
    samples, plain = varied(), bytes_of(40, 0)
    for one, other in zip(samples.batches(None, 7), plain.batches(None, 7), strict=True):
        assert torch.equal(one.inputs, other.inputs)
    assert examine_records(samples, "cross_entropy") == examine_records(plain, "cross_entropy")
    still = replace(SETTINGS, epochs=1, error_rate=0.01, lr=1e-12, engine="autograd")
    one, other = (
        fit(mlp(), s, bytes_of(20, 1), settings=still).history[0] for s in (samples, plain)
    )
    assert abs(one["valid_loss"] - other["valid_loss"]) < 1e-6
    assert one["error_rate"] == other["error_rate"]
    assert abs(one["loss"] - other["loss"]) > 1e-3


def test_many_networks_see_what_each_would_alone() -> None:
    settings = [replace(SETTINGS, seed=seed, epochs=2) for seed in (1, 2)]
    together = [mlp(), mlp()]
    fit_many(together, varied(), settings=settings)
    for network, own in zip(together, settings, strict=True):
        alone = mlp()
        fit(alone, varied(), settings=own)
        for one, other in zip(network.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_files_give_the_same_pictures_for_any_number_of_threads(tmp_path: Path) -> None:
    class_folder(tmp_path, {"a": 12, "b": 11}, shape=(8, 8, 3))
    paths = sorted(tmp_path.rglob("*.png"))
    normalizer = Normalizer((0.5,) * 3, (0.25,) * 3)
    order, pictures = permutation(23, 0, 0), []
    for workers, size in ((1, 23), (3, 5)):
        files = ImageFileSamples(
            paths,
            torch.zeros(23, dtype=torch.long),
            framing=Framing((8, 8), 3),
            transform=normalizer,
            workers=workers,
        )
        shown = AugmentedSamples(files, STRONG).in_epoch(5, 1)
        assert len(shown) == 23
        assert shown.input_shape == (3, 8, 8)
        pictures.append(torch.cat([batch.inputs for batch in shown.batches(order, size)]))
    assert torch.equal(*pictures)


def test_colors_end_at_black_and_white_where_images_are_bytes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
    bright = Augmentation(brightness=1.0)
    for images, limits in ((pixels, (0.0, 1.0)), (pixels / np.float32(255), None)):
        prepared = augmented(prepare_images((images, ["a", "b"] * 20)), bright)
        train = prepared.train
        assert isinstance(train, AugmentedSamples)
        assert train.scale.limits == limits
        (mean,), (std,) = train.scale.mean, train.scale.std
        shown = next(train.in_epoch(3, 1).batches(None, 40)).inputs
        plain = next(train.batches(None, 40)).inputs
        expected = augment_images(plain, bright, range(26), seed=3, epoch=1, scale=train.scale)
        assert torch.equal(shown, expected)
        assert (shown.max() * std + mean > 1.1) == (limits is None)


def test_rows_of_numbers_are_refused() -> None:
    rows = TensorSamples(torch.zeros(5, 4), torch.zeros(5, dtype=torch.long))
    with pytest.raises(SettingError, match="augment: images are varied, and these records are no"):
        AugmentedSamples(rows, STRONG)
