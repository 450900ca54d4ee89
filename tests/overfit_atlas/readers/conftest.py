"""Curves of one made-up run, and what a reader must have made of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overfit_atlas.readers import LoggedFit, Read, read

LOSS = [1.02, 0.74, 0.58, 0.47, 0.39, 0.33]
ACCURACY = [0.51, 0.66, 0.75, 0.81, 0.86, 0.89]
VAL_LOSS = [0.93, 0.79, 0.71, 0.69, 0.73, 0.78]
VAL_ACCURACY = [0.55, 0.63, 0.69, 0.71, 0.70, 0.695]
CURVES = {"loss": LOSS, "accuracy": ACCURACY, "val_loss": VAL_LOSS, "val_accuracy": VAL_ACCURACY}


def rows(*roles: str) -> list[tuple[float, ...]]:
    return list(zip(*(CURVES[role] for role in roles), strict=True))


def is_the_run(fit: LoggedFit, *roles: str, first_epoch: int = 1, shift: float = 0.0) -> None:
    """Asserts that `fit` has the curves above in `roles` (all, where none is named), no others."""
    roles = roles or tuple(CURVES)
    for role, values in CURVES.items():
        found = getattr(fit, role)
        if role not in roles:
            assert found is None, f"{role} is not in the log"
            continue
        assert found is not None, f"{role} was not read"
        np.testing.assert_allclose(found, np.array(values) + shift, atol=1e-6)
    assert fit.epochs.tolist() == list(range(first_epoch, first_epoch + 6))


@pytest.fixture
def run() -> Any:
    """The curves, and the check of them."""

    class Run:
        curves = CURVES
        rows = staticmethod(rows)
        check = staticmethod(is_the_run)

    return Run


@pytest.fixture
def read_text(tmp_path: Path) -> Callable[..., Read]:
    def reading(text: str | bytes, name: str = "log.csv") -> Read:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read(path)

    return reading
