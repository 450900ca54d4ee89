import numpy as np
import pytest
from PIL import Image

from pipeline.data import DataError, decoding, folder, raw
from pipeline.data.catalog import find
from pipeline.data.images import ImageError
from pipeline.params import Preprocess


def pixels(decoded):
    return np.concatenate(list(decoded.images.blocks()))


@pytest.fixture
def fetched(tmp_path):
    """What download makes of the images below tmp_path/photos."""

    def fetch():
        source = tmp_path / "photos"
        found = folder.scan(source)
        origin = find("folder").origin(found.class_names, found.notes)
        raw.write_folder(tmp_path / "raw", origin, found.entries, found.sources)
        return raw.read(tmp_path / "raw")

    return fetch


def decode(found, tmp_path, **settings):
    return decoding.decode(found, Preprocess(**settings), tmp_path)


def test_arrays_of_the_right_shape_pass_unchanged(tmp_path, made):
    images = {"train": made.made_images(5), "test": made.made_images(3, seed=1)}
    labels = {"train": [0, 1, 0, 1, 0], "test": [1, 0, 1]}
    made.write_raw(tmp_path / "raw", labels, images=images)
    decoded = decode(raw.read(tmp_path / "raw"), tmp_path)
    assert np.array_equal(pixels(decoded), np.concatenate([images["train"], images["test"]]))
    assert decoded.labels.tolist() == [0, 1, 0, 1, 0, 1, 0, 1]
    assert decoded.official.tolist() == [0] * 5 + [2] * 3
    assert decoded.ids.tolist() == list(range(8))
    assert len(set(decoded.digests)) == 8 and not decoded.names and not decoded.skipped


@pytest.mark.parametrize(
    ("channels", "settings", "shape"),
    [
        (1, {}, (4, 4, 1)),
        (3, {}, (4, 4, 3)),
        (3, {"colour": "grey"}, (4, 4, 1)),
        (1, {"colour": "rgb"}, (4, 4, 3)),
        (3, {"image_size": 8}, (8, 8, 3)),
        (3, {"image_size": 6, "colour": "grey"}, (6, 6, 1)),
    ],
)
def test_size_and_colour_are_as_asked_for_and_bytes(tmp_path, made, channels, settings, shape):
    made.write_raw(tmp_path / "raw", {"train": [0, 1]}, channels=channels)
    decoded = decode(raw.read(tmp_path / "raw"), tmp_path, **settings)
    assert pixels(decoded).shape == (2, *shape) and pixels(decoded).dtype == np.uint8


def test_equal_pixels_have_equal_digests(tmp_path, made):
    images = made.made_images(3)
    images[2] = images[0]
    made.write_raw(tmp_path / "raw", {"train": [0, 1, 1]}, images={"train": images})
    first, second, third = decode(raw.read(tmp_path / "raw"), tmp_path).digests
    assert first == third != second


def test_files_of_all_modes_end_as_colour_where_one_has_colour(tmp_path, made, fetched):
    for i, mode in enumerate(["RGB", "L", "RGBA", "P", "1", "LA", "CMYK", "I;16"]):
        form = "tif" if mode == "CMYK" else "png"
        made.save_image(tmp_path / "photos" / "ab"[i % 2] / f"{i}.{form}", mode, seed=i)
    decoded = decode(fetched(), tmp_path)
    assert pixels(decoded).shape == (8, 8, 8, 3)
    assert decoded.labels.tolist() == [0] * 4 + [1] * 4
    assert decoded.names[0] == "a/0.png" and decoded.ids.tolist() == list(range(8))


def test_grey_files_end_as_grey(tmp_path, made, fetched):
    for i, mode in enumerate(["L", "1", "I;16"]):
        made.save_image(tmp_path / "photos" / "a" / f"{i}.png", mode, seed=i)
    assert pixels(decode(fetched(), tmp_path)).shape == (3, 8, 8, 1)


def test_one_pixel_array_is_the_same_through_files_and_arrays(tmp_path, made, fetched):
    images = made.made_images(4, 9, 3)
    made.write_raw(tmp_path / "arrays", {"train": [0, 0, 1, 1]}, images={"train": images})
    for i, image in enumerate(images):
        path = tmp_path / "photos" / "ab"[i // 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    settings = {"image_size": 5, "colour": "grey"}
    arrays = pixels(decode(raw.read(tmp_path / "arrays"), tmp_path, **settings))
    assert np.array_equal(pixels(decode(fetched(), tmp_path, **settings)), arrays)


def test_several_sizes_need_image_size(tmp_path, made, fetched):
    for i in range(3):
        made.save_image(tmp_path / "photos" / "a" / f"{i}.png", seed=i)
    made.save_image(tmp_path / "photos" / "a" / "x.png", size=(9, 5))
    found = fetched()
    with pytest.raises(
        DataError, match=r"a/x.png: 9 x 5 pixels, where most .* 8 x 8 \(2 sizes.*Set"
    ):
        decode(found, tmp_path)
    assert pixels(decode(found, tmp_path, image_size=8)).shape == (4, 8, 8, 3)


@pytest.fixture
def damaged(tmp_path, made, fetched):
    """Three sound images, one cut off, one that is none, and a text file."""
    photos = tmp_path / "photos"
    for i in range(5):
        made.save_image(photos / "a" / f"{i}.png", size=(32, 32), seed=i)
    content = (photos / "a" / "1.png").read_bytes()
    (photos / "a" / "1.png").write_bytes(content[: len(content) // 2])
    (photos / "a" / "3.png").write_bytes(b"hello")
    (photos / "a" / "notes.txt").write_text("hello")
    return fetched()


def test_the_first_bad_file_is_named(tmp_path, damaged):
    with pytest.raises(ImageError, match=r"a/1\.png: cannot be read .* preprocess.on_bad_image"):
        decode(damaged, tmp_path)


def test_bad_files_are_skipped_and_listed_if_asked_for(tmp_path, damaged):
    decoded = decode(damaged, tmp_path, on_bad_image="skip")
    assert decoded.names == ["a/0.png", "a/2.png", "a/4.png"]
    assert decoded.ids.tolist() == [0, 2, 4]
    reasons = {skipped.path: skipped.reason for skipped in decoded.skipped}
    assert set(reasons) == {"a/1.png", "a/3.png", "a/notes.txt"}
    assert reasons["a/1.png"] == "cannot be read as an image (image file is truncated)"
    assert reasons["a/notes.txt"] == "not named like an image"


def test_no_usable_image_at_all_is_an_error(tmp_path, fetched):
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "photos" / "a" / "x.png").write_bytes(b"hello")
    with pytest.raises(DataError, match="no image is usable; the first one: a/x.png: "):
        decode(fetched(), tmp_path, on_bad_image="skip")


def test_dark_colours_of_16_bits_are_refused(tmp_path, made, fetched):
    (tmp_path / "photos" / "a").mkdir(parents=True)
    for high in (4095, 65535):
        content = made.png_of_16_bits(np.full((4, 4, 3), high, np.uint16))
        (tmp_path / "photos" / "a" / "x.png").write_bytes(content)
        if high == 4095:
            with pytest.raises(DataError, match="a/x.png and the like: .* that use 12 at most"):
                decode(fetched(), tmp_path)
    assert pixels(decode(fetched(), tmp_path)).max() == 255


def test_one_depth_holds_for_all_files_and_damaged_ones_do_not_count(tmp_path, fetched):
    for name, high in (("x", 300), ("y", 1023)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        wide = np.full((4, 4), high, np.uint16)
        Image.fromarray(wide).save(tmp_path / "photos" / name / "1.png")
    content = (tmp_path / "photos" / "y" / "1.png").read_bytes()
    (tmp_path / "photos" / "y" / "2.png").write_bytes(content[:-30])
    found = decode(fetched(), tmp_path, on_bad_image="skip")
    assert found.bits == 10 and [s.path for s in found.skipped] == ["y/2.png"]
    assert pixels(found)[:, 0, 0, 0].tolist() == [300 >> 2, 255]
    assert found.notes == [
        "2 files of 16 bits hold values up to 1023: read as 10-bit data (0 to 1023)"
    ]
