"""What the environment may not change."""

import os

import pytest

from pipeline import quiet


def test_a_variable_that_changes_the_numbers_is_not_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    quiet._imported.__wrapped__()
    assert "TF_ENABLE_ONEDNN_OPTS" not in os.environ
