from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnatomy.report.figures_classes import calibration_figure, per_class_figure, ranking_figure
from nnatomy.report.figures_confusion import confusion_figure, level, mistakes
from nnatomy.report.figures_curves import curves_figure
from nnatomy.report.figures_data import balance_figure, comparison_figure
from nnatomy.report.figures_network import network_figure, stages
from nnatomy.report.figures_values import residual_figure
from nnatomy.report.svg import Scale, spread
from report import cases

SVG = "{http://www.w3.org/2000/svg}"


def texts(figure):
    return [e.text for e in ElementTree.fromstring(figure.svg).iter(f"{SVG}text")]


def paths(figure, css):
    root = ElementTree.fromstring(figure.svg)
    return [e.get("d") for e in root.iter(f"{SVG}path") if css in e.get("class", "").split()]


def places(path):
    return [tuple(map(float, pair.split())) for pair in re.split("[MLZ]", path) if pair]


def test_a_confusion_matrix_writes_every_count_that_is_not_zero():
    matrix = [[50, 0, 3], [0, 41, 0], [7, 0, 12]]
    figure = confusion_figure(matrix, ["a", "b", "c"])
    numbers = [int(word) for word in texts(figure) if word.isdigit()]
    assert sorted(numbers) == [3, 7, 12, 41, 50]
    assert "103 of 113" in figure.alt
    assert mistakes(matrix, ["a", "b", "c"])[0] == ("c", "a", 7, 7 / 19)


def test_a_confusion_matrix_of_100_classes_draws_one_path_a_color_and_legible_labels():
    matrix = [
        [10 if a == b else int((7 * a + b) % 50 == 0) for a in range(100)] for b in range(100)
    ]
    figure = confusion_figure(matrix, [f"class {i}" for i in range(100)])
    cells = paths(figure, "cell")
    assert len(cells) <= 11
    filled = sum(amount > 0 for row in matrix for amount in row)
    assert sum(path.count("M") for path in cells) == filled
    root = ElementTree.fromstring(figure.svg)
    labels = [
        float(e.get("y"))
        for e in root.iter(f"{SVG}text")
        if (e.text or "").startswith("class") and e.get("y")
    ]
    assert min(b - a for a, b in itertools.pairwise(sorted(labels))) >= 13


def test_levels_of_color_run_from_the_first_to_the_last():
    assert [level(share) for share in (0.0, 0.5, 1.0)] == [0, 5, 10]


def test_curves_mark_the_best_epoch_and_name_the_lines_at_their_ends():
    figure = curves_figure(cases.metric_rows(30), 12, score="accuracy")
    words = texts(figure)
    assert "best epoch 12" in words
    assert any(word.startswith("training ") for word in words)
    assert any(word.startswith("validation ") for word in words)
    assert len(paths(figure, "faint")) == 0


def test_the_axis_of_an_accuracy_goes_from_zero_to_one():
    rows = [{"epoch": e, "valid_score": 0.97 + 0.001 * e} for e in range(1, 11)]
    words = texts(curves_figure(rows, None, score="accuracy"))
    assert "0" in words
    assert "1" in words


def test_smoothing_never_hides_the_raw_line():
    figure = curves_figure(cases.metric_rows(200), 90, score="accuracy")
    drawn = [len(places(path)) for path in paths(figure, "train") + paths(figure, "valid")]
    assert len(paths(figure, "faint")) == 5
    assert len(drawn) == 10
    assert [len(places(path)) for path in paths(figure, "faint")] == [200] * 5


def test_a_value_of_one_epoch_is_a_dot():
    figure = curves_figure(cases.metric_rows(1), 1, score="accuracy")
    circles = list(ElementTree.fromstring(figure.svg).iter(f"{SVG}circle"))
    assert len(circles) == 5


def test_curves_without_numbers_are_no_figure():
    assert curves_figure([{"epoch": 1, "loss": "nan"}], None, score="accuracy") is None


def test_layers_without_weights_that_keep_the_shape_join_the_block_before():
    drawn = stages(cases.architecture())
    assert [stage.layer.split("(")[0] for stage in drawn] == [
        "Conv2d",
        "MaxPool2d",
        "Conv2d",
        "AdaptiveAvgPool2d",
        "Flatten",
        "Linear",
        "Linear",
    ]
    assert sum(stage.parameters for stage in drawn) == 160 + 4640 + 8256 + 650
    assert sum(stage.layers for stage in drawn) == len(cases.LENET)
    assert drawn[5].followers == ("ReLU", "Dropout")


def test_the_layer_stack_shows_every_shape_and_part():
    figure = network_figure(cases.architecture())
    words = texts(figure)
    for shown in ("16×8×8", "32×2×2", "128", "10", "features", "pool", "head", "160 weights"):
        assert shown in words


def test_a_deep_network_is_gathered_by_part_and_shape():
    layers = [
        (f"stage{i // 40}.{i}", "Conv2d(64, 64, 3)", [64, 8, 8], 10, 10, "") for i in range(160)
    ]
    drawn = stages(cases.architecture(layers))
    assert [stage.layers for stage in drawn] == [40] * 4
    assert "40 layers" in texts(network_figure(cases.architecture(layers)))


def test_a_comparison_says_where_its_axis_begins():
    ours = ("net", {"value": 0.95, "low": 0.93, "high": 0.96})
    figure = comparison_figure("accuracy", ours, {"boosting": {"value": 0.92}})
    assert any("does not begin at zero" in word for word in texts(figure))
    figure = comparison_figure("accuracy", ours, {"majority": {"value": 0.1}})
    assert not any("does not begin at zero" in word for word in texts(figure))


def test_class_balance_gives_counts_and_for_many_classes_a_profile():
    words = texts(balance_figure({"cat": 75, "dog": 25}))
    assert any(word.startswith("75 ") for word in words)
    many = balance_figure({f"class {i}": i + 1 for i in range(200)})
    assert "largest: class 199" in texts(many)
    assert "smallest: class 0" in texts(many)


def test_scores_of_many_classes_show_the_worst_and_say_so():
    entries = [
        {"label": f"c{i}", "precision": 0.5, "recall": 0.5, "f1": i / 100, "n": 9}
        for i in range(99)
    ]
    figure = per_class_figure(entries)
    assert "c0" in texts(figure)
    assert "c30" not in texts(figure)
    assert "30 worst" in figure.caption


def test_calibration_places_a_point_where_accuracy_and_confidence_meet():
    bins = [
        {"low": 0.0, "high": 0.5, "confidence": 0.25, "accuracy": 0.75, "n": 4},
        {"low": 0.5, "high": 1.0, "confidence": 1.0, "accuracy": 1.0, "n": 6},
    ]
    figure = calibration_figure(bins)
    (curve,) = paths(figure, "valid")
    assert places(curve) == [(56 + 258 / 4, 20 + 258 / 4), (314, 20)]


def test_the_class_with_the_smallest_area_is_named():
    curve = [[0.0, 0.0], [0.2, 0.9], [1.0, 1.0]]
    roc = [{"label": "a", "points": curve, "auc": 0.9}, {"label": "b", "points": curve, "auc": 0.8}]
    figure = ranking_figure(roc, [])
    assert "b: area 0.800" in texts(figure)


@pytest.mark.parametrize("draw", [calibration_figure, per_class_figure])
def test_nothing_to_draw_is_no_figure(draw):
    assert draw([]) is None
    assert ranking_figure([], []) is None
    assert residual_figure([], {}) is None
    assert network_figure([]) is None
    assert balance_figure({}) is None


def test_constant_values_have_a_picture():
    figure = residual_figure([[2.0, 2.0]] * 3, {"edges": [0.0, 0.0], "counts": [3]})
    assert "3 points" in figure.alt
    assert curves_figure([{"epoch": e, "loss": 0.0} for e in (1, 2)], 1, score="r2") is not None


@settings(deadline=None, max_examples=50)
@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9), st.booleans())
def test_ticks_lie_within_their_scale(low, reach, log):
    low = abs(low) + 1e-3 if log else low
    scale = Scale(low, low + reach, 300, 20, log=log)
    for tick in scale.ticks():
        assert 20 - 0.01 <= scale(tick) <= 300 + 0.01


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=6))
def test_labels_are_spread_apart_and_keep_their_order_and_mean(values):
    moved = spread(values, 16)
    ordered = sorted(moved)
    assert all(b - a >= 16 - 1e-9 for a, b in itertools.pairwise(ordered))
    assert sum(moved) == pytest.approx(sum(values))
    ranks = sorted(range(len(values)), key=lambda i: values[i])
    assert [moved[i] for i in ranks] == pytest.approx(ordered)
