"""From facts to a document: which sections a report has, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nnatomy.report.build_data import data_blocks
from nnatomy.report.build_health import health_blocks
from nnatomy.report.build_results import example_blocks, result_blocks
from nnatomy.report.caveats import find_caveats
from nnatomy.report.document import Align, Block, Code, Document, Listing, Paragraph, Section, Table
from nnatomy.report.facts import Facts
from nnatomy.report.figures_curves import curves_figure
from nnatomy.report.figures_data import comparison_figure
from nnatomy.report.figures_network import network_figure
from nnatomy.report.wording import (
    NO_VALUE,
    baseline_name,
    count,
    finite,
    line,
    metric_in_full,
    metric_interval,
    metric_name,
    metric_value,
    number,
    plural,
    seconds,
    shape,
)

MOST_LAYERS = 400


def build_document(facts: Facts) -> Document:
    """Arrange the facts of a run as a report.

    A part of the facts that is missing is said to be missing in its section; the health of the
    training has a section only where it was measured.

    Args:
        facts: The files of the run folder.
    """
    parts: tuple[tuple[str, str, Callable[[Facts], list[Block]]], ...] = (
        ("verdict", "Verdict", _verdict_blocks),
        ("data", "Data", data_blocks),
        ("architecture", "Architecture", _architecture_blocks),
        ("curves", "Learning curves", _curve_blocks),
        ("health", "Health", health_blocks),
        ("results", "Results on the test set", result_blocks),
        ("examples", "Examples", example_blocks),
        ("reproduce", "How to reproduce this run", _reproduce_blocks),
        ("caveats", "Caveats", _caveat_blocks),
    )
    present = [part for part in parts if part[0] != "health" or facts.get("health")]
    sections = tuple(
        Section(number=position, anchor=anchor, title=title, blocks=tuple(build(facts)))
        for position, (anchor, title, build) in enumerate(present, start=1)
    )
    result = facts.get("result", {})
    network, source = result.get("network", "A network"), result.get("source", "data")
    return Document(f"{network} on {source}", _facts_line(result), sections)


def comparison_rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """One row a metric: its name, value, interval, n, and the value of each baseline."""
    baselines = result.get("baseline") or {}
    rows = []
    for key, entry in (result.get("metrics") or {}).items():
        theirs = [metric_value(key, (b.get(key) or {}).get("value")) for b in baselines.values()]
        value, interval = metric_value(key, entry.get("value")), metric_interval(key, entry)
        amount = count(entry.get("n"))
        rows.append((metric_name(key), value, interval or NO_VALUE, amount, *theirs))
    return rows


def _facts_line(result: dict[str, Any]) -> tuple[str, ...]:
    splits = result.get("splits") or {}
    total = sum(amount for amount in splits.values() if isinstance(amount, int))
    known = [
        str(result.get("task", "")),
        f"target: {line(result['target'], 60)}" if "target" in result else "",
        plural(total, "record") if total else "",
        f"{count(result['parameters'])} parameters" if "parameters" in result else "",
        f"trained in {seconds(result['training_seconds'])}" if "training_seconds" in result else "",
        line(result.get("finished") or "", 40)[:10],
    ]
    return tuple(words for words in known if words)


def _verdict_blocks(facts: Facts) -> list[Block]:
    result = facts.get("result", {})
    blocks: list[Block] = []
    text = (result.get("verdict") or {}).get("text")
    key = result.get("primary", "")
    ours = (result.get("metrics") or {}).get(key)
    blocks.append(Paragraph(text or "The run holds no verdict.", role="lead"))
    if not ours:
        return [*blocks, Paragraph("The run holds no test metrics.")]
    kind = f", {line(ours['interval'], 60)} interval" if ours.get("interval") else ""
    blocks.append(
        Paragraph(
            f"{metric_name(key)} on the test set: {metric_in_full(key, ours)}{kind}, "
            f"n = {count(ours.get('n'))}."
        )
    )
    theirs = {
        name: entry[key]
        for name, entry in (result.get("baseline") or {}).items()
        if entry.get(key) is not None
    }
    figure = comparison_figure(key, (str(result.get("network", "network")), ours), theirs)
    if figure:
        blocks.append(figure)
    blocks.append(_metric_table(result))
    return blocks


def _metric_table(result: dict[str, Any]) -> Table:
    right: Align = "right"
    heads = [baseline_name(name) for name in result.get("baseline") or {}]
    kinds: dict[str, list[str]] = {}
    for key, entry in result["metrics"].items():
        if entry.get("interval"):
            kinds.setdefault(line(entry["interval"], 60), []).append(metric_name(key))
    note = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items())
    strong = list(result["metrics"]).index(result["primary"])
    return Table(
        caption="Test metrics of the network and of its baselines",
        columns=(
            ("Metric", "left"),
            (line(result.get("network", "network"), 30), right),
            ("Interval", right),
            ("n", right),
            *((head, right) for head in heads),
        ),
        rows=tuple(comparison_rows(result)),
        strong=strong,
        note=f"Intervals. {note}." if note else "",
    )


def _layers_note(layers: Sequence[Mapping[str, Any]]) -> str:
    notes = []
    if any(entry.get("receptive_field") for entry in layers):
        notes.append("Sees: side of the square of the image that one value depends on, in pixels.")
    if len(layers) > MOST_LAYERS:
        notes.append(f"The first {MOST_LAYERS} layers; result.json has all {len(layers)}.")
    return " ".join(notes)


def _architecture_blocks(facts: Facts) -> list[Block]:
    result = facts.get("result", {})
    layers = result.get("architecture") or []
    if not layers:
        return [Paragraph("The run holds no description of the network's layers.")]
    cost = f"{count(result.get('parameters'))} parameters"
    if result.get("multiplications") is not None:
        cost += f" and {count(result['multiplications'])} multiplications for one record"
    blocks: list[Block] = [Paragraph(f"{plural(len(layers), 'layer')} with {cost}.")]
    if figure := network_figure(layers):
        blocks.append(figure)
    rows = tuple(
        (
            line(entry.get("name"), 60),
            shape(entry.get("output")),
            count(entry.get("parameters")),
            count(entry.get("multiplications")),
            count(entry.get("receptive_field")),
            line(entry.get("layer"), 80),
        )
        for entry in layers[:MOST_LAYERS]
    )
    blocks.append(
        Table(
            caption="Layers",
            columns=(
                ("Name", "left"),
                ("Output", "right"),
                ("Parameters", "right"),
                ("Multiplications", "right"),
                ("Sees", "right"),
                ("Layer", "left"),
            ),
            rows=rows,
            note=_layers_note(layers),
            one_line=True,
        )
    )
    if table := _formulas_table(layers[:MOST_LAYERS]):
        blocks.append(table)
    return blocks


def _formulas_table(layers: Sequence[Mapping[str, Any]]) -> Table | None:
    """What each kind of layer computes, told once however many layers are of that kind."""
    pairs = {
        (line(str(entry.get("layer")).partition("(")[0], 40), line(entry["formula"], 120)): None
        for entry in layers
        if entry.get("formula")
    }
    if not pairs:
        return None
    columns: tuple[tuple[str, Align], ...] = (("Layer", "left"), ("Formula", "left"))
    return Table(caption="Formulas", columns=columns, rows=tuple(pairs))


def _curve_blocks(facts: Facts) -> list[Block]:
    result = facts.get("result", {})
    best = finite(result.get("best_epoch"))
    figure = curves_figure(
        facts.get("metrics") or [], best, score=str(result.get("primary", "accuracy"))
    )
    words = []
    if "epochs" in result:
        words.append(f"Trained for {plural(result['epochs'], 'epoch')}.")
    if best is not None:
        words.append(f"The weights of epoch {count(best)} were kept.")
    if result.get("stopped"):
        words.append(f"End of training: {line(result['stopped'], 200).rstrip('.')}.")
    blocks: list[Block] = [Paragraph(" ".join(words))] if words else []
    blocks.append(figure or Paragraph("The run holds no finite values by epoch."))
    return blocks


def _reproduce_blocks(facts: Facts) -> list[Block]:
    result = facts.get("result", {})
    blocks: list[Block] = []
    if result.get("command"):
        blocks.append(Code("Command", str(result["command"])))
    known = {
        "Seed": result.get("seed"),
        "Threads": result.get("threads"),
        "Finished": result.get("finished"),
        "Training": seconds(result.get("training_seconds")),
        "All": seconds(result.get("seconds")),
        "Model file": result.get("model"),
        "SHA-256 of the model": result.get("model_sha256"),
        "Fingerprint of the data": facts.get("data_report", {}).get("fingerprint") or None,
    }
    blocks.append(_pairs_table("Run", {key: v for key, v in known.items() if v is not None}))
    blocks.append(_pairs_table("Weights it started from", _start_pairs(result)))
    blocks.append(_pairs_table("Network and training", _flat(result.get("settings") or {})))
    blocks.append(_pairs_table("What was asked for", _flat(facts.get("config") or {})))
    blocks.append(_pairs_table("Environment", _flat(facts.get("env") or {})))
    blocks.append(
        Paragraph(
            "The numbers of this report stand as JSON in the file itself; nnatomy report --verify "
            "recomputes them from test_predictions.csv.",
            role="note",
        )
    )
    return [block for block in blocks if not isinstance(block, Table) or block.rows]


def _start_pairs(result: dict[str, Any]) -> dict[str, Any]:
    """What was taken over from earlier weights; empty for a network that started anew."""
    start = result.get("start")
    if not isinstance(start, dict):
        return {}
    taken, whole = start.get("tensors") or (None, None)
    weights, all_weights = start.get("parameters") or (None, None)
    return {
        "From": line(start.get("from"), 200),
        "SHA-256": start.get("sha256"),
        "Format": start.get("format"),
        "Tensors taken over": f"{count(taken)} of {count(whole)}",
        "Weights taken over": f"{count(weights)} of {count(all_weights)}",
        "New": line(", ".join(start.get("new") or ()) or "nothing", 400),
        "Why": line("; ".join(start.get("reasons") or ()), 400),
        "Converted to float32": start.get("converted") or "nothing",
        "Inputs": line(start.get("inputs"), 200),
    }


def _caveat_blocks(facts: Facts) -> list[Block]:
    items = tuple((caveat.head, caveat.text) for caveat in find_caveats(facts))
    blocks: list[Block] = [
        Paragraph(
            "Found by rule in the facts of this run; a rule that stays silent proves nothing."
        ),
        Listing(items),
    ]
    if facts.get("left_out"):
        words = "; ".join(facts["left_out"])
        blocks.append(
            Paragraph(f"Left out to keep this file under 2 MiB: {words}. The run folder has them.")
        )
    return blocks


def _pairs_table(caption: str, pairs: dict[str, Any]) -> Table:
    rows = tuple((line(name, 80), _setting(value)) for name, value in pairs.items())
    return Table(caption, ((caption, "left"), ("Value", "left")), rows)


def _setting(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and finite(value) is None):
        return "not set"
    return number(value, 8) if isinstance(value, float) else line(value, 160)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one level: {"a": {"b": 1}} becomes {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
