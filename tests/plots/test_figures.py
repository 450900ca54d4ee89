"""Every figure in every language: readable, and drawn without touching its inputs."""

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from overfit_atlas.words import LANGUAGES
from pipeline.plots import (
    calibration,
    class_effects,
    comparison,
    confusion,
    curves,
    examples,
    gradcam,
    kinds,
    maps,
    per_class,
    running,
    single_images,
    studies,
)
from pipeline.plots.plane import Plane

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "靴", "Bag",
           "a class with quite a long name")  # fmt: skip
RANDOM = np.random.default_rng(0)


def history(seeds: int = 3, epochs: int = 12, height: float = 1.0) -> pd.DataFrame:
    rows = []
    for seed, epoch in itertools.product(range(seeds), range(1, epochs + 1)):
        fit = height * (0.02 + np.exp(-epoch / 3) * (1 + 0.1 * seed))
        held = fit + 0.03 * epoch
        for split, loss in (("running", fit + 0.2), ("probe", fit), ("val", held)):
            rows.append(
                {
                    "seed": seed, "epoch": epoch, "split": split, "loss": loss,
                    "accuracy": 1 / (1 + loss), "ece": loss / 10, "penalty": 0.05,
                    "learning_rate": 1e-3 if epoch < 8 else 1e-5,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def marks(names: list[str]) -> pd.DataFrame:
    rows = []
    for number, name in enumerate(names):
        known = number != 1
        ends = (
            {"epoch": 5.0, "low": 3.0, "high": 8.0}
            if known
            else dict.fromkeys(("epoch", "low", "high"), np.nan)
        )
        rows.append({"model": name, "kind": "best", "metric": "loss", "epoch": 4 + number,
                     "low": 3, "high": 9, "status": None})  # fmt: skip
        status = "confirmed" if known else "censored"
        rows.append({"model": name, "kind": "onset", "metric": "loss", "status": status, **ends})
    return pd.DataFrame(rows)


def confused(classes: int, split: str = "test") -> pd.DataFrame:
    counts = RANDOM.integers(0, 9, (classes, classes)) + 40 * np.eye(classes, dtype=int)
    rates = counts / counts.sum(axis=1, keepdims=True)
    true, predicted = np.indices(counts.shape)
    columns = {"true": true, "predicted": predicted, "count": counts, "rate": rates,
               "low": rates * 0.8, "high": rates * 1.2}  # fmt: skip
    return pd.DataFrame({name: values.ravel() for name, values in columns.items()}).assign(
        split=split
    )


def class_scores(classes: int) -> pd.DataFrame:
    rows = []
    for number in range(classes):
        held = 0.5 + 0.4 * number / classes
        for split, f1 in (("probe", held + 0.1), ("test", held)):
            rows.append(
                {
                    "class": number, "class_name": f"class {number}", "split": split, "f1": f1,
                    "f1_low": f1 - 0.05, "f1_high": f1 + 0.04, "support": 20, "class_gap": 0.1,
                    "class_gap_low": 0.1 - 0.02 * number, "class_gap_high": 0.2,
                    "flagged": number < 3,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


PROBABILITIES = RANDOM.dirichlet(np.full(10, 0.3), 200)
LABELS = RANDOM.integers(0, 10, 200)
GREY = RANDOM.integers(0, 256, (200, 8, 8, 1)).astype(np.uint8)
COLOUR = RANDOM.integers(0, 256, (200, 8, 8, 3)).astype(np.uint8)
MISTAKES = examples.mistakes(PROBABILITIES, LABELS)
ANSWERS = examples.answers(PROBABILITIES, LABELS)


def single() -> dict[str, Any]:
    """The table of train images of a study, some of which no fit left out."""
    right = RANDOM.random(200)
    classes = [CLASSES[number] for number in LABELS]
    table = pd.DataFrame(
        {
            "class": classes, "right_in": right, "right_out": right / 3, "low": right - 0.3,
            "memorisation": right * 2 / 3, "suggested": classes[::-1], "suggested_chance": right,
            "rank": np.where(np.arange(200) % 9, RANDOM.permutation(200) + 1.0, np.nan),
        }
    )  # fmt: skip
    return {"table": table, "images": GREY, "num_fits": 400}


def reliability(offset: float) -> pd.DataFrame:
    confidence = np.linspace(0.3, 0.99, 15)
    columns = {"bin": range(15), "confidence": confidence, "accuracy": confidence - offset}
    return pd.DataFrame(columns).assign(split="test", count=20)


def fits(widths: tuple[int, ...] = (4, 16, 64, 256)) -> pd.DataFrame:
    rows = []
    for width, dropout, seed in itertools.product(widths, (0.0, 0.2, 0.4, 0.6), range(2)):
        size = np.log2(width) * (1 - dropout)
        rows.append(
            {
                "width": width, "dropout": dropout, "seed": seed,
                "gap_loss": 0.02 * size**2 + 0.01 * seed, "val_loss": 0.4 + (size - 4) ** 2 / 30,
                "val_accuracy": 0.9 - (size - 4) ** 2 / 100,
                "onset_epoch": 30 - 3 * size if size > 3 else np.nan,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def judged() -> pd.DataFrame:
    """Every verdict and kind of overfitting once, three of the points less sure."""
    said = [("underfit", "too simple"), ("underfit", "too short"), ("good fit", ""),
            ("overfit", "by heart"), ("overfit", "too sure"), ("overfit", "wrong more often"),
            ("overfit", "unclear"), ("undetermined", "")]  # fmt: skip
    table = fits().groupby(["width", "dropout"], as_index=False).first()
    rows = [said[number % len(said)] for number in range(len(table))]
    words = pd.DataFrame(rows, columns=["verdict", "kind"])
    return table.join(words.assign(probability=np.where(np.arange(len(table)) % 5, 0.95, 0.7)))


def surface(widths: tuple[int, ...] = (4, 16, 64, 256)) -> pd.DataFrame:
    means = fits(widths).groupby(["width", "dropout"]).mean().reset_index()
    return means.assign(
        gap_loss_low=means["gap_loss"] - 0.05, gap_loss_high=means["gap_loss"] + 0.05,
        underfit=means["gap_loss"] < 0.1,
    )  # fmt: skip


def frontier() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "width": [4.0, 16, 64, 256], "need": ["none", "none", "some", "not enough"],
            "dropout": [0, 0, 0.3, np.nan],
            "dropout_low": [0, 0, 0.2, 0.5], "dropout_high": [0, 0.1, 0.4, np.nan],
        }
    )  # fmt: skip


def importance() -> pd.DataFrame:
    names = itertools.product(("PED-ANOVA", "fANOVA"), ("width", "dropout", "my_own_parameter"))
    rows = [(evaluator, name, 1 / (3 + len(name))) for evaluator, name in names]
    return pd.DataFrame(rows, columns=["evaluator", "parameter", "importance"])


def descent() -> pd.DataFrame:
    rows = [
        (noise, width, 0.6 / width, 0.01, 0.3 + 0.6 / width, 0.02)
        for noise, width in itertools.product((0.0, 0.1, 0.2), (1, 2, 4, 8, 16, 32, 64, 128))
    ]
    columns = ["label_noise", "width", "probe_error", "probe_error_se", "val_error", "val_error_se"]
    return pd.DataFrame(rows, columns=columns)


def interpolation() -> pd.DataFrame:
    status = ["not observed in this range", "undetermined", "observed"]
    return pd.DataFrame(
        {"label_noise": [0, 0.1, 0.2], "interpolation_width": [64, np.nan, 128], "status": status}
    )


KINDS = {"L1": "harms", "L2": "no effect", "dropout 0.5 and more": "cures", "データ拡張": "masks"}


def effects() -> pd.DataFrame:
    rows = [
        (name, metric, (value := RANDOM.normal(0, 0.02)), value - 0.02, value + 0.02, kind)
        for (name, kind), metric in itertools.product(
            KINDS.items(), ("test_accuracy", "test_loss", "gap_loss")
        )
    ]
    return pd.DataFrame(rows, columns=["name", "metric", "effect", "low", "high", "kind"])


def class_changes() -> pd.DataFrame:
    rows = [
        (variant, name, (value := RANDOM.normal(0, 0.05)), value - 0.04, value + 0.04)
        for variant, name in itertools.product(("flips", "random_colour", "cut_mix"), CLASSES)
    ]
    return pd.DataFrame(rows, columns=["name", "class_name", "effect", "low", "high"])


def sizes() -> tuple[pd.DataFrame, pd.DataFrame]:
    gaps = {"num_images": [100, 100, 200, 400, 1600], "gap_loss": [3, 2.8, 2, 1, 0.6]}
    images = np.geomspace(100, 3200, 20)
    mean = 30 * images**-0.5
    return pd.DataFrame(gaps), pd.DataFrame(
        {"num_images": images, "mean": mean, "low": mean * 0.8, "high": mean * 1.2}
    )


CURVES = {"dense": history(), "cnn": history(2, 9, 1.5), "my variant": history(1, 3, 2)}
MANY = {"baseline": history(), **{name: history(height=0.8) for name in (*KINDS, "a", "b", "c")}}
EXPLAINED = pd.concat([MISTAKES.head(3), ANSWERS.query("true == predicted").head(2)])
ROWS = EXPLAINED["image"].to_numpy()
HEAT = RANDOM.random((len(EXPLAINED), 4, 4))

FIGURES: dict[str, tuple[Callable[..., Figure], dict[str, Any]]] = {
    "curves of one": (curves.learning_curves,
                      {"curves": {"dense": history()}, "marks": marks(["dense"])}),
    "curves of three": (curves.learning_curves, {"curves": CURVES, "marks": marks(list(CURVES))}),
    "curves of three metrics": (curves.learning_curves,
                                {"curves": {"cnn": history()}, "metrics": ("loss", "ece")}),
    "running gap": (running.running_gap, {"curves": CURVES}),
    "running gap in accuracy": (running.running_gap,
                                {"curves": {"cnn": history()}, "metric": "accuracy"}),
    "learning rate": (running.learning_rate, {"curves": CURVES}),
    "confusion": (confusion.confusion_matrix,
                  {"confusions": confused(10), "class_names": CLASSES}),
    "confusion of 2 in counts": (confusion.confusion_matrix,
                                 {"confusions": confused(2), "class_names": ("no", "yes"),
                                  "values": "count"}),
    "confusion of 100": (confusion.confusion_matrix,
                         {"confusions": confused(100),
                          "class_names": [f"class_{n}" for n in range(100)]}),
    "per class": (per_class.per_class, {"scores": class_scores(10)}),
    "per class of 100": (per_class.per_class, {"scores": class_scores(100)}),
    "misclassified": (examples.misclassified,
                      {"table": MISTAKES, "images": GREY, "class_names": CLASSES}),
    "few misclassified": (examples.misclassified,
                          {"table": MISTAKES.head(2), "images": COLOUR, "class_names": CLASSES}),
    "memorised": (single_images.memorised, single()),
    "suspicious": (single_images.suspicious, single()),
    "augmented": (examples.augmented,
                  {"originals": COLOUR[:9],
                   "samples": {"flip": COLOUR[9:18], "mix_up": COLOUR[:9]}}),
    "reliability": (calibration.reliability,
                    {"tables": {"dense": reliability(0.1), "cnn": reliability(-0.01)}}),
    "gap map": (maps.gap_map,
                {"points": fits(), "surface": surface(), "frontier": frontier(),
                 "threshold": 0.1}),
    "gap map of variants": (maps.gap_map,
                            {"points": fits((1, 2, 3)), "surface": surface((1, 2, 3)),
                             "frontier": frontier(), "threshold": 0.1,
                             "of": Plane("efficientnet")}),
    "onset map": (maps.onset_map, {"points": fits()}),
    "kinds map": (kinds.kinds_map, {"points": judged(), "surface": surface(), "threshold": 0.2,
                                    "epochs": 30}),
    "frontiers": (kinds.frontiers,
                  {"frontiers": pd.concat([frontier().assign(epochs=30),
                                           frontier().assign(epochs=5, dropout=0.0)]),
                   "threshold": 0.1}),
    "validation map": (maps.validation_map, {"points": fits(), "surface": surface()}),
    "validation map of accuracy": (maps.validation_map,
                                   {"points": fits(), "surface": surface(),
                                    "value": "val_accuracy", "of": Plane("cnn")}),
    "slices": (maps.slices, {"points": fits(), "surface": surface(), "threshold": 0.1}),
    "slices of other axes": (maps.slices,
                             {"points": fits(), "surface": surface(), "threshold": 0.1,
                              "of": Plane("cnn", ("train.batch_size", "models.cnn.l2"))}),
    "importances": (studies.importances, {"table": importance()}),
    "pareto": (studies.pareto, {"trials": fits()}),
    "double descent": (studies.double_descent,
                       {"table": descent(), "interpolation": interpolation()}),
    "overlay": (comparison.comparison,
                {"curves": {**CURVES, "baseline": history()}, "baseline": "baseline"}),
    "panels": (comparison.comparison, {"curves": MANY, "baseline": "baseline", "kinds": KINDS}),
    "panels of accuracy": (comparison.comparison,
                           {"curves": MANY, "baseline": "baseline", "metric": "accuracy"}),
    "remedies": (comparison.remedies, {"table": effects(), "baseline": "Large"}),
    "class effects": (class_effects.class_effects,
                      {"table": class_changes(), "baseline": "none"}),
    "data size": (comparison.data_size, {"points": sizes()[0], "fit": sizes()[1]}),
    "data size without fit": (comparison.data_size, {"points": sizes()[0], "fit": None}),
    "grad-cam": (gradcam.grad_cam,
                 {"table": EXPLAINED, "maps": (COLOUR[ROWS], HEAT, 0 * HEAT),
                  "class_names": CLASSES, "layer": "conv_1_relu (26x26)"}),
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", FIGURES)
def test_figure_can_be_read(
    name: str, language: str, problems: Callable[[Figure], list[str]]
) -> None:
    draw, arguments = FIGURES[name]
    given = copy.deepcopy(arguments)
    figure = draw(**arguments, language=language)
    assert problems(figure) == []
    title = figure.texts[0].get_text()
    assert title and (language == "en") == title.replace("靴", "").isascii()
    for key, value in given.items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(arguments[key], value)


def test_every_figure_function_is_drawn_here() -> None:
    modules = (calibration, class_effects, comparison, confusion, curves, examples, gradcam, maps,
               per_class, running, single_images, studies)  # fmt: skip
    functions = {
        f"{module.__name__}.{name}"
        for module in modules
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__
        if getattr(value, "__annotations__", {}).get("return") is Figure and name != "grid"
    }
    called = {f"{draw.__module__}.{draw.__name__}" for draw, _ in FIGURES.values()}
    assert functions - called == {"pipeline.plots.comparison.variant_panels"}
