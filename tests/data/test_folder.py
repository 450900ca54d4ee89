import os

import pytest

from pipeline.data import DataError, folder


@pytest.fixture
def touch(tmp_path):
    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def test_sub_folders_are_classes(touch):
    where = touch("dog/b.jpg", "dog/a.PNG", "cat/deep/er/c.webp", "cat/notes.txt")
    names, entries = folder.scan(where)
    assert names == ("cat", "dog")
    assert [(e.path, e.split, e.class_name, e.problem) for e in entries] == [
        ("cat/deep/er/c.webp", "", "cat", ""),
        ("cat/notes.txt", "", "cat", "not named like an image"),
        ("dog/a.PNG", "", "dog", ""),
        ("dog/b.jpg", "", "dog", ""),
    ]


def test_train_val_and_test_folders_are_splits_in_that_order(touch):
    where = touch("test/cat/1.png", "Validation/cat/2.png", "train/cat/3.png", "train/dog/4.png")
    names, entries = folder.scan(where)
    assert names == ("cat", "dog")
    assert [(e.split, e.path) for e in entries] == [
        ("train", "train/cat/3.png"),
        ("train", "train/dog/4.png"),
        ("val", "Validation/cat/2.png"),
        ("test", "test/cat/1.png"),
    ]


def test_hidden_files_and_folders_are_passed_over(touch):
    where = touch("cat/1.png", "cat/.DS_Store", "cat/.thumbs/2.png", ".git/config", "cat/Thumbs.db")
    assert [entry.path for entry in folder.scan(where)[1]] == ["cat/1.png"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "empty. Put one sub-folder"),
        (["readme.txt"], "empty. Put one sub-folder"),
        (["cat/readme.txt"], "no images in its sub-folders"),
        (["a.png", "b.png", "cat/1.png"], "2 images lie outside the classes, 'a.png' first"),
        (["train/a.png"], "1 images lie outside the classes"),
        (["train/cat/1.png", "dog/2.png"], "either one for each class or train"),
        (["val/cat/1.png", "test/cat/2.png"], "either one for each class or train"),
        (["train/c/1.png", "val/c/2.png", "valid/c/3.png"], "name the same split"),
        (["train/cat/1.png", "val/readme.txt"], r"val: empty"),
    ],
)
def test_other_layouts_are_named_with_the_remedy(touch, tmp_path, names, said):
    with pytest.raises(DataError, match=said):
        folder.scan(touch(*names))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: there is no such folder \(download.path\)"):
        folder.scan(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["line\nbreak.png", os.fsdecode(b"latin-\xfc.png")])
def test_names_that_no_table_can_hold_are_refused(touch, name):
    try:
        where = touch(f"cat/{name}")
    except OSError:
        pytest.skip("this file system does not allow such names")
    with pytest.raises(DataError, match="rename it with printable UTF-8 letters"):
        folder.scan(where)
