"""Any bytes give fits or one line of refusal, soon and in little memory.

Others than the same few, for long:
FUZZ_EXAMPLES=5000 python -m pytest tests/overfit_atlas/readers/test_hostile.py
"""

import gzip
import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import Read, read

SETTINGS = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "60")),
    deadline=10_000,
    suppress_health_check=list(HealthCheck),
)
NAMES = [
    "epoch",
    "step",
    "",
    "loss",
    "val_loss",
    "accuracy",
    "val_acc",
    "train_loss",
    "fold",
    "model",
    "top5",
    "lr",
    "best",
]
VALUES = [
    "",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "-1",
    "0",
    "1",
    "2",
    "0.5",
    "99.5%",
    "9" * 400,
    "None",
    "x",
    "1/3",
    "a,b",
    '"',
    "\x00",
]


def answered(data: bytes, name: str) -> Read | None:
    """What is read of `data`; None for a refusal, which must be one line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        try:
            found = read(path)
        except ReadError as refusal:
            assert str(refusal) and "\n" not in str(refusal) and len(str(refusal)) < 1500
            return None
    json.dumps(found.as_json(), allow_nan=False)
    assert "\n" not in found.said() and "\n" not in found.said("ja")
    for fit in found.fits:
        curves = [getattr(fit, role) for role in ("loss", "accuracy", "val_loss", "val_accuracy")]
        assert any(curve is not None for curve in curves[2:]) and len(fit.epochs) >= 1
        assert all(curve is None or curve.shape == fit.epochs.shape for curve in curves)
        assert all(curve is None or not ((curve < 0) | (curve > 1)).any() for curve in curves[1::2])
    return found


FILES = st.sampled_from(
    [
        "a.csv",
        "a.json",
        "a.txt",
        "a.pkl",
        "a.npy",
        "a.npz",
        "a.gz",
        "events.out.tfevents.1",
        "a.ipynb",
    ]
)


@SETTINGS
@given(
    st.binary(max_size=300),
    FILES,
    st.sampled_from(
        [
            b"",
            b"\x80\x04",
            b"\x1f\x8b\x08",
            b"PK\x03\x04",
            b"\x93NUMPY\x01\x00",
            b"\xff\xfe",
            b"{",
            b"[[",
        ]
    ),
)
def test_any_bytes(data: bytes, name: str, first: bytes) -> None:
    answered(first + data, name)


@SETTINGS
@given(
    st.lists(st.sampled_from(NAMES), min_size=2, max_size=6),
    st.lists(st.lists(st.sampled_from(VALUES), max_size=7), max_size=12),
    st.sampled_from(",;\t|"),
)
def test_any_table(header: list[str], rows: list[list[str]], mark: str) -> None:
    answered("\n".join(mark.join(row) for row in [header, *rows]).encode(), "a.csv")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.sampled_from(VALUES),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(
                [
                    *NAMES,
                    "train",
                    "val",
                    "fold_1",
                    "0",
                    "1",
                    "columns",
                    "data",
                    "log_history",
                    "cells",
                    "schema",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@SETTINGS
@given(JSON)
def test_any_json_and_any_printed_data(data: Any) -> None:
    for text in (json.dumps(data), str(data)):
        answered(text.encode(), "a.json")
    with suppress(ReadError):
        read(data)


WORDS = st.sampled_from(
    [
        "Epoch",
        "epoch:",
        "loss",
        "val_loss:",
        "acc=",
        "train",
        "valid",
        "Test",
        "1/3",
        "[3/50]",
        "0.5",
        "nan",
        "99%",
        "(0.4)",
        "9842/10000",
        "0/0",
        "45/45",
        "━━",
        "it/s",
        "|",
        "-",
        ",",
        "\n",
        "\n",
        "\r",
        "\x08",
        "*",
        "top-5",
        "1e999",
        "7_",
    ]
)


@SETTINGS
@given(st.lists(WORDS, max_size=60))
def test_any_printed_lines(words: list[str]) -> None:
    answered(" ".join(words).encode(), "a.log")


@SETTINGS
@given(st.binary(max_size=40), st.integers(0, 400))
def test_a_pickle_with_flipped_bytes(noise: bytes, at: int) -> None:
    data = pickle.dumps({"loss": [0.5, 0.4], "val_loss": [0.6, 0.5]}, at % 6)
    at %= len(data)
    answered(data[:at] + noise + data[at + len(noise) :], "a.pkl")


BOMBS = {
    "deep.json": b"[" * 10_000_000,
    "empty lists.json": b"[" + b"[]," * 5_000_000 + b"[]]",
    "wide.csv": b"loss,val_loss," + b"x," * 2_000_000 + b"\n" + b"1," * 2_000_002,
    "long line.txt": b"loss: 0.5 " * 1_500_000,
    "many lines.txt": b"Epoch 1 loss: 0.5 val_loss: 0.6\n" * 99_000,
    "many epochs.txt": b"\n".join(b"Epoch %d loss: 0.5 val_loss: 0.6" % i for i in range(60_000)),
    "digits.csv": b"epoch,loss,val_loss\n" + b"9" * 15_000_000 + b",1,1\n0,1,1\n",
    "digits.json": b'{"loss": [' + b"9" * 15_000_000 + b', 1], "val_loss": [1, 2]}',
    "digits.txt": b"{'loss': (" + b"9" * 3_000_000 + b", 1), 'val_loss': (1, 2)}",
    "quotes.csv": b'epoch,loss,val_loss\n"' + b"a" * 15_000_000,
    "signs.txt": b"{'loss': [" + b"-" * 3_000_000 + b"1]}",
    "columns.csv": b",".join(b"loss_%d,val_loss_%d" % (i, i) for i in range(20_000))
    + b"\n"
    + b"1," * 40_000,
    "folds.json": b"{"
    + b",".join(b'"fold_%d":{"loss":[1,2],"val_loss":[1,2]}' % i for i in range(20_000))
    + b"}",
    "models.csv": b"model,epoch,loss,val_loss\n"
    + b"".join(b"m%d,%d,1,1\n" % (i // 2, i % 2) for i in range(60_000)),
    "keys.json": b"{" + b",".join(b'"k%d":[1,2]' % i for i in range(200_000)) + b"}",
    "metrics.csv": b"metric,value\n"
    + b"loss,1\nval_loss,1\n" * 200_000
    + b"".join(b"m%d,1\n" % i for i in range(190)),
    "steps.csv": b"loss,val_loss\n" + b"1,2\n" * 300_000,
    "zeros.gz": gzip.compress(bytes(300_000_000)),
    "memo.pkl": b"\x80\x04" + b"]" + b"(" * 2_000_000 + b"e.",
    "histories.txt": b"x\n" + b"{'loss': [1, 2]}\n" * 90_000,
    "open histories.txt": b"x\n" + b"{'loss': [" * 50_000 + b"]}" * 50_000,
    "shown.ipynb": b'{"cells":[{"outputs":[{"data":{"text/html":"'
    + b"<table><tr><td>loss</td><td>1</td></tr>" * 200_000
    + b'"}}]}]}',
    "records.tfevents": (b"\x18" + bytes(7) + b"crc4" + b"\x09" + bytes(23) + b"crc4") * 200_000,
}

# Half of the time of all, and of a kind of which others are left.
LONG = {
    "many lines.txt",
    "many epochs.txt",
    "empty lists.json",
    "histories.txt",
    "folds.json",
    "metrics.csv",
}


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.long if one in LONG else ()) for one in BOMBS]
)
def test_large_and_deep_files_are_answered_within_ten_seconds_and_a_gigabyte(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    code = (
        "import sys, resource\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**30 + 2**28, 2**30 + 2**28))\n"
        "from overfit_atlas.errors import ReadError\nfrom overfit_atlas.readers import read\n"
        "try: print(len(read(sys.argv[1]).fits))\nexcept ReadError as e: print(e)\n"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, path],
        capture_output=True,
        text=True,
        env=environment,
        timeout=500,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr[-500:]
    assert len(done.stdout.strip().splitlines()) == 1
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log.csv")
    start = time.monotonic()
    with pytest.raises(ReadError, match="neither a file nor a folder"):
        read(tmp_path / "log.csv")
    assert time.monotonic() - start < 5


def test_names_of_files_are_shown_without_control_characters(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff\x1b[31m.csv"))
    path.write_bytes(b"nothing")
    with pytest.raises(ReadError) as refused:
        read(path)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, ""])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(ReadError):
        read(name)
