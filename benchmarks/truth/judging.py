"""What the judge says of the kept fits, one row a judgement, beside what is true: `judge_all`.

A row is one recipe (three seeds together) or one training (a seed alone). It holds what a change of
thresholds or of recalibration needs, so that either is judged again from the table in seconds.
"""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from benchmarks.truth import making, moments, stopping, stored
from benchmarks.truth.settings import NUM_JUDGED, UNEVEN
from benchmarks.truth.stored import StoredSetting
from benchmarks.truth.tables import SETTING
from overfit_atlas import draws, judgement, recalibration, turns, verdicts
from overfit_atlas.draws import Draws
from overfit_atlas.facts import Facts
from overfit_atlas.held_out import ACCURACY, SCORES
from overfit_atlas.rules import Rules
from overfit_atlas.scoring import calibration
from overfit_atlas.scoring.fits import Fit, Floats, PerImage, smoothed
from overfit_atlas.scoring.scores import cross_entropy_of_logits
from overfit_atlas.verdicts import RULINGS, Known

TABLE, STOPS, DIGITS = "judged.csv.gz", "stopped.csv.gz", 6
MEANS = ("gap/loss", "val/accuracy", "val/loss", "fall")
JUDGE = (
    "draws", "facts", "held_out", "judgement", "rules", "turns", "verdicts",
    "scoring/calibration", "scoring/scores",
)  # fmt: skip
"""What a judgement comes from. Recalibration is none of it: that is done when reports are made."""
Truth = dict[str, Floats]
Rows = list[dict[str, object]]


def version() -> str:
    """Which judge this is: a digest of its code, kept with each of its judgements."""
    code = [(Path(draws.__file__).parent / f"{name}.py").read_bytes() for name in JUDGE]
    return "v" + hashlib.sha256(b"".join(code)).hexdigest()[:8]


def judge_all(paths: Sequence[Path], rules: Rules, workers: int) -> dict[str, Rows]:
    """Judge every kept setting: rows by table.

    Tables are the judgements, what stopping early would have done, and moments of the draws.
    """
    found: dict[str, Rows] = {TABLE: [], STOPS: [], moments.TABLE: []}
    with making.pool(workers) as pool:
        for rows in pool.map(partial(_judge_one, rules=rules), paths, chunksize=8):
            for table, own in rows.items():
                found[table] += own
    return found


def read(folder: Path = stored.HERE) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two tables: judgements, and what stopping early would have done."""
    return pd.read_csv(folder / TABLE), pd.read_csv(folder / STOPS)


def done(folder: Path) -> set[tuple[str, int]]:
    """Part and number of what this judge has judged, by the tables in `folder`."""
    found: list[set[tuple[str, int]]] = []
    for name in (TABLE, moments.TABLE):
        rows = pd.read_csv(folder / name) if (folder / name).exists() else pd.DataFrame()
        own = rows[rows["judge"] == version()] if len(rows) else rows
        found.append({(str(a), int(b)) for a, b in own[SETTING].to_numpy()} if len(own) else set())
    return set.intersection(*found)


def _judge_one(path: Path, rules: Rules) -> dict[str, Rows]:
    kept = stored.read(path)
    fits = fits_of(kept)
    fresh = range(NUM_JUDGED, len(kept.curves.truth_loss))
    of_recipe, drawn = row(kept, fits, fresh, rules)
    judged = [of_recipe]
    judged += [row(kept, fits[seed : seed + 1], [seed], rules)[0] for seed in range(NUM_JUDGED)]
    return {
        TABLE: judged,
        STOPS: list(stopping.rows(kept, fits, rules)),
        moments.TABLE: [drawn],
    }


def fits_of(kept: StoredSetting) -> list[Fit]:
    """The judged fits of a setting as training leaves them."""
    labels = kept.val_labels.astype(int)
    fits = []
    for seed, logits in enumerate(kept.val_logits.astype(np.float32)):
        arrays = {
            "val_loss": cross_entropy_of_logits(logits, labels),
            "val_correct": logits.argmax(-1) == labels,
            "val_calibrated": calibration.cross_fitted(logits, labels).loss,
            "probe_loss": kept.probe_loss[seed].astype(np.float32),
            "probe_correct": kept.probe_correct[seed],
        }
        fits.append(as_fit(arrays, seed))
    return fits


def as_fit(arrays: dict[str, np.ndarray], seed: int) -> Fit:
    """A fit as training leaves it, from `val_loss`, `val_correct`, ... (epochs, images)."""
    tables = []
    for split in ("val", "probe"):
        loss, correct = arrays[f"{split}_loss"], arrays[f"{split}_correct"]
        means = {"loss": loss.mean(1), "accuracy": correct.mean(1)}
        epochs = np.arange(1, len(loss) + 1)
        tables.append(pd.DataFrame({"seed": seed, "epoch": epochs, "split": split, **means}))
    nothing = np.zeros((len(arrays["val_loss"]), 1))
    images = PerImage(**arrays, val_confidence=nothing, probe_confidence=nothing)
    return Fit(pd.concat(tables, ignore_index=True), images, seed)


def row(
    kept: StoredSetting, fits: Sequence[Fit], members: Sequence[int], rules: Rules
) -> tuple[dict[str, object], dict[str, object]]:
    """The judgement of `fits` beside the truth, the mean of `members`; moments of the draws.

    Columns: part, number, seeds, num_val, weight, judge (its `version`), true_verdict, true_kind;
    `ruled/...`: the draws
    of each ruling; for each score `damage`, its `sd`, `share` of material draws, `low`, `high`,
    `material`, the interval from onset to best epoch, and `true_...`; the same for the
    quantities of `MEANS`.
    """
    setting = kept.setting
    facts = Facts.of_labels(kept.val_labels.astype(int), kept.val_logits.shape[-1])
    found = draws.of_images(fits, rules)
    known = judgement.knowledge(found, rules, facts, {})
    truth, onsets = true_quantities(kept, members, rules)
    ruled = np.bincount(verdicts.through(found.drawn, known), minlength=len(RULINGS))
    known_truly = true_knowledge(kept, truth, rules)
    true = RULINGS[verdicts.through(truth, known_truly)[0]]
    made: dict[str, object] = {
        "part": setting.part,
        "number": setting.number,
        "seeds": len(fits),
        "num_val": setting.num_val,
        "weight": setting.weight,
        "judge": version(),
        "true_verdict": true.verdict,
        "true_kind": true.kind,
    }
    made |= {f"ruled/{place}": int(count) for place, count in enumerate(ruled)}
    for score in SCORES:
        made |= _of_score(score, found, truth, (rules, onsets[score]))
    made |= _delivered(kept, found, members)
    for name in MEANS:
        low, high = found.interval(name, rules.confidence)
        made |= {name: found.values[name], f"{name}/low": low, f"{name}/high": high}
        made[f"{name}/true"] = float(truth[name][0])
    same = {name: made[name] for name in ("part", "number", "num_val", "weight", "judge")}
    return made, same | moments.row(found, truth, facts, known_truly)


def _of_score(
    score: str, found: Draws, truth: Truth, more: tuple[Rules, tuple[int, int]]
) -> dict[str, float]:
    rules, (onset, best) = more
    drawn = found.drawn[f"damage/{score}"]
    least = rules.material(score, found.drawn[f"best/{score}"])
    low, high = found.interval(f"damage/{score}", rules.confidence)
    first, last = found.turn(score, rules.confidence)
    made = {
        "damage": found.values[f"damage/{score}"],
        "sd": float(drawn.std()),
        "share": recalibration.share(drawn >= least),
        "low": low,
        "high": high,
        "onset_low": float(first),
        "best_high": float(last),
        "true": float(truth[f"damage/{score}"][0]),
        "material": rules.material(score, float(truth[f"best/{score}"][0])),
        "true_best": float(best),
        "true_onset": float(onset),
    }
    return {f"{score}/{name}": value for name, value in made.items()}


def _delivered(kept: StoredSetting, found: Draws, members: Sequence[int]) -> dict[str, float]:
    """True accuracy and calibrated loss of the weights that each rule for the best epoch gives."""
    chosen = list(members)
    accuracy = kept.curves.truth_accuracy[chosen].mean(0, dtype=np.float64)
    calibrated = kept.curves.truth_calibrated[chosen].mean(0, dtype=np.float64)
    epochs = {**found.best_of_mean, "last": len(accuracy) - 1}
    made = {f"delivered/{rule}/accuracy": accuracy[epoch] for rule, epoch in epochs.items()}
    return made | {f"delivered/{rule}/loss": calibrated[epoch] for rule, epoch in epochs.items()}


def true_quantities(
    kept: StoredSetting, members: Sequence[int], rules: Rules
) -> tuple[Truth, dict[str, tuple[int, int]]]:
    """The quantities of `Draws` from the mean curves of `members` on images that no side saw.

    Beside them, by score, the true onset (the first epoch within half of material of the least) and
    the best epoch, as indices from 0.
    """
    curves, chosen = kept.curves, list(members)
    errors = {
        "loss": curves.truth_loss,
        "calibrated_loss": curves.truth_calibrated,
        "accuracy": 1 - curves.truth_accuracy,
    }
    mean = {score: one[chosen].mean(0, dtype=np.float64) for score, one in errors.items()}
    probe = curves.probe_loss[chosen].mean(0, dtype=np.float64)
    probe_error = 1 - curves.probe_accuracy[chosen].mean(0, dtype=np.float64)
    found: dict[str, float] = {"probe/loss": probe[-1], "probe/accuracy": probe_error[-1]}
    epochs = {}
    for score, curve in mean.items():
        smooth = smoothed(curve, rules.smoothing)
        onset, best = (int(epoch) for epoch in turns.turn(curve, score, rules))
        epochs[score] = onset, best
        found |= {f"val/{score}": curve[-1], f"best/{score}": smooth[best]}
        found |= {f"damage/{score}": smooth[-1] - smooth[best]}
        found |= {f"fitted/{score}": probe[-1] - probe[best]}
    found["gap/loss"] = mean["loss"][-1] - probe[-1]
    found["gap/accuracy"] = mean[ACCURACY][-1] - probe_error[-1]
    found["first"] = mean["loss"][0]
    found["fall"] = float(turns.fall(mean["loss"][None])[0])
    return {name: np.array([value], dtype=np.float64) for name, value in found.items()}, epochs


def true_knowledge(kept: StoredSetting, truth: Truth, rules: Rules) -> Known:
    """What the table of verdicts knows where everything is known.

    There are evenly many images of each class, but in families where val says how many.
    """
    num_classes = kept.val_logits.shape[-1]
    shares = np.full(num_classes, 1 / num_classes)
    if kept.setting.kind in UNEVEN:
        shares = np.bincount(kept.val_labels, minlength=num_classes) / len(kept.val_labels)
    entropy = float(special.entr(shares).sum())
    lowest = min(float(truth["best/loss"][0]), float(truth["best/calibrated_loss"][0]))
    wide, majority = rules.wide(entropy, lowest), float(shares.max())
    return Known(rules, entropy, majority, wide, num_images=kept.setting.num_truth)
