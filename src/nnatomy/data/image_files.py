"""Finding image files: in folders of classes, of splits, in a list, in a flat folder."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NoReturn, TypeAlias

from nnatomy.data.delimited import DelimitedText, read_delimited
from nnatomy.data.quality import Finding, Rejected, counted
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
SPLIT_COLUMN = "split"
LIST_ENDINGS = (".csv", ".tsv", ".tab", ".txt")
_HEADER_BYTES = 4096

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

    def part(self, *names: SplitName) -> ImageFiles:
        """The files of these splits; all of them when the source gives no splits."""
        if self.splits is None:
            return self
        chosen = [i for i, split in enumerate(self.splits) if split in names]
        return replace(
            self,
            paths=tuple(self.paths[i] for i in chosen),
            labels=None if self.labels is None else tuple(self.labels[i] for i in chosen),
            splits=tuple(self.splits[i] for i in chosen),
        )


def natural_key(text: str) -> tuple[list[str | int], str]:
    """Sort key that counts digits as numbers: "img2" before "img10"; ties by the text itself."""
    parts = re.split(r"(\d+)", text)
    return [int(part) if i % 2 else part.casefold() for i, part in enumerate(parts)], text


def scan_images(source: Path | str, *, target: str | None = None) -> ImageFiles:
    """Recognise how image files are arranged and list them.

    Known arrangements: `root/class/…`; `root/train/class/…` beside `test` and `val`, `valid` or
    `validation`; a CSV or TSV file with a column path (file, filename, image), perhaps a column
    label (target, class) and a column split (train, valid, test), in any order, paths relative to
    the file's folder; a flat folder without labels; one image.

    Args:
        source: Folder, list or image file.
        target: Label column of a list, where it has another name.

    Raises:
        DataError: Nothing is there, it is an archive, or it holds no images.
    """
    if isinstance(source, str) and not source.strip():
        raise DataError("the name of the images is empty; write . for the folder you are in")
    source = Path(source)
    if source.is_dir():
        try:
            files = _scan_folder(source)
        except OSError as error:
            _refuse(error)
    elif not source.exists():
        raise DataError(f"{source}: no such file or folder")
    elif source.suffix.lower() in ARCHIVES:
        raise DataError(f"{source}: is an archive; unpack it and give the folder")
    elif source.suffix.lower() in LIST_ENDINGS:
        files = _scan_list(source, target)
    elif source.suffix.lower() in EXTENSIONS:
        files = ImageFiles(source.parent, (source.name,), None, None, "flat", "folder")
    else:
        raise DataError(f"{source}: give a folder of images, or a CSV file with path and label")
    if not files.paths and not files.rejected:
        raise DataError(f"{source}: no image files found ({', '.join(sorted(EXTENSIONS))})")
    return files


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
                f"{_not_images(self.ignored.total(), folder)} of a known kind: {kinds}",
                str(folder),
            )


def _not_images(count: int, folder: Path) -> str:
    verb = "is not an image" if count == 1 else "are not images"
    return f"{counted(count, 'file')} in {folder} {verb}"


def _scan_folder(root: Path) -> ImageFiles:
    folders = sorted(
        (p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")),
        key=natural_key,
    )
    splits = {
        name: _SPLIT_FOLDERS[name.lower()] for name in folders if name.lower() in _SPLIT_FOLDERS
    }
    if "train" in splits.values() and not _is_class(root, folders, list(splits)):
        return _scan_splits(root, folders, splits)
    listing = _list_files(root, folders)
    if any("/" in path for path in listing.paths):
        return _scan_classes(root, folders, listing)
    return ImageFiles(
        root, tuple(listing.paths), None, None, "flat", "folder", (), tuple(listing.findings(root))
    )


def _is_class(root: Path, folders: Sequence[str], splits: Sequence[str]) -> bool:
    """Whether the only folder named like a split is a class among others, as of vehicles."""
    name, *more = splits
    if more or any(p.is_dir() and not p.name.startswith(".") for p in (root / name).iterdir()):
        return False
    paths = _list_files(root, folders).paths
    labels = {path.partition("/")[0] for path in paths if "/" in path}
    return name in labels and len(labels) > 1


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


def _refuse(error: OSError) -> NoReturn:
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


def is_image_list(path: Path) -> bool:
    """Whether a text file lists image files: a column is named so and holds their names.

    A table may well name the image that each record was measured on. A list has the paths in its
    first column, or after nothing but labels and splits, or the first file named is there.
    """
    if path.suffix.lower() not in LIST_ENDINGS:
        return False
    try:
        text = read_delimited(path) if _may_name_paths(path) else DelimitedText()
    except (DataError, OSError):  # whoever reads it as a table says what is wrong
        return False
    header = _names(text)
    at = _column(header, PATH_COLUMNS)
    if at is None or not text.columns:
        return False
    first = next((cell.strip() for cell in text.columns[at] if cell.strip()), "")
    if Path(first).suffix.lower() not in EXTENSIONS:
        return False
    usual = {*LABEL_COLUMNS, SPLIT_COLUMN}
    return all(name.lower() in usual for name in header[:at]) or not _why_missing(path, first)


def _may_name_paths(path: Path) -> bool:
    """Whether the first line has one of the names: large tables are not read for nothing."""
    with path.open("rb") as stream:
        first = stream.read(_HEADER_BYTES).replace(b"\0", b"").lower()
    return any(name.encode() in first for name in PATH_COLUMNS)


@dataclass(frozen=True)
class _Entry:
    """One usable line of a list."""

    name: str
    label: str
    split: SplitName


def _scan_list(path: Path, target: str | None) -> ImageFiles:
    text = read_delimited(path)
    header = _names(text)
    at = _column(header, PATH_COLUMNS)
    if at is None:
        raise DataError(f"{path}: no column with paths; name it {', '.join(PATH_COLUMNS)}")
    if target is not None and target not in header:
        raise DataError(f"{path}: no column {target!r}; {nearest(target, header)}")
    label_at = _column(header, LABEL_COLUMNS) if target is None else header.index(target)
    columns = [[cell.strip() for cell in column] for column in text.columns]
    splits, findings = _listed_splits(header, columns, path, label_at)
    found: list[_Entry] = []
    rejected = list(text.rejected)
    for row, line in enumerate(text.lines.tolist()):
        name = columns[at][row]
        label = "" if label_at is None else columns[label_at][row]
        split = "train" if splits is None else _SPLIT_FOLDERS.get(splits[row].lower())
        why = _why_missing(path, name)
        if not why and label_at is not None and not label:
            why = f"no label for {name}"
        if split is None and not why:
            why = f"split {splits[row] if splits else ''!r} is none of train, valid and test"
        if split is None or why:
            rejected.append(Rejected(str(path), line, why))
        else:
            found.append(_Entry(Path(name).as_posix(), label, split))
    found.sort(key=lambda entry: natural_key(entry.name))
    return ImageFiles(
        path.parent,
        tuple(entry.name for entry in found),
        None if label_at is None else tuple(entry.label for entry in found),
        None if splits is None else tuple(entry.split for entry in found),
        "list",
        "label" if label_at is None else header[label_at],
        tuple(sorted(rejected, key=lambda r: r.line)),
        (*text.findings, *findings, *_outside([entry.name for entry in found], path)),
    )


def _names(text: DelimitedText) -> list[str]:
    return [name.strip() for name in text.header]


def _listed_splits(
    header: Sequence[str], columns: Sequence[list[str]], path: Path, label_at: int | None
) -> tuple[list[str] | None, list[Finding]]:
    """The column of splits, where there is one that names any."""
    at = _column(header, (SPLIT_COLUMN,))
    if at is None or at == label_at or not columns:
        return None, []
    if any(cell.lower() in _SPLIT_FOLDERS for cell in columns[at]):
        return columns[at], []
    message = (
        f"column {header[at]!r} of {path.name} names none of train, valid and test: it is not used"
    )
    return None, [Finding("ignored-split", message, header[at])]


def _why_missing(listing: Path, name: str) -> str:
    """Why a listed file cannot be opened, or an empty text."""
    if not name:
        return "no path"
    try:
        is_file = stat.S_ISREG((listing.parent / name).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return f"no such file: {name!r}"
    except OSError as error:
        return f"{name!r} cannot be read ({error.strerror})"
    return "" if is_file else f"no such file: {name!r}"


def _outside(names: Sequence[str], path: Path) -> Iterator[Finding]:
    far = [name for name in names if Path(name).is_absolute() or ".." in Path(name).parts]
    if far:
        message = (
            f"{len(far)} paths in {path.name} lead out of its folder, such as {far[0]}: "
            "the list cannot be moved together with its images"
        )
        yield Finding("outside-paths", message, str(path))


def _column(header: Sequence[str], known: Sequence[str]) -> int | None:
    """Position of the first known name in the header."""
    lower = [name.lower() for name in header]
    return next((lower.index(name) for name in known if name in lower), None)
