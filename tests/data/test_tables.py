import pytest

from pipeline.data import DataError, folder
from pipeline.data.walking import NO_LABEL


@pytest.fixture
def flat(tmp_path):
    """Four images in images/, and a table with the given text."""

    def make(text, name="labels.csv", encoding="utf-8", files=("1", "2", "3", "4")):
        for file in files:
            path = tmp_path / "images" / f"{file}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (tmp_path / name).write_text(text, encoding=encoding)
        return tmp_path

    return make


def labels(where):
    return {
        e.path.rpartition("/")[2]: (e.class_name, e.split)
        for e in folder.scan(where).entries
        if not e.problem
    }


CATS = {
    "1.png": ("cat", ""),
    "2.png": ("dog", ""),
    "3.png": ("cat", ""),
    "4.png": ("dog", ""),
}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("name,label\n1.png,cat\n2.png,dog\n3.png,cat\n4.png,dog\n", "utf-8"),
        ("id,breed\n1,cat\n2,dog\n3,cat\n4,dog\n", "utf-8-sig"),
        ("file;species\nimages/1.png;cat\nimages/2.png;dog\n3.png;cat\n4.png;dog\n", "utf-16"),
        (
            ",filename,label,width\n4,1.png,cat,8\n3,2.png,dog,8\n2,3.png,cat,8\n1,4.png,dog,8\n",
            "utf-8",
        ),
        (
            "image,cat,dog\n1.png,1.0,0.0\n2.png,0.0,1.0\n3.png,1.0,0.0\n4.png,0.0,1.0\n",
            "utf-8",
        ),
        (
            "class id,filepaths,labels\n0,1.png,cat\n1,2.png,dog\n0,3.png,cat\n1,4.png,dog\n",
            "utf-8",
        ),
        ("a,b\n.\\images\\1.png,cat\n2.png,dog\n3.png,cat\n4.png,dog\n", "utf-8"),
    ],
)
def test_columns_are_understood_by_their_meaning(flat, text, encoding):
    where = flat(text, encoding=encoding)
    assert labels(where) == CATS
    assert "labels of 4 images from labels.csv" in "; ".join(folder.scan(where).notes)


def test_a_column_of_parts_says_the_split(flat):
    where = flat("img,set,y\n1,train,a\n2,train,b\n3,valid,a\n4,test,b\n")
    found = labels(where)
    assert found["3.png"] == ("a", "val") and found["4.png"] == ("b", "test")


def test_missing_files_and_images_without_a_row_are_listed(flat):
    where = flat("name,label\n1.png,a\n2.png,b\n9.png,a\n3.png,\n")
    entries = {e.path: e for e in folder.scan(where).entries if e.problem}
    assert entries["9.png"].problem == "in labels.csv, but not in the folder"
    assert not entries["9.png"].passed_over
    assert entries["images/3.png"].problem == entries["images/4.png"].problem == NO_LABEL
    assert entries["images/4.png"].passed_over
    assert "labels.csv" not in entries
    assert "2 images in images left out: without a label" in "; ".join(folder.scan(where).notes)


def test_a_competition_is_read_and_its_sample_answer_is_not(tmp_path):
    for name in ("train/1", "train/2", "test/1", "test/2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.jpg").touch()
    (tmp_path / "train.csv").write_text("id,label\n1,cat\n2,dog\n")
    (tmp_path / "sample_submission.csv").write_text("id,label\n1,cat\n2,cat\n")
    found = folder.scan(tmp_path)
    read = [(e.path, e.split, e.class_name) for e in found.entries if not e.problem]
    assert read == [("train/1.jpg", "train", "cat"), ("train/2.jpg", "train", "dog")]
    assert "2 images in test left out: without a label" in "; ".join(found.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "name,height,width\n1,3,4\n2,3,4\n3,3,4\n4,3,4\n",
            "'name' names .*'height', 'width'",
        ),
        ("name,label,class\n1,a,x\n2,a,y\n3,b,x\n4,b,y\n", "'label' and 'class' both look like"),
        ("name,a,b\n1,1,1\n2,0,1\n3,1,0\n4,1,0\n", "2 of the columns of 0 and 1 are 1 .* '1'"),
        ("name,label\n1,a\n2,b\n1.png,b\n3,b\n", "1.png: its labels in the tables are 'a' and 'b'"),
    ],
)
def test_tables_with_two_readings_are_refused(flat, text, said):
    with pytest.raises(DataError, match=said):
        folder.scan(flat(text))


def test_equal_names_in_two_folders_need_their_folder(tmp_path):
    for name in ("a/1", "b/1"):
        (tmp_path / "train" / name).parent.mkdir(parents=True)
        (tmp_path / "train" / f"{name}.png").touch()
    (tmp_path / "train" / "0.png").touch()
    (tmp_path / "train" / "labels.csv").write_text("name,label\n1.png,cat\n0.png,dog\n")
    with pytest.raises(DataError, match="'1.png' can be 'a/1.png' or 'b/1.png'"):
        folder.scan(tmp_path / "train")


def test_a_table_outside_the_folder_is_never_read(flat, tmp_path_factory):
    where = flat("name,label\n1,a\n2,b\n")
    secret = tmp_path_factory.mktemp("secret") / "table.csv"
    secret.write_text((where / "labels.csv").read_text())
    (where / "labels.csv").unlink()
    (where / "labels.csv").symlink_to(secret)
    assert {e.class_name for e in folder.scan(where).entries} == {"images"}


def test_folders_of_classes_win_over_a_table_beside_them(flat):
    where = flat("name,label\n1,a\n2,b\n3,a\n4,b\n")
    (where / "more").mkdir()
    (where / "more" / "5.png").touch()
    assert {name for name, _ in labels(where).values()} == {"images", "more"}
