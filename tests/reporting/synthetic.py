"""Made-up results in the form in which the stages write them, so that a page can be tested alone.

The images are real digits; the "models" are nearest-mean classifiers of different sharpness, and
their learning curves are made up as well, so that every verdict occurs.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from overfit_atlas.facts import Facts
from overfit_atlas.judgement import judge
from overfit_atlas.rules import Rules
from overfit_atlas.scoring import scores
from pipeline.data.prepared import Prepared
from tests.overfit_atlas import synthetic

SEEDS = 3
KINDS = {"dense": "overfit 2", "cnn": "by heart", "efficientnet": "underfit", "ensemble": "ideal"}
SHARPNESS = {"dense": 2.0, "cnn": 4.0, "efficientnet": 0.5, "ensemble": 3.0}
SPLITS = ("probe", "val", "test")
COMPARISON = {
    "split": "test",
    "pairs": {
        "dense vs cnn": {
            "accuracy": {"value": -0.025, "low": -0.045, "high": -0.0064, "num_images": 1000},
            "macro_f1": {"value": -0.025, "low": -0.0441, "high": -0.0072, "num_images": 1000},
            "mcnemar": {"num_pairs": 5, "only_a": 39.0, "only_b": 64.0, "p": 0.0214},
            "probability_better": {"value": 0.2, "low": 0.036, "high": 0.624},
        }
    },
    "ensemble": {
        "disagreement": 0.0862,
        "equal_cost": None,
        "mean_member": {
            "accuracy": {"value": 0.01, "low": -0.0032, "high": 0.0242, "num_images": 1000},
            "mcnemar": {"p": 1.0},
            "probability_better": None,
        },
    },
}


def write(folder: Path, data: Prepared, models: Mapping[str, str] = KINDS) -> None:
    """Write results of `models`, by name the kind of their curves, below `folder`."""
    metrics, diagnosis = {}, {}
    rules, facts = Rules(target_accuracy=0.75), Facts((0.1,) * 10, 10)
    for number, (name, kind) in enumerate(models.items()):
        predictions = predict(data, SHARPNESS.get(name, 1.0), number)
        case = synthetic.make(kind, seed=7, num_seeds=SEEDS)
        diagnosis[name] = judge(name, case.histories, rules, facts).as_json()
        metrics[name] = {split: summary(*predictions[split]) for split in SPLITS}
        save_per_image(folder / "models" / name, data, number, case.histories[0].num_epochs)
        if name != "ensemble":
            save(folder / "curves", name, curves(case))
        save(folder / "per_class", name, per_class(data, predictions))
        save(folder / "confused_pairs", name, confused_pairs(predictions))
        save_predictions(folder / "predictions" / f"{name}.npz", data, predictions)
        save_grad_cam(folder / "gradcam" / f"{name}.npz", data)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "diagnosis.json").write_text(json.dumps(diagnosis))
    (folder / "comparison.json").write_text(json.dumps(COMPARISON))


def predict(data: Prepared, sharpness: float, number: int) -> dict:
    """By split: probabilities (seeds, images, classes) and labels."""
    train = flat(data.train.images)
    labels = np.asarray(data.train.labels)
    means = np.stack([train[labels == label].mean(0) for label in range(data.manifest.num_classes)])
    found = {}
    for split in SPLITS:
        rng = np.random.default_rng([number, SPLITS.index(split)])
        images = flat(data.split(split).images)
        distance = 100 * ((images[:, None] - means) ** 2).mean(-1)
        noise = rng.normal(0, 0.6, (SEEDS, *distance.shape))
        logits = -sharpness * (distance - distance.min(1, keepdims=True)) + noise
        found[split] = scores.softmax(logits), np.asarray(data.split(split).labels)
    return found


def flat(images: np.ndarray) -> np.ndarray:
    return np.asarray(images, float).reshape(len(images), -1) / 255


def summary(probabilities: np.ndarray, labels: np.ndarray) -> dict:
    """One split of one model in metrics.json."""
    correct = probabilities.argmax(-1) == labels
    confidence = probabilities.max(-1)
    accuracy, spread = (
        float(correct.mean()),
        1.96 * float(correct.mean(0).std() / len(labels) ** 0.5),
    )
    f1 = f1_of(probabilities, labels).mean(0)
    losses = scores.cross_entropy(probabilities, labels)
    return {
        "loss_interval": [0.5 * float(losses.mean()), 1.1 * float(losses.mean())],
        "accuracy": accuracy,
        "accuracy_interval": [max(0.0, accuracy - spread), min(1.0, accuracy + spread)],
        "loss": float(losses.mean()),
        "macro_f1": float(f1.mean()),
        "worst_class_f1": float(f1.min()),
        "ece": float(
            np.mean([scores.ece(*pair) for pair in zip(confidence, correct, strict=True)])
        ),
        "brier": float(scores.brier(probabilities, labels).mean()),
        "num_seeds": SEEDS,
        "num_images": len(labels),
    }


def f1_of(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """F1 (seeds, classes)."""
    classes = np.arange(probabilities.shape[-1])
    predicted = probabilities.argmax(-1)[:, None] == classes[:, None]
    true = labels == classes[:, None]
    hits = (predicted & true).sum(-1)
    return 2 * hits / np.maximum(1, predicted.sum(-1) + true.sum(-1))


def curves(case: synthetic.Case) -> pd.DataFrame:
    """The table of `train`: probe and val of the case, and running scores made from them."""
    tables = []
    for history in case.histories:
        clean = history.curves
        running = clean[clean["split"] == "probe"].assign(split="running", penalty=0.0)
        running["loss"] = running["loss"] * 1.3 + 0.1
        running["learning_rate"] = 0.001
        tables += [clean, running]
    return pd.concat(tables)


def per_class(data: Prepared, predictions: dict) -> pd.DataFrame:
    rows = []
    f1 = {split: f1_of(*predictions[split]).mean(0) for split in SPLITS}
    for label, name in enumerate(data.manifest.class_names):
        gap = f1["probe"][label] - f1["test"][label]
        for split in SPLITS:
            score = f1[split][label]
            rows.append(
                {
                    "class": label,
                    "class_name": name,
                    "split": split,
                    "num_seeds": SEEDS,
                    "precision": score,
                    "recall": score,
                    "f1": score,
                    "f1_low": max(0.0, score - 0.1),
                    "f1_high": min(1.0, score + 0.1),
                    "support": int((predictions[split][1] == label).sum()),
                    "class_gap": gap,
                    "class_gap_low": gap - 0.1,
                    "class_gap_high": gap + 0.1,
                    "class_gap_p": 0.0004 if gap > 0.1 else 0.4,
                    "flagged": gap > 0.1,
                }
            )
    return pd.DataFrame(rows)


def confusions(predictions: dict) -> pd.DataFrame:
    tables = []
    for split, (probabilities, labels) in predictions.items():
        predicted = probabilities.argmax(-1)
        pairs = pd.DataFrame({"true": np.tile(labels, SEEDS), "predicted": predicted.ravel()})
        table = pairs.value_counts().reset_index(name="count").sort_values(["true", "predicted"])
        table["rate"] = table["count"] / table.groupby("true")["count"].transform("sum")
        tables.append(table.assign(split=split, low=table["rate"] * 0.6, high=table["rate"] ** 0.5))
    return pd.concat(tables)


def confused_pairs(predictions: dict) -> pd.DataFrame:
    table = confusions(predictions)
    wrong = table[(table["split"] == "test") & (table["true"] != table["predicted"])]
    return wrong.sort_values("low", ascending=False).assign(also_on_probe=False)


def save(folder: Path, name: str, table: pd.DataFrame) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv", index=False)


def save_predictions(path: Path, data: Prepared, predictions: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"seeds": np.arange(SEEDS)}
    for split, (probabilities, labels) in predictions.items():
        arrays[f"{split}_probabilities"] = probabilities.astype(np.float32)
        arrays[f"{split}_labels"] = arrays[f"{split}_true_labels"] = labels
        arrays[f"{split}_ids"] = np.asarray(data.split(split).ids)
    np.savez(path, **arrays)


def save_grad_cam(path: Path, data: Prepared, num: int = 6) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    maps = np.arange(num * 16, dtype=np.uint8).reshape(num, 4, 4)
    np.savez(path, val_rows=np.arange(num), val_maps=maps)


def save_per_image(folder: Path, data: Prepared, number: int, num_epochs: int) -> None:
    """Scores of single images: answers get better with the epochs, and some are lost again."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(SEEDS):
        rng = np.random.default_rng([number, seed])
        arrays = {}
        for split in ("val", "probe"):
            labels = np.asarray(data.split(split).labels)
            shape = (num_epochs, len(labels))
            right = rng.random(shape) < np.linspace(0.3, 0.9, num_epochs)[:, None]
            said = np.where(right, labels, (labels + 1) % 10).astype(np.uint8)
            scored = {"loss": rng.exponential(1, shape), "confidence": rng.uniform(0.3, 1, shape)}
            arrays |= {f"{split}_{name}": values for name, values in scored.items()}
            arrays |= {f"{split}_correct": right, f"{split}_predicted": said}
        np.savez(folder / f"seed-{seed}.per_image.npz", **arrays)
