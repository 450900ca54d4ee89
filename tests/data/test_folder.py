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
    found = folder.scan(where)
    assert found.class_names == ("cat", "dog")
    assert [(e.path, e.split, e.class_name, e.problem) for e in found.entries] == [
        ("cat/deep/er/c.webp", "", "cat", ""),
        ("cat/notes.txt", "", "cat", "not named like an image"),
        ("dog/a.PNG", "", "dog", ""),
        ("dog/b.jpg", "", "dog", ""),
    ]


def test_train_val_and_test_folders_are_splits_in_that_order(touch):
    where = touch("test/cat/1.png", "Validation/cat/2.png", "train/cat/3.png", "train/dog/4.png")
    found = folder.scan(where)
    assert found.class_names == ("cat", "dog")
    assert [(e.split, e.path) for e in found.entries] == [
        ("train", "train/cat/3.png"),
        ("train", "train/dog/4.png"),
        ("val", "Validation/cat/2.png"),
        ("test", "test/cat/1.png"),
    ]


def test_hidden_files_and_folders_are_passed_over(touch):
    where = touch("cat/1.png", "cat/.DS_Store", "cat/.thumbs/2.png", ".git/config", "cat/Thumbs.db")
    assert [entry.path for entry in folder.scan(where).entries] == ["cat/1.png"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "empty. Put one sub-folder"),
        (["readme.txt"], "empty. Put one sub-folder"),
        (["cat/readme.txt"], "no images in its sub-folders"),
        (["a.png", "b.png", "cat/1.png"], "2 images lie outside the classes, 'a.png' first"),
        (["train/a.png"], "'train' can be a class or a part .* download.layout to classes"),
        (["train/a.png", "test/b.png", "cat/c.png"], "'test', 'train' can be a class or a part"),
        (["train/cat/1.png", "dog/2.png"], "either one for each class or train"),
        (["val/cat/1.png", "test/cat/2.png"], "either one for each class or train"),
        (["train/c/1.png", "val/c/2.png", "valid/c/3.png"], "name the same split"),
        (["train/cat/1.png", "test/2.png", "odd/3.png"], "either one for each class or train"),
        (["a/x/1.png", "a/y/1.png", "b/x/1.png", "b/y/1.png"], "2 versions of the same images"),
        (["a/train/1.png", "b/train/2.png", "c/3.png"], "'a', 'b' hold parts .* 'c' do not"),
        (["a/train/x/1.png", "b/train/x/2.png"], "'a', 'b' each hold whole data sets"),
    ],
)
def test_other_layouts_are_named_with_the_remedy(touch, tmp_path, names, said):
    with pytest.raises(DataError, match=said):
        folder.scan(touch(*names))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: there is no such folder \(download.path\)"):
        folder.scan(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("line\nbreak.png", r"line\nbreak.png"),
        ("red\x1b[31m.png", r"red\x1b[31m.png"),
        ("right\u200fleft.png", r"right\u200fleft.png"),
        (os.fsdecode(b"latin-\xfc.png"), r"latin-\udcfc.png"),
    ],
)
def test_names_that_no_terminal_should_show_are_read_and_shown_escaped(touch, name, shown):
    try:
        where = touch(f"cat/{name}")
    except OSError:
        pytest.skip("this file system does not allow such names")
    found = folder.scan(where)
    assert [entry.path for entry in found.entries] == [f"cat/{shown}"]
    assert found.sources[f"cat/{shown}"] == where / "cat" / name


def test_long_names_and_names_that_would_be_equal_stay_apart(touch):
    long = "\n" * 250 + ".png"
    where = touch("cat/a\nb.png", "cat/a\\nb.png", f"cat/{long}", "cat/" + "x" * 251 + ".png")
    paths = [entry.path for entry in folder.scan(where).entries]
    assert len(set(paths)) == 4 and max(len(path.encode()) for path in paths) <= 255 + len("cat/")
    assert all(path.isprintable() and path.endswith(".png") for path in paths)


def read(where, **settings):
    return [
        (e.path, e.split, e.class_name)
        for e in folder.scan(where, **settings).entries
        if not e.problem
    ]


def said(where, **settings):
    return "; ".join(folder.scan(where, **settings).notes)


def test_kaggles_parts_within_parts_are_read_and_the_unlabelled_part_is_named(touch):
    where = touch(
        "archive/seg_train/seg_train/sea/1.png",
        "archive/seg_train/seg_train/wood/2.png",
        "archive/seg_test/seg_test/sea/3.png",
        "archive/seg_test/seg_test/wood/4.png",
        "archive/seg_pred/seg_pred/5.png",
    )
    assert [(split, name) for _, split, name in read(where)] == [
        ("train", "sea"),
        ("train", "wood"),
        ("test", "sea"),
        ("test", "wood"),
    ]
    notes = said(where)
    assert "read 4 images of 2 classes (2 train, 2 test)" in notes
    assert "classes are taken from archive/" in notes
    assert "archive/seg_train/ is train; archive/seg_test/ is test" in notes
    assert "archive/seg_pred/ left out: 1 images without labels" in notes


def test_three_versions_of_the_same_images_are_refused(touch):
    kinds = ("color", "grayscale", "segmented")
    where = touch(*[f"plants/{kind}/{name}/1.png" for kind in kinds for name in ("ash", "oak")])
    message = (
        "'color', 'grayscale', 'segmented' hold the same 2 classes .* 3 versions .*plants/color"
    )
    with pytest.raises(DataError, match=message):
        folder.scan(where)
    assert {name for _, _, name in read(where / "plants" / "color")} == {"ash", "oak"}


def test_parts_within_classes_are_parts(touch):
    where = touch("cat/train/1.png", "cat/test/2.png", "dog/train/3.png", "dog/test/4.png")
    assert read(where) == [
        ("cat/train/1.png", "train", "cat"),
        ("dog/train/3.png", "train", "dog"),
        ("cat/test/2.png", "test", "cat"),
        ("dog/test/4.png", "test", "dog"),
    ]
    assert "parts lie within the classes: 'test', 'train'" in said(where)
    whole = folder.scan(where, how="classes").entries
    assert {(e.split, e.class_name) for e in whole} == {("", "cat"), ("", "dog")}


@pytest.mark.parametrize("above", ["data/data", "x/y/z", "my images"])
def test_classes_one_level_too_deep_are_found_and_it_is_said(touch, above):
    where = touch(f"{above}/cat/1.png", f"{above}/dog/2.png", "readme.txt", "docs/notes.txt")
    assert [name for *_, name in read(where)] == ["cat", "dog"]
    assert f"classes are taken from {above}/" in said(where)


def test_one_level_too_high_is_refused_with_the_way_out(touch):
    where = touch("cat/1.png", "dog/2.png")
    with pytest.raises(DataError, match="if this folder is one class itself, name the folder abov"):
        folder.scan(where / "cat")


@pytest.mark.parametrize("left", ["test/3.png", "test/test/3.png", "test/unknown/3.png"])
def test_a_competitions_test_folder_is_named_and_left_out(touch, left):
    where = touch("train/cat/1.png", "train/dog/2.png", left)
    assert [split for _, split, _ in read(where)] == ["train", "train"]
    assert "test/ left out: 1 images without labels (`python -m pipeline.stages.predict" in said(
        where
    )


def test_classes_called_like_parts_need_the_key_that_the_error_names(touch):
    where = touch("train/1.png", "tram/2.png", "valid/3.png")
    with pytest.raises(DataError, match="'train', 'valid' can be a class or a part.*layout to cla"):
        folder.scan(where)
    assert [name for *_, name in read(where, how="classes")] == ["train", "tram", "valid"]
    stations = touch("stations/test_tube/1.png", "stations/train_station/2.png") / "stations"
    assert [name for *_, name in read(stations)] == ["test_tube", "train_station"]


def test_folders_without_images_and_deeper_folders_are_said(touch):
    where = touch("cat/indoor/1.png", "dog/2.png", "cow/notes.txt", "val/readme.txt")
    notes = said(where)
    assert "'cow', 'val' left out: no images in it" in notes
    assert "images in cat/indoor/ and the like count for the class above them ('cat')" in notes


@pytest.fixture
def outside(tmp_path_factory, made):
    """A folder elsewhere, with one image and one secret that is named like an image."""
    elsewhere = tmp_path_factory.mktemp("disk")
    made.save_image(elsewhere / "1.png")
    (elsewhere / "secret.png").write_text("password")
    return elsewhere


def test_a_link_to_a_folder_outside_needs_the_key_that_the_error_names(touch, outside):
    where = touch("cat/1.png")
    (where / "dog").symlink_to(outside)
    with pytest.raises(DataError, match="'dog' .* outside .* download.links to follow if you tr"):
        folder.scan(where)
    assert ("dog/1.png", "", "dog") in read(where, links="follow")
    assert "1 links followed, 'dog' first" in said(where, links="follow")


def test_a_link_to_a_file_outside_is_named_and_never_read(touch, outside):
    where = touch("cat/1.png", "dog/2.png")
    (where / "cat" / "x.png").symlink_to(outside / "1.png")
    (where / "cat" / "y.png").symlink_to(outside / "secret.png")
    found = folder.scan(where)
    problems = {e.path: (e.problem, e.passed_over) for e in found.entries if e.problem}
    why = "a link that leads outside the folder (set download.links to follow if you trust all"
    assert set(problems) == {"cat/x.png", "cat/y.png"} and "cat/x.png" not in found.sources
    assert problems["cat/x.png"][0].startswith(why) and not problems["cat/x.png"][1]
    assert f"2 files not read: {why}" in "; ".join(found.notes)
    followed = folder.scan(where, links="follow")
    assert "cat/x.png" in followed.sources and "cat/y.png" not in followed.sources
    (secret,) = [e.problem for e in followed.entries if e.problem]
    assert secret.startswith("a link to a file outside the folder that is no image")


def test_links_inside_are_followed_and_loops_are_not(touch):
    where = touch("cat/1.png", "store/dogs/2.png", "store/dogs/3.png")
    (where / "cat" / "again.png").symlink_to("1.png")
    (where / "cat" / "loop").symlink_to("..")
    (where / "dog").symlink_to(where / "store" / "dogs")
    found = folder.scan(where)
    assert {e.path for e in found.entries if not e.problem} == {
        "cat/1.png",
        "cat/again.png",
        "dog/2.png",
        "dog/3.png",
        "store/dogs/2.png",
        "store/dogs/3.png",
    }
    (loop,) = [e for e in found.entries if e.problem]
    assert (loop.path, loop.problem) == ("cat/loop", "a link back to a folder that holds it")
    assert loop.passed_over and "2 links followed" in "; ".join(found.notes)


def test_dangling_links_are_bad_images_and_dangling_classes_are_refused(touch, tmp_path):
    where = touch("cat/1.png", "dog/2.png")
    (where / "cat" / "gone.png").symlink_to("nowhere.png")
    (gone,) = [e for e in folder.scan(where).entries if e.problem]
    assert gone.problem == "a link that leads nowhere" and not gone.passed_over
    (where / "elk").symlink_to("/no/such/disk")
    with pytest.raises(DataError, match="'elk' is a link that leads nowhere.* mend it"):
        folder.scan(where)


def test_pipes_and_sockets_are_named_and_passed_over(touch):
    where = touch("cat/1.png", "dog/2.png")
    os.mkfifo(where / "cat" / "pipe.png")
    (pipe,) = [e for e in folder.scan(where).entries if e.problem]
    assert (pipe.path, pipe.problem) == (
        "cat/pipe.png",
        "a named pipe, socket or device, and no file",
    )
    assert pipe.passed_over


def test_folders_without_end_are_refused(tmp_path):
    deep = tmp_path.joinpath(*"d" * 120)
    deep.mkdir(parents=True)
    with pytest.raises(DataError, match="more than 100 folders deep"):
        folder.scan(tmp_path)
