import gzip
import io
import pickle
import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data import DataError, cifar
from tests.inputs import damaged, examples


@pytest.fixture
def images(made):
    return made.made_images(30, 32, 3)


def rows(images):
    return images.transpose(0, 3, 1, 2)


@pytest.fixture
def archive(tmp_path, made, images):
    """CIFAR-100 with 25 training and 5 test images."""

    def write(fortran=False, **changed):
        parts = {"train": rows(images)[:25], "test": rows(images)[25:]}
        members = {}
        for split, part in parts.items():
            labels = np.arange(len(part)) % 7
            fields = {"coarse_labels": labels % 2, "fine_labels": labels}
            name = f"cifar-100-python/{split}"
            members[name] = changed.get(split, made.python2_pickle(part, fields, fortran))
        made.write_tar(tmp_path / "c.tar.gz", members)
        return tmp_path / "c.tar.gz"

    return write


def read(path, name="cifar100"):
    found = cifar.parts(path, name, path.parent / "work")
    return {part.split: (part, np.concatenate(list(part.blocks))) for part in found}


@pytest.mark.parametrize("fortran", [False, True])
def test_images_come_out_with_channels_last(archive, images, fortran):
    found = read(archive(fortran))
    train, pixels = found["train"]
    assert train.image_shape == (32, 32, 3)
    assert train.labels.tolist() == (np.arange(25) % 7).tolist()
    assert np.array_equal(pixels, images[:25])
    assert np.array_equal(found["test"][1], images[25:])


def test_the_five_batches_of_cifar10_follow_one_another(tmp_path, made, images):
    members = {}
    for i, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        batch = rows(images)[5 * i : 5 * i + 5]
        labels = {"labels": [i] * 5, "batch_label": [0]}
        members[f"cifar-10-batches-py/{name}"] = made.python2_pickle(batch, labels)
    made.write_tar(tmp_path / "c.tar.gz", members)
    found = read(tmp_path / "c.tar.gz", "cifar10")
    assert np.array_equal(found["train"][1], images[:25])
    assert found["train"][0].labels.tolist() == np.repeat(range(5), 5).tolist()
    assert np.array_equal(found["test"][1], images[25:])


def test_python_itself_reads_the_made_pickle_as_it_reads_the_official_ones(made, images):
    content = made.python2_pickle(rows(images), {"fine_labels": range(30)})
    found = pickle.loads(content, encoding="bytes")
    assert np.array_equal(found[b"data"], rows(images).reshape(30, -1))
    assert found[b"fine_labels"] == list(range(30)) and len(found[b"filenames"]) == 30


class Evil:
    def __reduce__(self):
        return (print, ("this must never run",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps(Evil(), 2), "it names __builtin__.print, which images do not need"),
        (pickle.dumps({b"data": 1}, 2), "not a batch of CIFAR images"),
        (pickle.dumps([1, 2], 2), "not a batch of CIFAR images"),
        (pickle.dumps({"data": bytes(100)}, 5), "not a batch of CIFAR images"),
        (b"", "not a batch of CIFAR images: EOFError"),
        (b"\x80\x02}(U\x04", "not a batch of CIFAR images"),
        (b"GIF89a", "not a batch of CIFAR images"),
        (b"\x80\x02cos\nsystem\nU\x04echo\x85R.", "it names os.system"),
    ],
)
def test_a_pickle_that_is_not_images_is_refused_and_runs_nothing(archive, content, said, capsys):
    with pytest.raises(DataError, match=said):
        read(archive(train=content))
    assert capsys.readouterr().out == ""


def test_labels_that_are_not_as_many_as_images_are_an_error(archive, made, images):
    wrong = made.python2_pickle(rows(images), {"fine_labels": range(29)})
    with pytest.raises(DataError, match="train: not a batch.* and 29 labels"):
        read(archive(train=wrong))


def test_an_archive_cut_off_is_an_error(archive):
    path = archive()
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DataError, match=r"c\.tar\.gz: not a whole \.tar\.gz"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"\x1f\x8b\x08\x00"])
def test_what_is_not_an_archive_is_an_error(tmp_path, content):
    (tmp_path / "c.tar.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"c\.tar\.gz: not a whole \.tar\.gz"):
        read(tmp_path / "c.tar.gz")


def test_a_missing_member_is_named(tmp_path, made):
    made.write_tar(tmp_path / "c.tar.gz", {"readme": b"hello"})
    with pytest.raises(DataError, match="no member cifar-100-python/test, cifar-100-python/train"):
        read(tmp_path / "c.tar.gz")


def member(name, **changed):
    made = tarfile.TarInfo(name)
    for key, value in changed.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize(
    "hostile",
    [
        member("../outside"),
        member("a/../../outside"),
        member("link", type=tarfile.SYMTYPE, linkname="../../outside"),
        member("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("link", type=tarfile.LNKTYPE, linkname="../outside"),
        member("device", type=tarfile.CHRTYPE),
        member("pipe", type=tarfile.FIFOTYPE),
    ],
    ids=lambda made: f"{made.name}-{made.linkname}",
)
def test_a_member_that_reaches_out_is_refused_before_anything_is_used(tmp_path, hostile):
    with tarfile.open(tmp_path / "c.tar.gz", "w:gz") as archive:
        archive.addfile(hostile, io.BytesIO(b""))
    with pytest.raises(DataError, match=r"c\.tar\.gz: refused"):
        read(tmp_path / "c.tar.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["c.tar.gz"]


def test_a_member_that_unpacks_to_far_more_than_it_is_is_refused_by_its_header(tmp_path):
    huge = member("cifar-100-python/train", size=10**12)
    (tmp_path / "c.tar.gz").write_bytes(gzip.compress(huge.tobuf()))
    with pytest.raises(DataError, match=r"'cifar-100-python/train'.*to 1,000,000,000,000 bytes"):
        read(tmp_path / "c.tar.gz")
    assert list((tmp_path / "work").glob("**/train")) == []


@examples(300)
@given(data=st.data())
def test_damaged_archives_are_refused_or_sound(archive, data):
    path = archive()
    whole = path.read_bytes()
    if data.draw(st.booleans()):
        path.write_bytes(damaged(data, whole))
    else:
        path.write_bytes(gzip.compress(damaged(data, gzip.decompress(whole)), 1))
    try:
        found = read(path)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        for part, pixels in found.values():
            assert pixels.dtype == np.uint8 and len(pixels) == len(part.labels)
