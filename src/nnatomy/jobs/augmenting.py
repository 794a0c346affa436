"""Training images of a job that are varied in every epoch."""

from __future__ import annotations

from dataclasses import replace

from nnatomy.data.augmentation import Augmentation, AugmentedSamples, PixelScale
from nnatomy.data.augmentation.settings import augmentation_text, flips_characters
from nnatomy.data.image_codec import ImageCodec
from nnatomy.data.prepared import Prepared
from nnatomy.errors import SettingError
from nnatomy.jobs.data_lines import Say


def augmented(prepared: Prepared, augmentation: Augmentation | None) -> Prepared:
    """The data with training records that are varied in every epoch; the others stay.

    Raises:
        SettingError: The data are no images.
    """
    if augmentation is None:
        return prepared
    if not isinstance(prepared.codec, ImageCodec):
        raise SettingError(
            f"augment varies images, and the data are a {prepared.report.kind}: leave it out"
        )
    scale = PixelScale.of(prepared.codec.normalizer, floats=prepared.codec.floats)
    return replace(prepared, train=AugmentedSamples(prepared.train, augmentation, scale))


def say_augmentation(prepared: Prepared, augmentation: Augmentation | None, say: Say) -> None:
    """Say how training images are varied, and where flips look like a mistake."""
    if augmentation is None:
        return
    say(f"training images are varied in every epoch: {augmentation_text(augmentation)}")
    if flips_characters(augmentation, prepared.task.classes):
        say(
            "the classes look like characters, and flipped characters are no characters or other "
            "ones: --augment characters does not flip"
        )
