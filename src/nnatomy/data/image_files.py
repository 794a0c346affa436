"""Finding image files: in folders of classes, of splits, in a CSV list, in a flat folder."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from nnatomy.data.quality import Finding, Rejected
from nnatomy.errors import DataError, nearest

SplitName: TypeAlias = Literal["train", "valid", "test"]

EXTENSIONS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".bmp", ".dib"), "BMP"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".png": "PNG",
    ".gif": "GIF",
    ".webp": "WEBP",
}
"""File name endings taken for images, and the format that each promises."""

PATH_COLUMNS = ("path", "file", "filename", "image")
LABEL_COLUMNS = ("label", "target", "class")

_SPLIT_FOLDERS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "test": "test",
}
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


@dataclass(frozen=True)
class ImageFiles:
    """Image files and what is known of each before it is opened.

    Args:
        root: Folder that the paths are relative to.
        paths: Relative paths with forward slashes, in natural order ("2.png" before "10.png").
        labels: One label a path, as text; None when the source has none.
        splits: The split that the source puts each path in; None when it does not say.
        layout: "classes", "splits", "list" or "flat".
        target: Where the labels come from: a column's name, or "folder".
        rejected: Listed files that are missing or have no label.
        findings: Empty classes, files that were passed over, and the like.
    """

    root: Path
    paths: tuple[str, ...]
    labels: tuple[str, ...] | None
    splits: tuple[SplitName, ...] | None
    layout: Literal["classes", "splits", "list", "flat"]
    target: str
    rejected: tuple[Rejected, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    def full_paths(self) -> list[Path]:
        """The paths of the files as they can be opened."""
        return [self.root / path for path in self.paths]


def natural_key(text: str) -> tuple[list[str | int], str]:
    """Sort key that counts digits as numbers: "img2" before "img10"; ties by the text itself."""
    parts = re.split(r"(\d+)", text)
    return [int(part) if i % 2 else part.casefold() for i, part in enumerate(parts)], text


def scan_images(source: Path | str, *, target: str | None = None) -> ImageFiles:
    """Recognise how image files are arranged and list them.

    Known arrangements: `root/class/…`; `root/train/class/…` beside `test` and `val`, `valid` or
    `validation`; a CSV file with a column path (file, filename, image) and perhaps a column label
    (target, class), paths relative to the CSV's folder; a flat folder without labels; one image.

    Args:
        source: Folder, CSV file or image file.
        target: Label column of a CSV file, where it has another name.

    Raises:
        DataError: Nothing is there, it is an archive, or it holds no images.
    """
    source = Path(source)
    if source.is_dir():
        files = _scan_folder(source)
    elif not source.exists():
        raise DataError(f"{source}: no such file or folder")
    elif source.suffix.lower() in ARCHIVES:
        raise DataError(f"{source}: is an archive; unpack it and give the folder")
    elif source.suffix.lower() == ".csv":
        files = _scan_list(source, target)
    elif source.suffix.lower() in EXTENSIONS:
        files = ImageFiles(source.parent, (source.name,), None, None, "flat", "folder")
    else:
        raise DataError(f"{source}: give a folder of images, or a CSV file with path and label")
    if not files.paths and not files.rejected:
        raise DataError(f"{source}: no image files found ({', '.join(sorted(EXTENSIONS))})")
    return files


def is_image_list(path: Path) -> bool:
    """Whether a CSV file lists image files: its first column is named so and its first entry too.

    A table may well have a column "image"; it is a list only if that column names image files.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.reader(stream)
            header, first = next(rows, []), next(rows, [])
    except (UnicodeDecodeError, csv.Error):
        return False
    if not header or not first or header[0].strip().lower() not in PATH_COLUMNS:
        return False
    return Path(first[0].strip()).suffix.lower() in EXTENSIONS


@dataclass
class _Listing:
    """Image files under a folder, with a count of what was passed over."""

    paths: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    def findings(self, folder: Path) -> Iterator[Finding]:
        if self.ignored:
            kinds = ", ".join(f"{count} × {kind}" for kind, count in sorted(self.ignored.items()))
            yield Finding(
                "ignored-files",
                f"{self.ignored.total()} files in {folder} are not images of a known kind: {kinds}",
                str(folder),
            )


def _scan_folder(root: Path) -> ImageFiles:
    folders = sorted(
        (p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")),
        key=natural_key,
    )
    splits = {
        name: _SPLIT_FOLDERS[name.lower()] for name in folders if name.lower() in _SPLIT_FOLDERS
    }
    if "train" in splits.values():
        return _scan_splits(root, folders, splits)
    listing = _list_files(root, folders)
    if any("/" in path for path in listing.paths):
        return _scan_classes(root, folders, listing)
    return ImageFiles(
        root, tuple(listing.paths), None, None, "flat", "folder", (), tuple(listing.findings(root))
    )


def _list_files(root: Path, folders: Sequence[str]) -> _Listing:
    """Images lying in `root` itself and anywhere under the named folders, in natural order."""
    listing = _Listing()
    for name in (p.name for p in root.iterdir() if p.is_file()):
        _sort_in(listing, name)
    for folder in folders:
        for here, below, names in os.walk(root / folder, onerror=_refuse):
            below[:] = [name for name in below if not name.startswith(".")]
            prefix = Path(here).relative_to(root).as_posix()
            for name in names:
                _sort_in(listing, f"{prefix}/{name}")
    listing.paths.sort(key=natural_key)
    return listing


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename}: the folder cannot be read ({error.strerror})") from error


def _sort_in(listing: _Listing, path: str) -> None:
    name = path.rpartition("/")[2]
    suffix = Path(name).suffix.lower()
    if suffix in EXTENSIONS and not name.startswith("."):
        listing.paths.append(path)
    else:
        listing.ignored["hidden" if name.startswith(".") else suffix or "no ending"] += 1


def _scan_classes(root: Path, folders: Sequence[str], listing: _Listing) -> ImageFiles:
    paths = [path for path in listing.paths if "/" in path]
    labels = [path.partition("/")[0] for path in paths]
    findings = list(listing.findings(root))
    findings += _stray(len(listing.paths) - len(paths), root)
    findings += _empty_classes(folders, labels)
    return ImageFiles(
        root, tuple(paths), tuple(labels), None, "classes", "folder", (), tuple(findings)
    )


def _scan_splits(root: Path, folders: Sequence[str], splits: dict[str, SplitName]) -> ImageFiles:
    listing = _list_files(root, list(splits))
    parts = [path.split("/") for path in listing.paths]
    deep = [i for i, part in enumerate(parts) if len(part) > 2]  # split/class/file
    if not any(splits[parts[i][0]] == "train" for i in deep):
        raise DataError(f"{root}: its folder 'train' holds no class folders with images")
    labels = [parts[i][1] for i in deep]
    classes = {
        p.name
        for name in splits
        for p in (root / name).iterdir()
        if p.is_dir() and not p.name.startswith(".")
    }
    findings = [*listing.findings(root), *_stray(len(parts) - len(deep), root)]
    findings += _empty_classes(sorted(classes, key=natural_key), labels)
    others = [name for name in folders if name not in splits]
    if others:
        message = f"folders beside train and test are not used: {', '.join(others)}"
        findings.append(Finding("ignored-folders", message, str(root)))
    return ImageFiles(
        root,
        tuple(listing.paths[i] for i in deep),
        tuple(labels),
        tuple(splits[parts[i][0]] for i in deep),
        "splits",
        "folder",
        (),
        tuple(findings),
    )


def _stray(count: int, root: Path) -> Iterator[Finding]:
    if count:
        message = f"{count} images lie outside any class folder and are not used"
        yield Finding("unlabelled-images", message, str(root))


def _empty_classes(classes: Iterable[str], labels: Sequence[str]) -> Iterator[Finding]:
    filled = set(labels)
    for name in classes:
        if name not in filled:
            yield Finding("empty-class", f"folder {name!r} holds no images: it is no class", name)


def _scan_list(path: Path, target: str | None) -> ImageFiles:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.reader(stream)
            header = [name.strip() for name in next(rows, [])]
            records = [(rows.line_num, row) for row in rows if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is not a CSV file in UTF-8 ({error})") from error
    at = _column(header, PATH_COLUMNS)
    if at is None:
        raise DataError(f"{path}: no column with paths; name it {', '.join(PATH_COLUMNS)}")
    if target is not None and target not in header:
        raise DataError(f"{path}: no column {target!r}; {nearest(target, header)}")
    label_at = _column(header, LABEL_COLUMNS) if target is None else header.index(target)
    found: list[tuple[str, str]] = []
    rejected: list[Rejected] = []
    for line, row in records:
        name = row[at].strip() if at < len(row) else ""
        label = row[label_at].strip() if label_at is not None and label_at < len(row) else ""
        if not name or not (path.parent / name).is_file():
            rejected.append(Rejected(str(path), line, f"no such file: {name!r}"))
        elif label_at is not None and not label:
            rejected.append(Rejected(str(path), line, f"no label for {name}"))
        else:
            found.append((Path(name).as_posix(), label))
    found.sort(key=lambda pair: natural_key(pair[0]))
    return ImageFiles(
        path.parent,
        tuple(name for name, _ in found),
        None if label_at is None else tuple(label for _, label in found),
        None,
        "list",
        "label" if label_at is None else header[label_at],
        tuple(rejected),
    )


def _column(header: Sequence[str], known: Sequence[str]) -> int | None:
    """Position of the first known name in the header."""
    lower = [name.lower() for name in header]
    return next((lower.index(name) for name in known if name in lower), None)
