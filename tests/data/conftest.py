"""Small made-up data sets in the forms the real ones come in."""

import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.data import raw
from pipeline.data.raw import Origin, Part

Bytes = NDArray[np.uint8]


def made_images(num_images: int, side: int = 4, channels: int = 1, seed: int = 0) -> Bytes:
    """Random images, all different."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (num_images, side, side, channels), np.uint8)


def write_raw(
    folder: Path,
    labels: Mapping[str, Sequence[int]],
    side: int = 4,
    channels: int = 1,
    images: Mapping[str, Bytes] | None = None,
) -> None:
    """Raw data with random images and the given labels by split."""
    classes = 1 + max(max(numbers) for numbers in labels.values())
    origin = Origin(
        "made", tuple(f"class {i}" for i in range(classes)), "none", "nobody", "nowhere"
    )
    parts = []
    for seed, (split, numbers) in enumerate(labels.items()):
        found = (images or {}).get(split, made_images(len(numbers), side, channels, seed))
        shape = (found.shape[1], found.shape[2], found.shape[3])
        parts.append(Part(split, shape, np.array(numbers, np.int32), [found]))
    raw.write_parts(folder, origin, lambda _: parts)


def save_image(
    path: Path, mode: str = "RGB", size: tuple[int, int] = (8, 8), seed: int = 0
) -> None:
    """A file with random pixels; its format follows from its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    if mode == "I;16":
        wide = generator.integers(0, 65536, size[::-1], np.uint16)
        Image.fromarray(wide).save(path)
        return
    rgb = generator.integers(0, 256, (*size[::-1], 3), np.uint8)
    Image.fromarray(rgb).convert(mode).save(path)


def png_of_16_bits(rgb: NDArray[np.uint16]) -> bytes:
    """A PNG with 16 bits for each of three channels, which Pillow reads and cannot write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    height, width, _ = rgb.shape
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rgb)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def idx_bytes(array: Bytes, level: int = 1) -> bytes:
    """An IDX file, compressed."""
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes(), level, mtime=0)


def python2_pickle(
    images: Bytes, labels: Mapping[str, Sequence[int]], fortran: bool = False
) -> bytes:
    """A batch as the authors of CIFAR wrote it: protocol 2, by Python 2 (`str` is bytes)."""

    def text(content: bytes) -> bytes:
        if len(content) < 256:
            return b"U" + bytes([len(content)]) + content
        return b"T" + struct.pack("<i", len(content)) + content

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    rows = images.reshape(len(images), -1)
    empty = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
        + b"K\x00\x85"
        + text(b"b")
        + b"\x87R"
    )
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + text(b"|") + b"NNN" + number(-1) + number(-1) + b"K\x00tb"
    shape = number(rows.shape[0]) + number(rows.shape[1]) + b"\x86"
    order = b"\x88" if fortran else b"\x89"
    content = text(rows.tobytes("F" if fortran else "C"))
    array = empty + b"(K\x01" + shape + dtype + order + content + b"tb"
    fields = text(b"data") + array
    for key, values in labels.items():
        fields += text(key.encode()) + b"](" + b"".join(map(number, values)) + b"e"
    names = b"".join(text(b"image_%d.png" % i) for i in range(len(images)))
    fields += text(b"filenames") + b"](" + names + b"e"
    return b"\x80\x02}(" + fields + b"u."


def write_tar(path: Path, members: Mapping[str, bytes], level: int = 1) -> None:
    """A .tar.gz of regular files."""
    with tarfile.open(path, "w:gz", compresslevel=level) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """The functions above: test modules cannot import one another."""
    functions = (
        made_images,
        write_raw,
        save_image,
        png_of_16_bits,
        idx_bytes,
        python2_pickle,
        write_tar,
    )
    return SimpleNamespace(**{function.__name__: function for function in functions})


@dataclass(frozen=True)
class Server:
    """A web server on this machine: what is in `folder` is at `url`."""

    folder: Path
    url: str


@pytest.fixture
def local_server(tmp_path: Path) -> Iterator[Server]:
    """A running `Server`."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Server(folder, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
