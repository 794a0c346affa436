"""How augmentations are written, read and refused."""

from __future__ import annotations

from dataclasses import asdict, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnatomy.data.augmentation import PRESETS, Augmentation, augmentation_from
from nnatomy.data.augmentation.settings import augmentation_text, preset_words
from nnatomy.errors import SettingError


def test_a_preset_with_changes() -> None:
    found = augmentation_from(" standard , rotate=15, flip=0 ,fill=mirror")
    assert found == Augmentation(rotate=15.0, shift=0.125, fill="mirror")


def test_settings_without_a_preset_begin_with_nothing() -> None:
    assert augmentation_from("flip=0,rotate=15") == Augmentation(rotate=15.0)
    assert augmentation_from({"noise": 0.1, "fill": "edge"}) == Augmentation(noise=0.1, fill="edge")
    assert augmentation_from(None) == augmentation_from("none") == Augmentation()
    assert augmentation_from(PRESETS["light"]) is PRESETS["light"]


def test_characters_are_never_flipped() -> None:
    assert PRESETS["characters"].flip == PRESETS["characters"].flip_vertical == 0


def test_only_none_changes_nothing() -> None:
    assert [name for name, preset in PRESETS.items() if not preset.changes] == ["none"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("standart", "augment 'standart' is no preset: did you mean 'standard'?"),
        ("rotate", "augment 'rotate' is no preset: did you mean 'rotate'?"),
        ("qqqq", "known names: none, light, standard, strong, characters, flip=…"),
        ("rotat=3", "augment: 'rotat' is unknown: did you mean 'rotate'?"),
        ("zoom=0.1", "augment: 'zoom' is unknown: did you mean 'scale'?"),
        ("standard,flip", "takes a preset, name=value or both, got 'flip'"),
        ("standard,,flip=1", "got ''"),
        ("rotate=", "got 'rotate='"),
        ("rotate=1,rotate=2", "'rotate' is given twice"),
        ("rotate=much", "setting 'augment rotate' takes a number, got 'much'"),
        ("flip=50", "flip is from 0 to 1, got 50"),
        ("rotate=-3", "rotate is from 0 to 180, got -3"),
        ("noise=nan", "noise is from 0 to 10, got nan"),
        ("fill=black", "fill is mean, edge or mirror, got 'black'"),
        ("", "augment '' is no preset"),
    ],
)
def test_mistakes_name_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        augmentation_from(text)
    assert message in str(caught.value)


def test_other_types_are_refused() -> None:
    with pytest.raises(SettingError, match="a preset or settings by name, got 3"):
        augmentation_from(3)  # type: ignore[arg-type]


@given(
    st.builds(
        Augmentation,
        **{field.name: st.floats(0, 0.9) for field in fields(Augmentation) if field.name != "fill"},
        fill=st.sampled_from(["mean", "edge", "mirror"]),
    )
)
def test_what_is_written_is_read_again(augmentation: Augmentation) -> None:
    assert augmentation_from(augmentation_text(augmentation)) == augmentation
    assert augmentation_from(asdict(augmentation)) == augmentation


def test_presets_are_written_by_name_and_said_in_words() -> None:
    for name, preset in PRESETS.items():
        assert augmentation_text(preset) == name
    assert preset_words()["standard"] == "flip=0.5, shift=0.125"
    assert preset_words()["none"] == "off"
