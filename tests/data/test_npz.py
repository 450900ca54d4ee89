import io
import os
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import files
from pipeline.data import DataError, array_names, npz
from tests.inputs import damaged, examples

X = np.arange(6 * 16, dtype=np.uint8).reshape(6, 4, 4)
Y = np.array([0, 1, 2, 0, 1, 2])
GOOD = {"x_train": X, "y_train": Y, "x_test": X[:3], "y_test": Y[:3]}


def saved(folder, compressed=True, **arrays):
    path = folder / "data.npz"
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


def read(path):
    opened = npz.Npz(path)
    parts = {p.split: (p, np.concatenate(list(p.blocks))) for p in opened.parts()}
    return opened.class_names, parts


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("shape", [(6, 4, 4), (6, 4, 4, 1), (6, 2, 8), (2, 4, 4, 3)])
def test_images_with_and_without_channels_are_read(tmp_path, compressed, shape):
    images = X.reshape(shape)
    labels = Y[: len(images)]
    names, parts = read(saved(tmp_path, compressed, x_train=images, y_train=labels))
    part, found = parts["train"]
    assert found.shape == (*shape, 1)[:4] and np.array_equal(found.reshape(shape), images)
    assert part.image_shape == found.shape[1:] and part.labels.dtype == np.int32
    assert names == tuple(str(i) for i in range(labels.max() + 1))


def test_val_test_and_class_names_are_read(tmp_path):
    path = saved(
        tmp_path, **GOOD, x_val=X[1:3], y_val=Y[1:3], class_names=np.array(["a", "b", "ü"])
    )
    names, parts = read(path)
    assert names == ("a", "b", "ü") and list(parts) == ["train", "val", "test"]
    assert np.array_equal(parts["val"][1][..., 0], X[1:3])


@pytest.mark.parametrize("dtype", ["uint8", "int8", ">i4", "int64", "uint64"])
@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_labels_of_any_whole_type_and_keras_columns_fit(tmp_path, dtype, shape):
    path = saved(tmp_path, x_train=X, y_train=Y.astype(dtype).reshape(shape))
    assert read(path)[1]["train"][0].labels.tolist() == Y.tolist()


def test_fortran_order_is_undone(tmp_path):
    path = saved(tmp_path, x_train=np.asfortranarray(X), y_train=Y)
    assert np.array_equal(read(path)[1]["train"][1][..., 0], X)


def pickled():
    return np.array([{"a": 1}] * 6, dtype=object)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"y_train": None}, "no y_train in it; it holds"),
        ({"x_test": None}, "no x_test in it"),
        ({"X_test": X}, "'x_test' and 'X_test' can both be x_test"),
        ({"x_train": X.reshape(6, 2, 8, 1, 1)}, r"got the shape \(6, 2, 8, 1, 1\), expected"),
        ({"x_train": np.zeros((6, 3, 4, 4), np.uint8)}, "3 channels first, or 4 channels last"),
        ({"x_train": np.zeros((6, 28, 28, 28), np.uint8)}, "Volumes are not read"),
        ({"x_train": np.zeros((6, 3 * 64), np.uint8)}, r"x.reshape\(-1, 8, 8, 3\) or"),
        ({"x_train": np.zeros((0, 4, 4), np.uint8), "y_train": Y[:0]}, "There must be images"),
        ({"x_train": np.zeros((6, 9000, 1), np.uint8)}, "1 to 8192 pixels a side"),
        ({"x_train": X.astype("S1")}, r"x_train .* got .S1, expected numbers"),
        ({"y_train": Y[:5]}, r"y_train .* got int64 \(5,\), expected .* shape \(6,\)"),
        ({"y_train": Y + 0.5}, r"got the label 0.5, .* np.digitize"),
        ({"y_train": np.full(6, np.nan)}, "got the label nan"),
        ({"y_train": np.eye(6)[:, :3] / 2}, r"that are not 0 or 1.* y.argmax\(axis=1\)"),
        ({"y_train": np.ones((6, 3), int)}, "image 0 has 3 labels of 3, expected one"),
        ({"y_train": np.eye(6, dtype=int)[:, :3]}, "image 3 has 0 labels of 3"),
        ({"y_train": Y - 1}, "-1 can be a class or mean that there is no label"),
        ({"y_train": np.array(list("abcabc"))}, "text in one part, numbers in another"),
        ({"x_train": pickled()}, r"x_train .*holds Python objects .* np.stack\(list\(x\)\)"),
        ({"y_train": pickled()}, "y_train .*holds Python objects"),
        ({"class_names": pickled()[:3]}, "class_names .*holds Python objects"),
        ({"class_names": np.array(["a", "b"])}, "got 3 labels from 0 to 2, and 2 class_names"),
        ({"class_names": np.arange(3)}, "expected one text for each class"),
        ({"class_names": np.array(["a", "b", "a"])}, "class name 'a' twice"),
        ({"class_names": np.array(["a", "b", ""])}, "got the class name ''"),
        ({"class_names": np.array(["a", "b", "c\n"])}, "got the class name 'c.n'"),
        ({"class_names": np.array([b"a", b"b", b"\xff"])}, "not readable as text"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, changed, said):
    arrays = {key: value for key, value in {**GOOD, **changed}.items() if value is not None}
    with pytest.raises(DataError, match=said):
        read(saved(tmp_path, **arrays))


@pytest.mark.parametrize(
    ("labels", "names", "numbers", "said"),
    [
        (Y + 1, ("1", "2", "3"), Y, "labels 1, 2, 3 are numbered 0 to 2"),
        (np.array([0, 5, 10] * 2), ("0", "5", "10"), Y, "labels 0, 5, 10 are numbered 0 to 2"),
        (Y * 100, ("0", "100", "200"), Y, "numbered 0 to 2"),
        (Y.astype(float), ("0", "1", "2"), Y, ""),
        (np.eye(3)[Y], ("0", "1", "2"), Y, ""),
        (np.eye(3, dtype=bool)[Y], ("0", "1", "2"), Y, ""),
        (np.array(["b", "c", "a"])[Y], ("a", "b", "c"), np.array([1, 2, 0])[Y], "text as labels"),
        (np.array([b"no", b"yes"])[Y % 2], ("no", "yes"), Y % 2, "text as labels: no, yes"),
        (Y % 2 * 2 - 1, ("-1", "1"), Y % 2, "labels -1, 1 are numbered 0 to 1"),
        (Y > 0, ("0", "1"), (Y > 0).astype(int), ""),
    ],
)
def test_labels_of_all_kinds_are_numbered_from_0_and_it_is_said(
    tmp_path, labels, names, numbers, said
):
    path = saved(tmp_path, x_train=X, y_train=labels)
    found, parts = read(path)
    assert found == names and parts["train"][0].labels.tolist() == numbers.tolist()
    assert said in " ".join(npz.Npz(path).notes)


def test_labels_from_1_take_the_class_names_in_order(tmp_path):
    names = np.array(["cat", "dog", "elk"])
    found, parts = read(saved(tmp_path, x_train=X, y_train=Y + 1, class_names=names))
    assert found == ("cat", "dog", "elk") and parts["train"][0].labels.tolist() == Y.tolist()


WIDE = np.array([0, 16, 255, 4095] * 24, np.uint16).reshape(6, 4, 4)


@pytest.mark.parametrize(
    ("images", "expected", "said"),
    [
        (WIDE, WIDE >> 4, "up to 4095 read as 12-bit data"),
        (WIDE.astype(">i4"), WIDE >> 4, "12-bit data"),
        (WIDE * 16, WIDE >> 4, "up to 65520 read as 16-bit data"),
        (X.astype(np.int64) + 159, X + 159, "up to 255 read as bytes"),
        (X > 40, (X > 40) * 255, "read as black and white"),
        ((X / 95).astype(np.float32), np.round(X / np.float32(95) * 255), "0 to 1"),
        (X + 160.0, X + 160, "0 to 255"),
        (X / 47.5 - 1, np.round(X / 95 * 255), "-1 to 1"),
    ],
)
def test_pixels_of_all_ranges_become_bytes_and_it_is_said(tmp_path, images, expected, said):
    path = saved(tmp_path, x_train=images, y_train=Y)
    found = read(path)[1]["train"][1][..., 0]
    assert found.dtype == np.uint8 and np.abs(found - expected.astype(float)).max() <= 1
    assert said in " ".join(npz.Npz(path).notes)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (X / 6, r"floats from 0 to 15.8333 can be 0 to 255 \(then nearly black\) or 0 to 15.8333"),
        (X / 95 * 1.02, "can be 0 to 255 .* or 0 to 1.02"),
        (X / 95 - 0.5, "can be -1 to 1, -0.5 to 0.5, or 0 to 1 with something subtracted"),
        ((X - 40.0) / 20, "standardised"),
        (X.astype(np.int8) - 100, "black, or a sign of a byte read as int8"),
        (np.where(X > 3, np.nan, X), "NaN or infinite"),
    ],
)
def test_ranges_with_two_readings_are_refused_with_both(tmp_path, images, said):
    with pytest.raises(DataError, match=said):
        read(saved(tmp_path, x_train=images, y_train=Y))


def test_parts_scaled_in_different_ways_are_refused(tmp_path):
    arrays = {"x_train": X / 95, "y_train": Y, "x_test": X + 160.0, "y_test": Y}
    with pytest.raises(DataError, match="x_train .* goes up to 1, another part up to 255"):
        read(saved(tmp_path, **arrays))
    with pytest.raises(DataError, match="save all parts with one type and one scale"):
        read(saved(tmp_path, **{**arrays, "x_test": X}))


def test_one_scale_holds_for_all_parts(tmp_path):
    arrays = {"x_train": WIDE, "y_train": Y, "x_test": WIDE // 4, "y_test": Y}
    found = read(saved(tmp_path, **arrays))[1]
    assert found["train"][1].max() == 255 and found["test"][1].max() == 63


def test_alpha_is_laid_on_white_and_channels_are_turned_last(tmp_path):
    rgba = np.zeros((6, 8, 8, 4), np.uint8)
    rgba[..., 0], rgba[..., 3] = 255, 51
    path = saved(tmp_path, x_train=rgba, y_train=Y)
    assert read(path)[1]["train"][1][0, 0, 0].tolist() == [255, 204, 204]
    assert "the last channel read as alpha and laid on white" in npz.Npz(path).notes
    first = saved(tmp_path, x_train=rgba[..., :3].transpose(0, 3, 1, 2), y_train=Y)
    assert read(first)[1]["train"][1].tolist() == rgba[..., :3].tolist()
    assert "channels turned last" in npz.Npz(first).notes
    grey = saved(tmp_path, x_train=rgba[..., 2:], y_train=Y)
    assert read(grey)[1]["train"][1].shape == (6, 8, 8, 1)
    assert set(read(grey)[1]["train"][1].ravel().tolist()) == {204}


def test_the_names_of_medmnist_and_cifar_are_understood(tmp_path):
    medmnist = {f"{s}_images": X for s in ("train", "val", "test")}
    medmnist |= {f"{s}_labels": Y[:, None].astype(np.uint8) for s in ("train", "val", "test")}
    names, parts = read(saved(tmp_path, **medmnist))
    assert list(parts) == ["train", "val", "test"] and names == ("0", "1", "2")
    assert parts["val"][0].labels.tolist() == Y.tolist()
    planes = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), np.uint8)
    cifar = {"data": planes.reshape(6, -1), "fine_labels": Y, "coarse_labels": Y // 2}
    path = saved(tmp_path, **cifar)
    assert np.array_equal(read(path)[1]["train"][1], planes.transpose(0, 2, 3, 1))
    said = "; ".join(npz.Npz(path).notes)
    assert "x_train from 'data', y_train from 'fine_labels'; not used: 'coarse_labels'" in said
    assert "flat images read as 32 x 32 pixels (3 planes, as in CIFAR)" in said


@pytest.mark.parametrize("names", [("X", "y"), ("images", "target"), ("arr_0", "arr_1")])
def test_lone_images_and_labels_are_train(tmp_path, names):
    found = read(saved(tmp_path, **dict(zip(names, (X.reshape(6, 16), Y), strict=True))))[1]
    assert np.array_equal(found["train"][1][..., 0], X) and list(found) == ["train"]


@pytest.mark.parametrize(
    ("name", "slot"),
    [
        ("XTrain", "x_train"),
        ("y_valid", "y_val"),
        ("xtest", "x_test"),
        ("training_labels", "y_train"),
        ("target_names", "class_names"),
        ("train_val_images", None),
        ("coarse_labels", None),
        ("filenames", None),
    ],
)
def test_names_are_understood_by_their_words(name, slot):
    assert array_names.slot_of(name) == slot


@pytest.mark.parametrize("path", ["/dev/zero", "pipe"])
def test_a_device_or_named_pipe_is_refused_unread(path, tmp_path):
    if path == "pipe":
        os.mkfifo(tmp_path / path)
    with pytest.raises(DataError, match=r"a named pipe or device; expected an \.npz file"):
        npz.Npz(tmp_path / path)


def test_a_path_to_nothing_or_to_a_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz: not found \(download.path\)"):
        npz.Npz(tmp_path / "none.npz")
    with pytest.raises(DataError, match=r"a folder; expected an \.npz file"):
        npz.Npz(tmp_path)


KNOWN = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test", "class_names", "labels")


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def zipped(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def declaring(shape, dtype="|u1"):
    buffer = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [(10**15, 28, 28), (2**62, 4, 4), (7, 4, 4), (5, 4, 4)])
def test_a_header_that_promises_other_than_is_there_is_refused_unread(tmp_path, shape):
    content = declaring(shape) + X.tobytes()
    path = zipped(tmp_path / "d.npz", {"x_train.npy": content, "y_train.npy": npy(Y)})
    with pytest.raises(DataError, match="x_train .* holds 96 bytes of data"):
        npz.Npz(path)


def test_a_zip_bomb_is_refused_unread(tmp_path):
    size = files.SUSPECT_BYTES // 16 + 1
    zeros = npy(np.zeros((size, 4, 4), np.uint8))
    path = zipped(
        tmp_path / "d.npz", {"x_train.npy": zeros, "y_train.npy": npy(np.zeros(size, int))}
    )
    assert path.stat().st_size < 1_000_000
    with pytest.raises(DataError, match=r"would unpack to 67,108,880 bytes, \d+ times its size"):
        npz.Npz(path)


def test_a_label_bomb_is_refused_by_its_shape(tmp_path):
    labels = npy(np.zeros(10_000_000, np.uint8))
    path = zipped(tmp_path / "d.npz", {"x_train.npy": npy(X), "y_train.npy": labels})
    with pytest.raises(DataError, match=r"got uint8 \(10000000,\), expected whole numbers"):
        npz.Npz(path)


def test_a_bit_flipped_in_the_pixels_is_found_while_they_are_read(tmp_path):
    path = saved(tmp_path, compressed=False, **GOOD)
    content = bytearray(path.read_bytes())
    at = content.index(X.tobytes()[:32]) + 7
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="Bad CRC-32"):
        read(path)


def test_an_array_that_is_there_twice_is_refused(tmp_path):
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(tmp_path / "d.npz", "w") as archive,
    ):
        for _ in range(2):
            archive.writestr("x_train.npy", npy(X))
    with pytest.raises(DataError, match="each once"):
        npz.Npz(tmp_path / "d.npz")


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("npz")
    names = np.array(["a", "b", "c"])
    return [saved(folder, flag, **GOOD, class_names=names).read_bytes() for flag in (True, False)]


def check_refused_or_sound(path):
    """Whatever is in the file: DataError, or images and labels that fit together."""
    try:
        _, parts = read(path)
    except DataError as error:
        assert len(str(error)) < 1000 and "\n" not in str(error)
    else:
        for part, images in parts.values():
            assert images.dtype == np.uint8 and len(images) == len(part.labels)
            assert part.labels.min() >= 0


@examples(300)
@given(data=st.data())
def test_damaged_files_are_refused_or_sound(whole, tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(damaged(data, data.draw(st.sampled_from(whole))))
    check_refused_or_sound(path)


HEADERS = st.builds(
    lambda text: b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text,
    st.one_of(
        st.binary(max_size=60),
        st.builds(
            lambda d, f, s: repr({"descr": d, "fortran_order": f, "shape": s}).encode(),
            st.sampled_from(["|u1", "<i8", "|O", "<U3", "|V8", "<f4", "x", 3, None, [("a", "|O")]]),
            st.sampled_from([True, False, 0, None, "no"]),
            st.one_of(
                st.tuples(st.integers(-3, 9), st.integers(-1, 5), st.integers(0, 5)),
                st.tuples(st.integers(0, 2**70)),
                st.just(()),
                st.text(max_size=3),
            ),
        ),
    ),
)


@examples(300)
@given(
    headers=st.dictionaries(st.sampled_from(KNOWN), st.tuples(HEADERS, st.binary(max_size=40))),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]),
)
def test_made_up_headers_are_refused_or_sound(tmp_path_factory, headers, method):
    path = tmp_path_factory.getbasetemp() / "made_up.npz"
    members = {"x_train.npy": npy(X), "y_train.npy": npy(Y)}
    members |= {f"{name}.npy": header + rest for name, (header, rest) in headers.items()}
    check_refused_or_sound(zipped(path, members, method))
