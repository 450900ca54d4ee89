"""Effects on single classes: order, certainty, what is shown of many."""

import pandas as pd

from pipeline.plots import class_effects


def table(classes: int = 3) -> pd.DataFrame:
    rows = []
    for number in range(classes):
        for variant, sign in (("flips", 1), ("cut", -1)):
            effect = sign * 0.01 * number
            rows.append((variant, f"c{number}", effect, effect - 0.015, effect + 0.015))
    return pd.DataFrame(rows, columns=["name", "class_name", "effect", "low", "high"])


def labels(axes, which: str) -> list[str]:
    return [label.get_text() for label in getattr(axes, f"get_{which}ticklabels")()]


def test_the_most_harmed_class_stands_first_and_variants_keep_their_order() -> None:
    axes = class_effects.class_effects(table(), "en", "none").axes[0]
    assert labels(axes, "y") == ["c2", "c1", "c0"]
    assert labels(axes, "x") == ["flips", "cut"]
    assert [text.get_text() for text in axes.texts] == ["+2", "-2", "+1", "-1", "0", "0"]


def test_what_may_be_chance_has_no_colour() -> None:
    axes = class_effects.class_effects(table(), "en", "none").axes[0]
    assert axes.collections[0].get_array().mask.ravel().tolist() == [False] * 2 + [True] * 4


def test_of_many_classes_those_that_change_most_are_shown() -> None:
    axes = class_effects.class_effects(table(100), "en", "none").axes[0]
    assert set(labels(axes, "y")) == {f"c{number}" for number in range(76, 100)}


def test_nothing_sure_is_no_error(problems) -> None:
    calm = table().assign(low=-1.0, high=1.0)
    assert problems(class_effects.class_effects(calm, "en", "none")) == []
