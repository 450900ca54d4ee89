"""What is kept of one setting: one compressed file, whole or not there."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.settings import PARTS, Part, Setting
from pipeline.files import replacing

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "fits"


@dataclass(frozen=True)
class Curves:
    """Scores of all members after every epoch, each (members, epochs) float32, judged ones first.

    `truth_*` are means over the images that no side saw, `val_*` and `probe_*` over those sides.
    `truth_calibrated` is the loss after the one temperature, `truth_temperature`, that is best on
    these very images at that epoch (their number makes cross-fitting needless).
    """

    truth_loss: NDArray[np.float32]
    truth_accuracy: NDArray[np.float32]
    truth_calibrated: NDArray[np.float32]
    truth_temperature: NDArray[np.float32]
    val_loss: NDArray[np.float32]
    val_accuracy: NDArray[np.float32]
    probe_loss: NDArray[np.float32]
    probe_accuracy: NDArray[np.float32]


@dataclass(frozen=True)
class StoredSetting:
    """One setting's fits. Labels are as trained and judged on: with their noise.

    Attributes:
        val_labels, val_true_labels: (num_val,) int16, with noise and without.
        probe_labels, probe_true_labels: (num_probe,) int16.
        val_logits: (judged, epochs, num_val, classes) float16, the largest of each image being 0.
        probe_loss: (judged, epochs, num_probe) float16, nats.
        probe_correct: (judged, epochs, num_probe) bool.
        image_errors: (3, epochs) float32, for loss, calibrated loss and error rate: the standard
            error that the limited number of truth images leaves in the fresh seeds' mean change
            from that epoch to the last. The error from the seeds is in their curves.
        curves: all members; the first `NUM_JUDGED` are the judged ones, the others the fresh seeds
            that say what is true of the recipe.
    """

    setting: Setting
    val_labels: NDArray[np.int16]
    val_true_labels: NDArray[np.int16]
    probe_labels: NDArray[np.int16]
    probe_true_labels: NDArray[np.int16]
    val_logits: NDArray[np.float16]
    probe_loss: NDArray[np.float16]
    probe_correct: NDArray[np.bool_]
    image_errors: NDArray[np.float32]
    curves: Curves


def path(folder: Path, part: str, number: int) -> Path:
    """Where the setting of that part and number is kept."""
    return folder / f"{part}_{number:04d}.npz"


def named(path: Path) -> tuple[str, int]:
    """Part and number of the setting that is kept there: the reverse of `path`."""
    part, number = path.stem.rsplit("_", 1)
    return part, int(number)


def paths(folder: Path, part: str) -> list[Path]:
    """All kept settings of a part, by number."""
    return sorted(folder.glob(f"{part}_[0-9]*.npz"))


def all_paths(folder: Path, parts: Sequence[Part] = PARTS) -> list[Path]:
    """All kept settings of some parts.

    Raises:
        SystemExit: there are none.
    """
    found = [one for part in parts for one in paths(folder, part)]
    if not found:
        raise SystemExit(f"{folder}: no fits; `python -m benchmarks.truth fits` makes them.")
    return found


def write(to: Path, stored: StoredSetting) -> None:
    """Keep `stored` at `to`, under that name only when it is whole."""
    arrays = {name: getattr(stored, name) for name in _ARRAYS}
    arrays |= {f"curves_{name}": getattr(stored.curves, name) for name in _CURVES}
    text = json.dumps(asdict(stored.setting))
    with replacing(to) as temporary:
        np.savez_compressed(temporary, setting=np.array(text), **arrays)


def read(source: Path) -> StoredSetting:
    """The setting kept at `source`.

    Raises:
        ValueError: the file is damaged, or not one of these.
    """
    try:
        with source.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            found: dict[str, Any] = {name: archive[name] for name in archive.files}
        setting = _setting(json.loads(str(found.pop("setting"))))
        curves = Curves(**{name: found.pop(f"curves_{name}") for name in _CURVES})
        return StoredSetting(setting=setting, curves=curves, **found)
    except (zipfile.BadZipFile, KeyError, TypeError, EOFError) as error:
        raise ValueError(
            f"{source}: got no whole file of the truth bench ({error}). Delete it, and "
            "`python -m benchmarks.truth fits` makes it again."
        ) from None


def _setting(found: dict[str, Any]) -> Setting:
    return Setting(**(found | {"units": tuple(found["units"])}))


_CURVES = tuple(field.name for field in fields(Curves))
_ARRAYS = tuple(
    field.name for field in fields(StoredSetting) if field.name not in ("setting", "curves")
)
