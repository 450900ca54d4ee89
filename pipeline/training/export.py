"""A Keras model as the bytes of a `.keras` file: equal models give equal bytes."""

import io
import json
import math
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from pipeline.models.temperature import tempered

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip archive can hold


def delivered(model: Any, temperature: float) -> Any:
    """`model` with its temperature in it; as it is where the fit broke down and has none."""
    return tempered(model, temperature) if math.isfinite(temperature) else model


def keras_bytes(model: Any) -> bytes:
    """The `.keras` archive of `model`, without the dates and addresses Keras writes into it.

    A file that changed with each process would make DVC run every later stage again.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return _undated(path.read_bytes())


def _undated(archive: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name == "metadata.json":
                facts = json.loads(content)
                facts.pop("date_saved", None)
                content = json.dumps(facts, sort_keys=True).encode()
            if name == "config.json":
                content = _renumbered(content)
            new.writestr(zipfile.ZipInfo(name, date_time=EPOCH), content)
    return made.getvalue()


def _renumbered(config: bytes) -> bytes:
    """The configuration with shared objects numbered 1, 2, ...; Keras writes memory addresses."""
    numbers: dict[bytes, bytes] = {}

    def number(found: re.Match[bytes]) -> bytes:
        return found[1] + numbers.setdefault(found[2], str(len(numbers) + 1).encode())

    return re.sub(rb'("shared_object_id": )(\d+)', number, config)
