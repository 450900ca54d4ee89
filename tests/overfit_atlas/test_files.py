"""Files are written whole or not at all."""

import os
from pathlib import Path

import pytest

from overfit_atlas.files import write_text


def test_a_text_is_written_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    write_text(path, "過学習")
    assert path.read_bytes() == "過学習".encode()


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / f"{'a' * 200}.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "half \ud800")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_into_and_a_folder_is_left_alone(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    write_text(Path(f"/dev/fd/{writing}"), "text")
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "text"
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path, "text")
