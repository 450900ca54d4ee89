"""`diagnose` from bytes to verdict: any log gives a verdict or one sentence, and never a "nan".

The same few logs every time. Others, for long:
FUZZ_EXAMPLES=20000 python -m pytest --timeout 0 tests/overfit_atlas/test_any_log.py
"""

import contextlib
import io
import json
import os
import re
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overfit_atlas import cli

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
SETTINGS = settings(
    max_examples=EXAMPLES,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
NAMES = ("loss", "accuracy", "val_loss", "val_accuracy")
ODD = ["", "nan", "inf", "-inf", "1e308", "-1e308", "1e-308", "0", "-0.0", "-1", "1e29", "x"]

PLAIN = st.floats(0, 5, allow_subnormal=False).map(lambda x: f"{x:.6g}")
SHARE = st.floats(0, 1).map(lambda x: f"{x:.4f}")
CELL = st.one_of(PLAIN, PLAIN, SHARE, SHARE, st.sampled_from(ODD))


@st.composite
def curve(draw: st.DrawFn, size: int) -> list[str]:
    """A curve of `size` epochs: odd cells, a constant, steps, or a course as real ones have."""
    kind = draw(st.sampled_from(["cells", "constant", "falling", "turning", "huge", "tiny"]))
    if kind == "cells":
        return draw(st.lists(CELL, min_size=size, max_size=size))
    if kind == "constant":
        return [draw(CELL)] * size
    scale = {"huge": 1e25, "tiny": 1e-25}.get(kind, 1.0)
    rise = draw(st.floats(0, 0.2)) if kind == "turning" else 0.0
    fall = draw(st.floats(0.5, 1))
    course = [scale * (fall**i + rise * max(0, i - size // 3)) for i in range(size)]
    broken = draw(st.integers(0, 4 * size))
    return [f"{x:.6g}" if i < broken or broken < size // 2 else "nan" for i, x in enumerate(course)]


@st.composite
def logs(draw: st.DrawFn) -> str:
    """A CSV file: some of the four curves, by folds, models or alone."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    names += draw(st.sampled_from([[], [], ["val_loss"], ["top5"]]))
    label = draw(st.sampled_from(["", "", "fold", "model", "phase"]))
    first = draw(st.sampled_from([0, 1, 40]))
    lines = [",".join(([label] if label else []) + ["epoch", *names])]
    for part in range(draw(st.integers(1, 4)) if label else 1):
        size = draw(st.integers(1, 40))
        curves = [draw(curve(size)) for _ in names]
        for i in range(size):
            row = ([f"{label}{part}"] if label else []) + [str(first + i)]
            lines.append(",".join([*row, *(values[i] for values in curves)]))
    return "\n".join(lines)


OPTIONS = st.lists(
    st.sampled_from(
        [
            ("--seeds",),
            ("--val-images", "1"),
            ("--val-images", "29"),
            ("--val-images", "1000000000"),
            ("--classes", "2"),
            ("--classes", "1000000000"),
            ("--target-accuracy", "0"),
            ("--target-accuracy", "1"),
            ("--language", "ja"),
            ("--fail-on", "overfit"),
        ]
    ),
    max_size=3,
)


def answered(data: bytes, name: str, options: list[tuple[str, ...]]) -> int:
    """The exit status of `diagnose` on a file; asserts what holds of every answer."""
    printed, refused = io.StringIO(), io.StringIO()
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, name), Path(folder, "record.json")
        path.write_bytes(data)
        command = ["diagnose", str(path), "--json", str(out), *(x for one in options for x in one)]
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(refused):
            status = cli.main(command)
        if status == cli.REFUSED:
            assert printed.getvalue() == "" and not out.exists()
            assert re.fullmatch(r"error: [^\n]+\n", refused.getvalue())
        else:
            assert status in {cli.JUDGED, cli.FAILED} and refused.getvalue() == ""
            record = json.loads(out.read_text("utf-8"), parse_constant=lambda c: 1 / 0)
            assert record["judgements"]
    assert not re.search(r"(?i)(?<![a-z])(?:nan|inf)(?![a-z])", printed.getvalue())
    assert time.process_time() - start < 10
    return status


@SETTINGS
@given(logs(), OPTIONS)
def test_any_curves_get_a_verdict_or_one_sentence(
    text: str, options: list[tuple[str, ...]]
) -> None:
    answered(text.encode(), "log.csv", options)


@SETTINGS
@given(logs(), st.integers(0, 10_000), st.binary(max_size=8))
def test_a_log_with_changed_bytes(text: str, at: int, noise: bytes) -> None:
    data = text.encode()
    at %= len(data) + 1
    answered(data[:at] + noise + data[at + len(noise) :], "log.csv", [])
