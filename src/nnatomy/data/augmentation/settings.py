"""How images are varied: the ranges of each operation, and presets of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypeAlias, get_args

from nnatomy.conversion import convert
from nnatomy.errors import SettingError, nearest

Fill: TypeAlias = Literal["mean", "edge", "mirror"]

_OTHER_NAMES = {
    "hflip": "flip",
    "horizontal_flip": "flip",
    "vflip": "flip_vertical",
    "vertical_flip": "flip_vertical",
    "rotation": "rotate",
    "degrees": "rotate",
    "zoom": "scale",
    "translate": "shift",
    "translation": "shift",
    "pad": "shift",
    "cutout": "erase",
    "erasing": "erase",
    "gaussian": "noise",
    "padding": "fill",
}
"""Names of the same things elsewhere."""


@dataclass(frozen=True)
class Augmentation:
    """Ranges from which each image's variation is drawn anew in every epoch; 0 is off.

    The crop is enlarged to the image's size first; the picture is then flipped, turned, scaled and
    shifted, all of it in one resampling; then come colors, noise and erasing.

    Args:
        flip: Probability of exchanging left and right.
        flip_vertical: Probability of exchanging top and bottom.
        rotate: Largest angle in degrees, to either side.
        scale: s scales by a factor from 1/(1 + s) to 1 + s, in and out alike.
        crop: Largest share of the sides that is cut away; what is left is enlarged.
        shift: Largest shift in either direction as a share of the side; by whole pixels, unless
            pixels are interpolated anyway. On 32 pixels 0.125 is the usual padding by 4 pixels and
            random window of 32.
        brightness: b multiplies the pixels by 1 - b to 1 + b.
        contrast: c multiplies the distance from the image's mean grey by 1 - c to 1 + c.
        saturation: s multiplies the distance from each pixel's own grey by 1 - s to 1 + s.
        noise: Largest standard deviation of Gaussian noise, that of the channel being 1.
        erase: Probability of erasing a rectangle of 2 to 33 % of the image.
        fill: What is outside the image: "mean" is the mean color of the training images, "edge"
            repeats the pixels at the edge, "mirror" reflects the image there.

    Source: Shorten and Khoshgoftaar 2019, A survey on image data augmentation (Journal of Big
    Data 6:60); erasing: Zhong et al. 2020, Random erasing data augmentation (arXiv 1708.04896).

    Example:
        >>> Augmentation(flip=0.5, shift=0.125) == PRESETS["standard"]
        True
    """

    flip: float = 0.0
    flip_vertical: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    crop: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    noise: float = 0.0
    erase: float = 0.0
    fill: Fill = "mean"

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant.

        Raises:
            SettingError: Names the operation and its range.
        """
        for name, highest in _HIGHEST.items():
            value = getattr(self, name)
            if not 0 <= value <= highest:
                raise SettingError(f"augment: {name} is from 0 to {highest:g}, got {value:g}")
        if self.fill not in get_args(Fill):
            hint = nearest(str(self.fill), get_args(Fill))
            raise SettingError(f"augment: fill is mean, edge or mirror, got '{self.fill}': {hint}")

    @property
    def moves(self) -> bool:
        """Whether pixels change their places."""
        return bool(self.flip or self.flip_vertical or self.shift or self.resamples)

    @property
    def resamples(self) -> bool:
        """Whether pixels come to lie between the old ones, so that new ones are interpolated."""
        return bool(self.rotate or self.scale or self.crop)

    @property
    def colors(self) -> bool:
        """Whether colors change."""
        return bool(self.brightness or self.contrast or self.saturation)

    @property
    def changes(self) -> bool:
        """Whether anything is done at all."""
        return bool(self.moves or self.colors or self.noise or self.erase)


_HIGHEST = {
    "flip": 1.0,
    "flip_vertical": 1.0,
    "rotate": 180.0,
    "scale": 4.0,
    "crop": 0.95,
    "shift": 1.0,
    "brightness": 1.0,
    "contrast": 1.0,
    "saturation": 1.0,
    "noise": 10.0,
    "erase": 1.0,
}

PRESETS: dict[str, Augmentation] = {
    "none": Augmentation(),
    "light": Augmentation(flip=0.5, shift=0.0625),
    "standard": Augmentation(flip=0.5, shift=0.125),
    "strong": Augmentation(
        flip=0.5,
        rotate=15.0,
        scale=0.2,
        shift=0.125,
        brightness=0.3,
        contrast=0.3,
        saturation=0.3,
        noise=0.1,
        erase=0.25,
    ),
    "characters": Augmentation(rotate=10.0, scale=0.15, shift=0.1, fill="edge"),
}
"""Augmentations by name. "standard" is what ResNets are trained with on CIFAR (Lee et al. 2015,
He et al. 2015, 4.2); "characters" turns and scales as Cireşan et al. 2010 (arXiv 1003.0358) do and
does not flip, because most characters flipped are no characters, or other ones."""


def augmentation_from(value: Augmentation | str | Mapping[str, Any] | None) -> Augmentation:
    """An augmentation as people write it.

    Args:
        value: The name of a preset; settings such as "rotate=15,noise=0.1", everything else being
            off; a preset with changes, "standard,rotate=15"; settings by name; None for none.

    Raises:
        SettingError: A name is unknown, or a value is out of range.

    Example:
        >>> augmentation_from("standard,flip=0,fill=edge")
        Augmentation(flip=0.0, ..., shift=0.125, ..., fill='edge')
    """
    if value is None:
        return PRESETS["none"]
    if isinstance(value, Augmentation):
        return value
    if isinstance(value, Mapping):
        return _changed(PRESETS["none"], value)
    if not isinstance(value, str):
        raise SettingError(f"augment takes a preset or settings by name, got {value!r}")
    first, *entries = [entry.strip() for entry in value.split(",")]
    base = PRESETS["none"]
    if "=" in first:
        entries = [first, *entries]
    elif first in PRESETS:
        base = PRESETS[first]
    else:
        names = [*PRESETS, *(f"{name}=…" for name in _NAMES)]
        hint = nearest(_OTHER_NAMES.get(first, first), [*PRESETS, *_NAMES])
        known = hint if hint.startswith("did") else f"known names: {', '.join(names)}"
        raise SettingError(f"augment '{first}' is no preset: {known}")
    return _changed(base, _pairs(entries))


def augmentation_text(augmentation: Augmentation) -> str:
    """The shortest text that `augmentation_from` reads as this one.

    Example:
        >>> augmentation_text(Augmentation(rotate=15.0)), augmentation_text(PRESETS["strong"])
        ('rotate=15', 'strong')
    """
    for name, preset in PRESETS.items():
        if preset == augmentation:
            return name
    unusual = {
        name: value
        for name, value in asdict(augmentation).items()
        if value != getattr(PRESETS["none"], name)
    }
    return ",".join(
        f"{name}={value if isinstance(value, str) else repr(float(value)).removesuffix('.0')}"
        for name, value in unusual.items()
    )


def flips_characters(augmentation: Augmentation, classes: Sequence[Any]) -> bool:
    """Whether images are flipped whose classes are all single letters or digits."""
    words = [str(label) for label in classes]
    characters = bool(words) and all(len(word) == 1 and word.isalnum() for word in words)
    return characters and bool(augmentation.flip or augmentation.flip_vertical)


def preset_words() -> dict[str, str]:
    """Each preset with its settings in words, for lists."""
    return {name: _words(preset) for name, preset in PRESETS.items()}


_NAMES = tuple(field.name for field in fields(Augmentation))


def _words(augmentation: Augmentation) -> str:
    changed = [(n, v) for n, v in asdict(augmentation).items() if v not in (0.0, "mean")]
    return ", ".join(f"{n}={v if isinstance(v, str) else f'{v:g}'}" for n, v in changed) or "off"


def _pairs(entries: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for entry in entries:
        name, sign, value = (part.strip() for part in entry.partition("="))
        if not sign or not name or not value:
            raise SettingError(f"augment takes a preset, name=value or both, got '{entry}'")
        if name in values:
            raise SettingError(f"augment: '{name}' is given twice")
        values[name] = value
    return values


def _changed(base: Augmentation, values: Mapping[str, Any]) -> Augmentation:
    for name in values:
        if name not in _NAMES:
            hint = nearest(_OTHER_NAMES.get(name, name), _NAMES)
            raise SettingError(f"augment: '{name}' is unknown: {hint}")
    return replace(
        base,
        **{
            name: convert(f"augment {name}", value, str if name == "fill" else float)
            for name, value in values.items()
        },
    )
