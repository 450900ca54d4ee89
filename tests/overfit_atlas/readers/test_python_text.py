"""Printed Python data, read without running it."""

import math

import pytest

from overfit_atlas.readers.python_text import converted, float_or_int, printed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{'loss': [0.5, 1], 'ok': True, 'none': None}", {"loss": [0.5, 1], "ok": True,
                                                          "none": None}),
        ("[np.float32(0.5), array([1., 2.], dtype=float32)]", [0.5, [1.0, 2.0]]),
        ("(1, 2,)", [1, 2]),
        ("[1_000, +.5, -1e3]", [1000, 0.5, -1000]),
        ("defaultdict(<class 'list'>, {'a': [1]})", {"a": [1]}),
        ("[u'x', b\"y\"]", ["x", "y"]),
        ("[device, 1]", [None, 1]),
        ("{'a': [1}", None),
        ("[1 $ 2]", None),
        ("[1, 2", None),
    ],
)  # fmt: skip
def test_what_python_prints_is_read_as_data(text, expected):
    assert converted(text) == expected


def test_numbers_that_are_none_are_read():
    nan, high, low = converted("[nan, inf, -inf]")
    assert math.isnan(nan) and (high, low) == (math.inf, -math.inf)


def test_a_number_of_many_digits_is_a_float():
    assert float_or_int("123") == 123 and isinstance(float_or_int("123"), int)
    assert float_or_int("9" * 19) == 1e19 and isinstance(float_or_int("9" * 19), float)


def test_histories_are_found_amid_other_text():
    found, rest = printed("before {'loss': [1, 2]} between {'acc': [0.5]} after {'loss': [1")
    assert found == [{"loss": [1, 2]}, {"acc": [0.5]}]
    assert rest == "before  between  after {'loss': [1"
