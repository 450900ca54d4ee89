import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.data import images
from pipeline.data.images import ImageError
from tests.inputs import examples

GENERATOR = np.random.default_rng(0)
RGB = GENERATOR.integers(0, 256, (6, 9, 3), np.uint8)


def encoded(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return io.BytesIO(buffer.getvalue())


def load(image, channels=3, form="PNG", **options):
    height, width = image.height, image.width
    return images.load(encoded(image, form, **options), "x", (height, width, channels))


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_colours_come_out_as_they_are(form):
    assert np.array_equal(load(Image.fromarray(RGB), form=form), RGB)


def test_grey_comes_out_as_it_is_in_one_channel_or_three():
    grey = RGB[..., 0]
    assert np.array_equal(load(Image.fromarray(grey), 1)[..., 0], grey)
    assert np.array_equal(load(Image.fromarray(grey), 3), np.stack([grey] * 3, axis=-1))


def test_colours_turn_grey_by_their_luma():
    # ITU-R 601: 0.299 R + 0.587 G + 0.114 B.
    expected = RGB @ [0.299, 0.587, 0.114]
    assert np.allclose(load(Image.fromarray(RGB), 1)[..., 0], expected, atol=1)


def test_black_and_white_is_0_and_255():
    bits = Image.fromarray(RGB[..., 0]).convert("1")
    assert set(np.unique(load(bits, 1)).tolist()) == {0, 255}


def test_transparency_is_laid_on_white():
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = (10, 20, 30, 255)
    rgba[0, 1] = (10, 20, 30, 0)
    rgba[1, 0] = (0, 0, 0, 128)
    found = load(Image.fromarray(rgba))
    assert found[0, 0].tolist() == [10, 20, 30]
    assert found[0, 1].tolist() == [255, 255, 255]
    assert found[1, 0].tolist() == [127, 127, 127]


def test_transparent_grey_is_laid_on_white_and_stays_grey():
    grey_alpha = np.array([[[50, 255], [50, 0]]], np.uint8)
    image = Image.merge("LA", [Image.fromarray(grey_alpha[..., i]) for i in range(2)])
    assert load(image, 1)[..., 0].tolist() == [[50, 255]]
    assert images.inspect(encoded(image), "x").grey


def test_a_palette_with_a_transparent_colour_is_laid_on_white():
    palette = Image.new("P", (2, 1))
    palette.putpalette([200, 0, 0, 0, 0, 200])
    palette.putpixel((1, 0), 1)
    found = load(palette, transparency=1)
    assert found[0].tolist() == [[200, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_keep_their_upper_half(form):
    wide = np.array([[0, 255, 256], [32768, 65280, 65535]], np.uint16)
    image = Image.fromarray(wide)
    assert images.inspect(encoded(image, form), "x").grey
    found = load(image, 1, form)[..., 0]
    assert np.abs(found.astype(int) - wide // 256).max() <= (1 if form == "PPM" else 0)


def test_floating_point_is_refused():
    with pytest.raises(ImageError, match="no known range; save it with 8 or 16 bits"):
        load(Image.fromarray(RGB[..., 0].astype(np.float32)), 1, "TIFF")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = encoded(Image.fromarray(RGB), exif=exif)
    turned = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.transpose(1, 0, 2),
        6: np.rot90(RGB, -1),
        7: np.rot90(RGB, 2).transpose(1, 0, 2),
        8: np.rot90(RGB),
    }[orientation]
    looks = images.inspect(source, "x")
    assert (looks.height, looks.width) == turned.shape[:2]
    assert np.array_equal(images.load(source, "x", turned.shape), turned)


def test_another_size_is_reached_with_antialiasing():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    found = images.fit(Image.fromarray(stripes), (16, 16, 1))
    # Without antialiasing every sampled column would be black or white.
    assert (
        found.dtype == np.uint8 and found[4:12, 4:12].min() > 100 and found[4:12, 4:12].max() < 156
    )


def test_another_aspect_ratio_is_cropped_around_the_centre():
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 200
    assert np.all(images.fit(Image.fromarray(wide), (10, 10, 1)) == 200)


def test_arrays_and_files_of_the_same_pixels_end_the_same():
    for channels in (1, 3):
        array = RGB if channels == 3 else RGB[..., :1]
        plain = Image.fromarray(RGB if channels == 3 else RGB[..., 0])
        found = images.load(encoded(plain), "x", (4, 4, 3))
        assert np.array_equal(images.fit_array(array, (4, 4, 3)), found)


def test_the_first_frame_of_an_animation_is_used():
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    source = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.all(images.load(source, "x", (4, 4, 1)) == 10)


def png_chunk(kind, content):
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def bomb(width, height):
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10_000, 10_000), (50_000, 50_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_unread(tmp_path, size):
    (tmp_path / "bomb.png").write_bytes(bomb(*size))
    for read in (images.inspect, lambda path, name: images.load(path, name, (4, 4, 1))):
        with pytest.raises(ImageError, match=r"bomb\.png: "):
            read(tmp_path / "bomb.png", "bomb.png")


def test_the_limit_holds_where_pillows_is_lifted(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ImageError, match="more than 89,478,485 pixels"):
        images.inspect(io.BytesIO(bomb(10_000, 10_000)), "x")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_half_a_file_is_an_error(form):
    noise = Image.fromarray(GENERATOR.integers(0, 256, (64, 64, 3), np.uint8))
    whole = encoded(noise, form).getvalue()
    with pytest.raises(ImageError, match=r"cat/a\.x: cannot be read as an image.*on_bad_image"):
        images.load(io.BytesIO(whole[: len(whole) // 2]), "cat/a.x", (64, 64, 3))


@pytest.mark.parametrize("content", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg></svg>"])
def test_what_is_no_image_is_an_error_and_no_program_is_run(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.png: cannot be read as an image"):
        images.inspect(tmp_path / "a.png", "a.png")


def test_a_missing_file_is_an_error():
    with pytest.raises(ImageError, match="a: not found"):
        images.inspect(Path("nowhere/a.png"), "a")


def samples():
    noise = Image.fromarray(RGB)
    found = [encoded(noise, form).getvalue() for form in images.FORMATS]
    exif = Image.Exif()
    exif[0x0112] = 6
    found.append(encoded(noise, "JPEG", exif=exif).getvalue())
    found.append(encoded(noise.convert("P")).getvalue())
    return found


WHOLE = samples()


@examples(500)
@given(data=st.data())
def test_damaged_images_are_refused_or_come_out_whole(data):
    content = bytearray(data.draw(st.sampled_from(WHOLE)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[at] = data.draw(st.integers(0, 255))
        else:
            at = min(at, len(content) - 4)
            content[at : at + 4] = data.draw(
                st.sampled_from([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])
            )
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(1, len(content))) :]
    source = io.BytesIO(bytes(content))
    try:
        looks = images.inspect(source, "x")
        found = images.load(source, "x", (5, 4, 3))
    except ImageError as error:
        assert str(error).startswith("x: ") and len(str(error)) < 400 and "\n" not in str(error)
    else:
        assert found.shape == (5, 4, 3) and found.dtype == np.uint8
        assert looks.width * looks.height <= images.MAX_PIXELS


@examples(200)
@given(content=st.binary(max_size=200), start=st.sampled_from([b"", *(w[:12] for w in WHOLE)]))
def test_bytes_of_any_kind_are_refused_or_an_image(content, start):
    try:
        assert images.load(io.BytesIO(start + content), "x", (5, 4, 3)).shape == (5, 4, 3)
    except ImageError as error:
        assert str(error).startswith("x: ")


def test_colours_of_16_bits_are_told_and_their_peak_is_that_of_the_upper_8(made):
    image = io.BytesIO(made.png_of_16_bits(np.full((4, 4, 3), 4095, np.uint16)))
    looks = images.inspect(image, "x")
    assert looks.deep and not looks.wide and images.peak(image, "x") == 4095 >> 8
    assert not images.inspect(io.BytesIO(png(np.zeros((4, 4, 3), np.uint8))), "x").deep


def png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def test_of_wide_grey_the_upper_8_of_its_bits_are_kept():
    values = np.array([[0, 16, 255, 4095]], np.uint16)
    image = io.BytesIO(png(values))
    assert images.inspect(image, "x").wide and images.peak(image, "x") == 4095
    assert images.load(image, "x", (1, 4, 1), 12).ravel().tolist() == [0, 1, 15, 255]
    assert images.load(image, "x", (1, 4, 1)).ravel().tolist() == [0, 0, 0, 15]
    assert images.load(image, "x", (1, 4, 1), 8).ravel().tolist() == [0, 16, 255, 255]


def test_values_below_0_are_refused():
    buffer = io.BytesIO()
    Image.fromarray(np.array([[-1000, 40]], np.int32)).save(buffer, "TIFF")
    for read in (lambda: images.peak(buffer, "x"), lambda: images.load(buffer, "x", (1, 2, 1))):
        with pytest.raises(ImageError, match="pixels from -1000, below 0"):
            read()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(20), "it is HEIC, for which there is no decoder"),
        (b"8BPS" + bytes(40), "it is Photoshop"),
        (b"<svg xmlns='...'/>", "it is SVG"),
        (bytes(128) + b"DICM", "it is DICOM"),
        (b"hello", "its bytes are none of PNG, JPEG"),
    ],
)
def test_what_no_decoder_knows_is_named_with_the_way_out(tmp_path, content, said):
    (tmp_path / "x.png").write_bytes(content)
    for source in (tmp_path / "x.png", io.BytesIO(content)):
        with pytest.raises(ImageError, match=said):
            images.load(source, "x", (4, 4, 3))


def _progressive(scans):
    """A progressive JPEG whose last, smallest scan is there `scans` times more."""
    made = io.BytesIO()
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(made, "JPEG", progressive=True)
    whole = made.getvalue()
    last = whole.rindex(images.START_OF_SCAN)
    return io.BytesIO(whole[:-2] + whole[last:-2] * scans + whole[-2:])


@pytest.mark.parametrize("read", [lambda file: images.load(file, "a", (8, 8, 1)),
                                  lambda file: images.peak(file, "a")])  # fmt: skip
def test_a_jpeg_of_scans_without_end_is_refused(read):
    read(_progressive(20))
    with pytest.raises(ImageError, match="scans"):
        read(_progressive(2000))


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="pipe, socket or device"):
        images.load(tmp_path / "pipe.png", "x", (4, 4, 3))
