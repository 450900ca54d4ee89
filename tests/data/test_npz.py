import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import files
from pipeline.data import DataError, npz
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
        ({"X_test": X}, "got an array 'X_test', expected x_train, y_train"),
        ({"x_train": X / 255}, r"x_train .* got float64 .*\(x \* 255\).astype\('uint8'\)"),
        ({"x_train": X.astype(np.int64)}, "got int64 .* expected uint8"),
        ({"x_train": X.reshape(6, 16)}, r"got uint8 \(6, 16\), expected"),
        ({"x_train": np.zeros((6, 3, 8, 8), np.uint8)}, r"x.transpose\(0, 2, 3, 1\)"),
        ({"x_train": np.zeros((6, 4, 4, 4), np.uint8)}, r"1 or 3\). Reshape"),
        ({"x_train": np.zeros((0, 4, 4), np.uint8), "y_train": Y[:0]}, "There must be images"),
        ({"x_train": np.zeros((6, 9000, 1), np.uint8)}, "1 to 8192 pixels a side"),
        (
            {"y_train": Y[:5]},
            r"y_train .* got int64 \(5,\), expected whole numbers of shape \(6,\)",
        ),
        ({"y_train": Y.astype(float)}, "got float64"),
        ({"y_train": np.eye(6)[:, :3]}, r"got float64 \(6, 3\)"),
        ({"y_train": Y > 0}, "got bool"),
        ({"y_train": Y - 1}, "got the label -1 with 6 training images"),
        ({"y_train": Y * 100}, "got the label 200 with 6 training images"),
        ({"y_train": np.full(6, 2**63, np.uint64)}, "got the label 9223372036854775808"),
        ({"y_train": np.array(list("abcabc"))}, "got <U1"),
        ({"x_train": pickled()}, "x_train .*holds Python objects"),
        ({"y_train": pickled()}, "y_train .*holds Python objects"),
        ({"class_names": pickled()[:3]}, "class_names .*holds Python objects"),
        ({"class_names": np.array(["a", "b"])}, "expected one text for each of 3 classes"),
        ({"class_names": np.arange(3)}, "expected one text for each of 3 classes"),
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


def test_a_path_to_nothing_or_to_a_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz: not found \(download.path\)"):
        npz.Npz(tmp_path / "none.npz")
    with pytest.raises(DataError, match=r"a folder; expected an \.npz file"):
        npz.Npz(tmp_path)


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
    headers=st.dictionaries(st.sampled_from(npz.KNOWN), st.tuples(HEADERS, st.binary(max_size=40))),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]),
)
def test_made_up_headers_are_refused_or_sound(tmp_path_factory, headers, method):
    path = tmp_path_factory.getbasetemp() / "made_up.npz"
    members = {"x_train.npy": npy(X), "y_train.npy": npy(Y)}
    members |= {f"{name}.npy": header + rest for name, (header, rest) in headers.items()}
    check_refused_or_sound(zipped(path, members, method))
