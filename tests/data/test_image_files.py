from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_folders import class_folder, noise, write_image
from nnatomy.data.image_files import is_image_list, natural_key, scan_images
from nnatomy.errors import DataError


def codes(files):
    return [finding.code for finding in files.findings]


def test_an_empty_name_is_not_the_folder_one_is_in(tmp_path, monkeypatch):
    class_folder(tmp_path, {"cat": 1})
    monkeypatch.chdir(tmp_path)
    for name in ("", " "):
        with pytest.raises(DataError, match="is empty"):
            scan_images(name)
    assert len(scan_images(".")) == 1


def test_class_folder(tmp_path):
    class_folder(tmp_path, {"cat": 11, "dog": 2})
    files = scan_images(tmp_path)
    assert files.layout == "classes"
    assert files.paths[:3] == ("cat/0.png", "cat/1.png", "cat/2.png")
    assert files.paths[10:] == ("cat/10.png", "dog/0.png", "dog/1.png")  # 10 after 9
    assert files.labels == ("cat",) * 11 + ("dog",) * 2
    assert files.splits is None
    assert files.findings == files.rejected == ()
    assert all(path.is_file() for path in files.full_paths())


def test_images_below_a_class_belong_to_it(tmp_path):
    class_folder(tmp_path, {"cat/young": 1, "cat": 1, "dog": 1})
    files = scan_images(tmp_path)
    assert dict(zip(files.paths, files.labels, strict=True)) == {
        "cat/0.png": "cat",
        "cat/young/0.png": "cat",
        "dog/0.png": "dog",
    }


@pytest.mark.parametrize("valid", ["val", "valid", "validation", "Val"])
def test_split_folders(tmp_path, valid):
    for name, count in (("train", 3), (valid, 2), ("test", 1)):
        class_folder(tmp_path / name, {"a": count, "b": count})
    files = scan_images(tmp_path)
    assert files.layout == "splits"
    assert sorted(zip(files.splits, files.labels, strict=True)) == (
        [("test", "a"), ("test", "b")]
        + [("train", "a")] * 3
        + [("train", "b")] * 3
        + [("valid", "a")] * 2
        + [("valid", "b")] * 2
    )


def test_split_folder_without_classes_is_an_error(tmp_path):
    for name in ("train", "test"):
        write_image(tmp_path / name / "0.png", noise(0))
    with pytest.raises(DataError, match="'train' holds no class folders"):
        scan_images(tmp_path)


def test_a_class_may_be_called_train(tmp_path):
    class_folder(tmp_path / "a", {"car": 2, "plane": 1, "train": 2})
    files = scan_images(tmp_path / "a")
    assert files.layout == "classes"
    assert files.labels == ("car", "car", "plane", "train", "train")
    for name in ("test", "other"):  # it is one of two splits, or the only folder with images
        write_image(tmp_path / name / "train" / "0.png", noise(0))
    write_image(tmp_path / "test" / "test" / "0.png", noise(0))
    write_image(tmp_path / "test" / "car" / "0.png", noise(0))
    for name in ("test", "other"):
        with pytest.raises(DataError, match="'train' holds no class folders"):
            scan_images(tmp_path / name)


def test_unlabelled_test_images_and_further_folders_are_found(tmp_path):
    class_folder(tmp_path / "train", {"a": 1, "b": 1})
    write_image(tmp_path / "test" / "0.png", noise(0))
    write_image(tmp_path / "extra" / "0.png", noise(0))
    files = scan_images(tmp_path)
    assert len(files) == 2
    assert set(codes(files)) == {"unlabelled-images", "ignored-folders"}


def test_what_is_no_image_is_counted(tmp_path):
    class_folder(tmp_path, {"a": 1, "b": 1, ".cache": 1})
    for name in ("a/Thumbs.db", "a/notes.txt", "b/notes.txt", "b/.hidden.png", "README"):
        (tmp_path / name).write_bytes(b"x")
    files = scan_images(tmp_path)
    assert files.paths == ("a/0.png", "b/0.png")
    assert codes(files) == ["ignored-files"]
    message = files.findings[0].message
    assert message.startswith("5 files")
    for part in ("2 × .txt", "1 × .db", "1 × hidden", "1 × no ending"):
        assert part in message


def test_one_file_that_is_no_image(tmp_path):
    class_folder(tmp_path, {"a": 1, "b": 1})
    (tmp_path / "README").write_bytes(b"x")
    words = f"1 file in {tmp_path} is not an image of a known kind: 1 × no ending"
    assert scan_images(tmp_path).findings[0].message == words


def test_empty_class_and_stray_images_are_found(tmp_path):
    class_folder(tmp_path, {"a": 1, "b": 1})
    (tmp_path / "empty").mkdir()
    write_image(tmp_path / "stray.png", noise(0))
    files = scan_images(tmp_path)
    assert set(files.labels) == {"a", "b"}
    assert sorted(codes(files)) == ["empty-class", "unlabelled-images"]


def test_flat_folder_and_single_file_have_no_labels(tmp_path):
    for name in ("10.png", "9.png"):
        write_image(tmp_path / name, noise(0))
    files = scan_images(tmp_path)
    assert (files.layout, files.paths, files.labels) == ("flat", ("9.png", "10.png"), None)
    single = scan_images(tmp_path / "9.png")
    assert single.full_paths() == [tmp_path / "9.png"]


@pytest.mark.parametrize("header", ["path,label", "Filename, Class", "extra,image,target"])
def test_list(tmp_path, header):
    class_folder(tmp_path / "images", {"x": 3})
    lead = "e," * (header.count(",") - 1)
    rows = [f"{lead}images/x/2.png,two", f"{lead}only", f"{lead}images/x/0.png,zero"]
    rows += [f"{lead}images/x/7.png,seven", f"{lead}images/x/1.png,"]
    (tmp_path / "list.csv").write_text("\n".join([header, *rows]), encoding="utf-8-sig")
    files = scan_images(tmp_path / "list.csv")
    assert files.layout == "list"
    assert files.paths == ("images/x/0.png", "images/x/2.png")
    assert files.labels == ("zero", "two")
    assert files.rejected[0].line == 3
    assert "fields where the header has" in files.rejected[0].reason
    assert [(r.line, r.reason) for r in files.rejected[1:]] == [
        (5, "no such file: 'images/x/7.png'"),
        (6, "no label for images/x/1.png"),
    ]


def test_list_with_its_own_label_column(tmp_path):
    write_image(tmp_path / "0.png", noise(0))
    (tmp_path / "list.csv").write_text("path,label,age\n0.png,a,7\n")
    files = scan_images(tmp_path / "list.csv", target="age")
    assert (files.labels, files.target) == (("7",), "age")
    with pytest.raises(DataError, match="did you mean 'age'"):
        scan_images(tmp_path / "list.csv", target="agee")


def test_list_without_labels(tmp_path):
    write_image(tmp_path / "0.png", noise(0))
    (tmp_path / "list.csv").write_text("path\n0.png\n")
    assert scan_images(tmp_path / "list.csv").labels is None


@pytest.mark.parametrize(
    ("content", "message"), [(b"a,b\n1,2\n", "no column with paths"), (b"\xff\xfe\x00", "UTF-8")]
)
def test_bad_lists(tmp_path, content, message):
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        scan_images(tmp_path / "list.csv")


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar", "photos.tar.gz"])
def test_archives_are_to_be_unpacked(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(DataError, match="unpack it"):
        scan_images(tmp_path / name)


def test_nothing_to_scan(tmp_path):
    with pytest.raises(DataError, match="no image files"):
        scan_images(tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        scan_images(tmp_path / "gone")
    (tmp_path / "a.doc").write_bytes(b"")
    with pytest.raises(DataError, match="give a folder"):
        scan_images(tmp_path / "a.doc")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("path,label\na.png,1\n", True),
        ("image,label\nx/a.JPG,1\n", True),
        ("image,label\n3,1\n", False),
        ("label,path\n1,a.png\n", True),
        ("Split;Label;Path\ntrain;1;a.png\n", True),
        ("path\tlabel\n\t0\na.png\t1\n", True),
        ("path,label\nsch\u00f6n.png,1\n", True),
        ("path,label\n,1\n", False),
        ("size,path\n1,a.png\n", False),
        ("size,path\n1,there.png\n", True),
        ("size,weight\n1,2\n", False),
        ("path\n", False),
        ("path\n\xff\xfe", False),
        ("", False),
    ],
)
def test_which_csv_is_a_list_of_images(tmp_path, content, expected):
    write_image(tmp_path / "there.png", noise(0))
    for name in ("t.csv", "t.txt"):
        (tmp_path / name).write_bytes(content.encode("latin-1"))
        assert is_image_list(tmp_path / name) is expected
    (tmp_path / "t.tsv").write_bytes(
        content.replace(",", "\t").replace(";", "\t").encode("latin-1")
    )
    assert is_image_list(tmp_path / "t.tsv") is expected
    (tmp_path / "t.doc").write_bytes(content.encode("latin-1"))
    assert not is_image_list(tmp_path / "t.doc")


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_list_in_every_spelling(tmp_path, mark, encoding):
    for name in ("gr\u00fcn.png", "rot.png"):
        write_image(tmp_path / name, noise(0))
    rows = [
        ("label", "path"),
        ("a", ""),
        ("b", "gr\u00fcn.png"),
        ("c", "rot.png"),
        ("d", "weg.png"),
    ]
    listing = tmp_path / ("list.tsv" if mark == "\t" else "list.csv")
    listing.write_text("\r\n".join(mark.join(row) for row in rows), encoding=encoding)
    assert is_image_list(listing)
    files = scan_images(listing)
    assert dict(zip(files.paths, files.labels, strict=True)) == {
        "gr\u00fcn.png": "b",
        "rot.png": "c",
    }
    assert [(r.line, r.reason) for r in files.rejected] == [
        (2, "no path"),
        (5, "no such file: 'weg.png'"),
    ]


def test_quoted_fields_over_two_lines_keep_the_line_numbers(tmp_path):
    write_image(tmp_path / "0.png", noise(0))
    (tmp_path / "list.csv").write_text('path,label\n0.png,"two\nlines"\n1.png,a\n')
    files = scan_images(tmp_path / "list.csv")
    assert files.labels == ("two\nlines",)
    assert [r.line for r in files.rejected] == [4]


def test_listed_splits(tmp_path):
    names = ("train", "Validation", "test", "val", "other", "")
    for i in range(len(names)):
        write_image(tmp_path / f"{i}.png", noise(i))
    rows = [f"{i}.png,a,{name}" for i, name in enumerate(names)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,split", *rows]))
    files = scan_images(tmp_path / "list.csv")
    assert files.splits == ("train", "valid", "test", "valid")
    assert [(r.line, r.reason) for r in files.rejected] == [
        (6, "split 'other' is none of train, valid and test"),
        (7, "split '' is none of train, valid and test"),
    ]
    assert files.part("test").paths == ("2.png",)
    assert files.part("train", "valid").labels == ("a",) * 3


def test_a_column_split_of_something_else_is_not_used(tmp_path):
    write_image(tmp_path / "0.png", noise(0))
    (tmp_path / "list.csv").write_text("path,label,split\n0.png,a,3\n")
    files = scan_images(tmp_path / "list.csv")
    assert files.splits is None
    assert codes(files) == ["ignored-split"]
    assert scan_images(tmp_path / "list.csv", target="split").labels == ("3",)


def test_paths_that_lead_out_of_the_folder_are_found(tmp_path):
    write_image(tmp_path / "0.png", noise(0))
    listing = tmp_path / "lists" / "list.csv"
    listing.parent.mkdir()
    listing.write_text(f"path,label\n../0.png,a\n{tmp_path}/0.png,b\n")
    files = scan_images(listing)
    assert len(files) == 2
    assert codes(files) == ["outside-paths"]
    assert files.findings[0].message.startswith("2 paths")


def test_listed_files_that_cannot_be_looked_at_are_rejected(tmp_path):
    write_image(tmp_path / "0.png", noise(0))
    (tmp_path / "list.csv").write_text(f"path,label\n0.png,a\n{'x' * 300}.png,b\n0.png/1.png,c\n")
    files = scan_images(tmp_path / "list.csv")
    assert files.paths == ("0.png",)
    assert "cannot be read (File name too long)" in files.rejected[0].reason
    assert "no such file" in files.rejected[1].reason


@given(st.lists(st.text(alphabet="aB0129٣._/", max_size=8)))
def test_natural_order_is_total_and_stable(names):
    ordered = sorted(names, key=natural_key)
    backwards = names[::-1]
    assert sorted(backwards, key=natural_key) == ordered
    assert sorted(ordered) == sorted(names)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_natural_order_counts(a, b):
    assert (natural_key(f"img{a}.png") < natural_key(f"img{b}.png")) == (a < b)
