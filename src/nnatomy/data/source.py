"""What kind of data a source holds, and preparing it accordingly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nnatomy.data.bundled import bundled_names, load_bundled
from nnatomy.data.image_codec import ImageCodec
from nnatomy.data.image_files import ARCHIVES, EXTENSIONS, ImageFiles, is_image_list, scan_images
from nnatomy.data.image_normalize import Normalizer
from nnatomy.data.images import ImageSettings, prepare_images
from nnatomy.data.prepared import Prepared
from nnatomy.data.schema import Kind
from nnatomy.data.split import SplitPlan
from nnatomy.data.table import TableCodec, prepare_table
from nnatomy.errors import DataError, SettingError, nearest

SourceKind: TypeAlias = Literal["table", "images"]

_TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xlsm", ".parquet", ".pq")
_TEXT_ENDINGS = (".tsv", ".tab", ".txt")
_KNOWN = (
    "known sources: a table (CSV, TSV, Parquet, XLSX, data frame, array), images (a folder, a CSV "
    "file of paths and labels, an array), a bundled data set"
)
_SAMPLE_LINES = 50
_SENTENCE_WORDS = 4
_LONGEST_NAME = 100


@dataclass(frozen=True)
class OpenedSource:
    """A source whose kind is known.

    Args:
        kind: "table" or "images".
        data: A path, frame or array for a table; an `ImageFiles` or (images, labels) for images.
        name: What the user gave, in words.
        target: Name of the target column, where it is known.
    """

    kind: SourceKind
    data: Any
    name: str
    target: str | None = None


def open_source(source: Any, *, target: str | None = None) -> OpenedSource:
    """Recognise what kind of data a source holds.

    An existing file or folder goes before a bundled data set of the same name.

    Args:
        source: A path, the name of a bundled data set, a data frame, an array or tensor (two axes:
            a table; more: images), or a pair (X, y).
        target: Name of the target column.

    Raises:
        DataError: There is no such thing, or it is of a kind that is not known.
    """
    if isinstance(source, (str, Path)):
        return _open_named(source, target)
    if isinstance(source, ImageFiles):
        return OpenedSource("images", source, str(source.root), target)
    if isinstance(source, tuple) and len(source) == 2:
        return _open_pair(*source, target)
    if _is_frame(source):
        return OpenedSource("table", source, "DataFrame", target)
    axes = _axes(source)
    if axes == 2:
        return OpenedSource("table", _as_array(source), "array", target)
    if axes in (3, 4):
        raise DataError("image array: labels are missing; give a pair (images, labels)")
    raise DataError(f"{type(source).__name__} is no source of data; {_KNOWN}")


def prepare(
    source: Any,
    *,
    target: str | None = None,
    task: str | None = None,
    kinds: Mapping[str, Kind] | None = None,
    plan: SplitPlan | None = None,
    images: ImageSettings | None = None,
    scratch: Path | None = None,
    like: Normalizer | ImageCodec | TableCodec | None = None,
) -> Prepared:
    """Check, split and encode a source of any known kind.

    Args:
        source: See `open_source`.
        target: Name of the target column; None to find it.
        task: "classification" or "regression"; None to infer it.
        kinds: Kinds of a table's columns that are not to be inferred, by name.
        plan: Shares and seed of the split.
        images: Size, channels and other settings of images.
        scratch: Folder for the encoded records of a table that is too large for memory.
        like: What an earlier network saw of its records, instead of codes fitted on these: how
            pixels were normalized, the codec of images, or that of a table with the same columns.

    Raises:
        DataError: The source cannot be used.
        SettingError: A setting does not suit the kind of the source.
    """
    opened = open_source(source, target=target)
    table = like if isinstance(like, TableCodec) else None
    pixels = None if isinstance(like, TableCodec) else like
    if like is not None and (pixels is None) == (opened.kind == "images"):
        kind = "a table" if opened.kind == "table" else "images"
        raise SettingError(f"{opened.name} is {kind}, which the earlier network did not learn from")
    if opened.kind == "images":
        if kinds:
            raise SettingError(f"kinds: {opened.name} holds images, which have no columns")
        prepared = prepare_images(
            opened.data,
            target=opened.target,
            task=task,
            plan=plan,
            settings=images,
            like=pixels,
        )
    elif images not in (None, ImageSettings()):
        raise SettingError(f"{opened.name} is a table: it has no image size, channels or fit")
    else:
        prepared = prepare_table(
            opened.data,
            target=opened.target,
            task=task,
            kinds=kinds,
            plan=plan,
            scratch=scratch,
            like=table,
        )
    prepared.report.source = opened.name
    return prepared


def _open_named(source: str | Path, target: str | None) -> OpenedSource:
    path = Path(source)
    if "\n" in str(source):
        raise DataError("the text has several lines: give the path of a file, not its content")
    if _exists(path):
        kind = _kind_of_path(path)
        data = scan_images(path, target=target) if kind == "images" else path
        return OpenedSource(kind, data, str(source), target)
    if str(source) in bundled_names():
        return _open_bundled(str(source), target)
    folder = path.parent
    is_folder = _exists(folder) and folder.is_dir()
    beside = [str(folder / p.name) for p in folder.iterdir()] if is_folder else []
    close = get_close_matches(str(path), [*beside, *bundled_names()], n=1)
    raise DataError(
        f"{_shortened(str(source))}: no such file, folder or bundled data set; "
        f"{nearest(str(path), close or bundled_names())}"
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, not to be looked at, or a NUL inside
        return False


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


def _kind_of_path(path: Path) -> SourceKind:
    """The kind of data of an existing file or folder: a further kind is to be recognised here."""
    ending = path.suffix.lower()
    if path.is_dir() or ending in EXTENSIONS or is_image_list(path):
        return "images"
    if ending in _TEXT_ENDINGS and _holds_sentences(path):
        raise DataError(f"{path}: holds sentences, which cannot be learned from yet; {_KNOWN}")
    if ending in _TABLE_ENDINGS:
        return "table"
    if ending in ARCHIVES:
        raise DataError(f"{path}: is an archive; unpack it and give the folder")
    raise DataError(f"{path}: files ending in {ending or 'nothing'!r} are not known; {_KNOWN}")


def _holds_sentences(path: Path) -> bool:
    """Whether a text file has lines of prose, with at most a label beside, instead of columns."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        sample = [line.strip() for line in islice(stream, _SAMPLE_LINES)]
    lines = [line for line in sample if line]
    if not lines or max(line.count("\t") for line in lines) > 1:
        return False
    for separator in ",;":
        counts = {line.count(separator) for line in lines}
        if len(counts) == 1 and counts != {0}:
            return False
    words = [max(len(cell.split()) for cell in line.split("\t")) for line in lines]
    return median(words) >= _SENTENCE_WORDS


def _open_bundled(name: str, target: str | None) -> OpenedSource:
    data = load_bundled(name)
    if isinstance(data, pd.DataFrame):
        return OpenedSource("table", data, name, target or str(data.columns[-1]))
    return OpenedSource("images", data, name, target)


def _open_pair(X: Any, y: Any, target: str | None) -> OpenedSource:
    if not _is_frame(X) and _axes(X) in (3, 4):
        return OpenedSource("images", (X, y), "array", target)
    if not _is_frame(X) and _axes(X) != 2:
        raise DataError(f"an array of shape {np.shape(X)} holds no records; {_KNOWN}")
    name = target or str(getattr(y, "name", None) or "target")
    if _is_frame(X):
        frame = X if isinstance(X, pd.DataFrame) else X.to_pandas()
    else:
        array = _as_array(X)
        frame = pd.DataFrame(array, columns=[f"x{i}" for i in range(array.shape[1])])
    _axes(y)
    answers = np.asarray(y)
    if answers.size != len(frame):
        raise DataError(f"X has {len(frame)} records, but y has {answers.size}")
    if name in map(str, frame.columns):
        raise DataError(f"X already has a column {name!r}; give y another name with target")
    return OpenedSource("table", frame.assign(**{name: answers.reshape(-1)}), "array", name)


def _is_frame(source: Any) -> bool:
    return isinstance(source, pd.DataFrame) or hasattr(source, "to_pandas")


def _axes(source: Any) -> int:
    try:
        return np.ndim(source)
    except ValueError as error:
        raise DataError(
            "the records of a list must all have the same length; give a data frame or an array"
        ) from error


def _as_array(source: Any) -> NDArray[Any]:
    return np.asarray(source.detach().cpu() if hasattr(source, "detach") else source)
