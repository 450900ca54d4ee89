"""A judgement in sentences: title, why, the three questions, notes, and what to try."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from overfit_atlas.findings import MATERIAL_FROM
from overfit_atlas.rules import FEWEST_EPOCHS, FEWEST_EPOCHS_OF_CURVES, FEWEST_IMAGES
from overfit_atlas.words import Probability, text
from overfit_atlas.words.message import Message

if TYPE_CHECKING:
    from overfit_atlas.record import Judgement

CURES = ("more_data", "augmentation", "dropout", "weight_decay", "smaller")
REMEDIES: dict[str, tuple[str, ...]] = {
    "good fit": ("keep",),
    "overfit": ("early_stopping", *CURES),
    "overfit, wrong more often": ("early_stopping", "check_labels", *CURES),
    "overfit, too sure": ("temperature", "label_smoothing", "early_stopping", *CURES),
    "overfit, by heart": CURES,
    "overfit, by heart, labels": ("check_labels", "check_split"),
    "underfit": ("longer", "wider", "less_regularisation", "learning_rate"),
    "underfit, too short": ("longer", "learning_rate"),
    "underfit, too simple": ("wider", "less_regularisation", "longer"),
    "underfit, guessing": ("learning_rate", "check_labels", "wider"),
    "data": ("check_scaling", "check_split", "check_batch_norm"),
    "undetermined": ("more_validation", "more_seeds", "longer"),
    "undetermined, failed": ("learning_rate", "check_images"),
    "undetermined, broke down": ("learning_rate", "check_images"),
    "undetermined, epochs": ("longer",),
    "undetermined, images": ("more_validation",),
    "undetermined, loss": ("log_loss",),
    "undetermined, gap": ("log_training",),
}


def title(made: "Judgement", language: str) -> str:
    """Verdict and kind in words, with "probably" where it is not sure."""
    if made.verdict == "undetermined":
        if not made.likeliest or made.kind:
            return named(made.verdict, "", language)
        first, second = (named(one, "", language) for one in made.likeliest)
        return text("verdict.between", language, first=first, second=second)
    said = named(made.verdict, made.kind, language)
    return text(f"verdict.{'plainly' if made.plainly else 'probably'}", language, verdict=said)


def named(verdict: str, kind: str, language: str) -> str:
    """A verdict in words, with its kind where there is one."""
    said = text(f"verdict.name.{_key(verdict)}", language)
    if not kind:
        return said
    named_kind = text(f"verdict.kind.{_key(kind)}", language)
    return text("verdict.with_kind", language, verdict=said, kind=named_kind)


def why(made: "Judgement") -> Message:
    """The sentence that says what was found, with its numbers."""
    return Message(f"verdict.why.{_why_key(made)}", _values(made))


def _why_key(made: "Judgement") -> str:
    verdict, kind = _key(made.verdict), _key(made.kind)
    if made.verdict == "undetermined":
        return kind or "undetermined"
    if made.by_labels:
        return "overfit_by_heart_labels"
    if made.draws is not None and not made.draws.num_epochs and kind in ("", "by_heart"):
        return f"{verdict}_{kind}".rstrip("_") + "_without_epochs"
    if kind in ("", "by_heart") and _worse_on_both(made):
        return f"{verdict}_{kind}".rstrip("_") + "_unsteady"
    if made.verdict == "good fit":
        return verdict if made.estimate("gap/loss") else "good_fit_without_gap"
    if kind == "unclear" and made.kinds.get("unclear", 0) < max(made.kinds.values(), default=1):
        return f"{verdict}_kind_unclear"
    if kind == "too_simple" and made.sibling == "target":
        return "underfit_too_simple_target"
    if kind == "wrong_more_often" and made.estimate("damage/calibrated_loss") is None:
        return "overfit_wrong_more_often_curves"
    return f"{verdict}_{kind}"


def _worse_on_both(made: "Judgement") -> bool:
    """Damage that no ruling counts: the training images are fitted worse at the end, too."""
    likely = (score for score, one in made.damage.items() if one.probability >= MATERIAL_FROM)
    fitted = (made.estimate(f"fitted/{score}") for score in likely)
    return any(one is not None and one.value >= 0 for one in fitted)


def _values(made: "Judgement") -> dict[str, Any]:
    """Everything a sentence may mention; what is not known is NaN and not mentioned."""
    first, second = made.likeliest or ("", "")
    found: dict[str, Any] = {
        "wide": made.known.wide if made.known else float("nan"),
        "copies": made.facts.copies,
        "entropy": made.facts.entropy or float("nan"),
        "majority": made.facts.majority or float("nan"),
        "num_failed": made.num_failed,
        "num_seeds": made.num_seeds,
        "num_images": made.draws.num_images if made.draws else made.facts.num_images,
        "num_epochs": min((fit.num_epochs for fit in made.fits), default=0),
        "needed": _needed(made),
        "sibling": made.sibling or "",
        "first": _word("name", first),
        "second": _word("name", second),
        "first_probability": Probability(made.probabilities.get(first, 0.0)),
        "second_probability": Probability(made.probabilities.get(second, 0.0)),
        "kinds": _likeliest_kinds(made),
        "best_epoch": made.onset["loss"].best_epoch if "loss" in made.onset else 0,
        "more": "",
        "train_mean": made.facts.shifted[0] if made.facts.shifted else float("nan"),
        "val_channel_mean": made.facts.shifted[1] if made.facts.shifted else float("nan"),
        "not_finite_from": made.facts.not_finite_from,
        "before": ", ".join(part for part in made.before or () if part),
    }
    for name in ("val/accuracy", "probe/accuracy", "val/loss", "gap/loss", "fall"):
        estimate = made.estimate(name)
        found[name.replace("gap/loss", "gap").replace("/", "_")] = (
            float("nan") if estimate is None else estimate.value
        )
    for score, damage in made.damage.items():
        found[f"{score.replace('calibrated_loss', 'calibrated')}_damage"] = damage.value
    found["accuracy_damage"] = -100 * found.get("accuracy_damage", float("nan"))
    found["accuracy_fall"] = -found["accuracy_damage"]
    return found


def _likeliest_kinds(made: "Judgement") -> Message | str:
    kinds = sorted(made.kinds, key=lambda one: -made.kinds[one])[:2]
    words = [_word("kind", kind) for kind in kinds]
    if len(words) == 2:
        return Message("page.comma", {"first": words[0], "last": words[1]})
    return words[0] if words else ""


def _word(of: str, name: str) -> Message | str:
    """The word for a verdict ("name") or a kind in each language; "" where there is none."""
    return Message(f"verdict.{of}.{_key(name)}") if name else ""


def _needed(made: "Judgement") -> int:
    if made.kind == "images":
        return FEWEST_IMAGES
    per_image = made.draws is None or made.draws.per_image
    return FEWEST_EPOCHS if per_image else FEWEST_EPOCHS_OF_CURVES


def questions(made: "Judgement") -> dict[str, Message]:
    """The three questions, answered with numbers: learned, gap, longer."""
    return {"learned": _learned(made), "gap": _gap(made), "longer": _longer(made)}


def _learned(made: "Judgement") -> Message:
    values = _values(made)
    if made.estimate("val/loss") is None:
        return _learned_by_curves(made)
    if made.estimate("val/accuracy") is None:
        return Message("verdict.question.learned_loss", values)
    if made.estimate("probe/accuracy") is None:
        return Message("verdict.question.learned_val", values)
    if made.sibling_accuracy is not None:
        more = {"sibling_accuracy": made.sibling_accuracy}
        return Message("verdict.question.learned_sibling", values | more)
    return Message("verdict.question.learned", values)


def _learned_by_curves(made: "Judgement") -> Message:
    """The last accuracies, where no draws tell of any because there is no validation loss."""
    found: dict[str, float] = {}
    for name in ("val_accuracy", "probe_accuracy"):
        curves = [
            fit.series("val" if name == "val_accuracy" else fit.fitted, "accuracy")
            for fit in made.fits
        ]
        lasts = [curve[curve == curve][-1] for curve in curves if (curve == curve).any()]
        found |= {name: float(sum(lasts) / len(lasts))} if lasts else {}
    if "val_accuracy" not in found:
        return Message("verdict.question.learned_unknown")
    key = "learned" if "probe_accuracy" in found else "learned_val"
    return Message(f"verdict.question.{key}", found)


def _gap(made: "Judgement") -> Message:
    found = made.estimate("gap/loss")
    if found is None or not made.facts.comparable or made.known is None:
        return Message("verdict.question.gap_unknown")
    ends = {"gap": found.value, "low": found.low, "high": found.high, "wide": made.known.wide}
    return Message("verdict.question.gap", ends)


def _longer(made: "Judgement") -> Message:
    if "loss" not in made.onset:
        return Message("verdict.question.longer_unknown")
    onset, damage = made.onset["loss"], made.damage["loss"]
    values = {"best_epoch": onset.best_epoch, "low": onset.low, "high": onset.high}
    return Message(
        "verdict.question.longer",
        values
        | {
            "damage": damage.value,
            "material": damage.material,
            "probability": Probability(damage.probability),
        },
    )


def notes(made: "Judgement") -> Iterator[Message]:
    """What makes the verdict less certain."""
    values = _values(made)
    judged = made.num_seeds > 0
    told = {
        "one_seed": made.num_seeds == 1,
        "one_split": judged and made.num_seeds > 1 and made.facts.one_split,
        "failed": judged and made.num_failed > 0,
        "no_per_image": any(fit.per_image is None for fit in made.fits),
        "no_probe": any(not fit.has_probe for fit in made.fits),
        "no_classes": judged and made.facts.entropy is None,
        "no_reference": judged and made.sibling is None,
        "penalty": made.facts.penalty,
        "shifted": made.facts.shifted is not None,
        "not_comparable": not made.facts.comparable,
    }
    for key, is_so in told.items():
        if is_so:
            yield Message(f"verdict.note.{key}", values)
    price = _price(made)
    if price >= made.rules.material_accuracy:
        yield Message("verdict.question.longer_accuracy", values | {"price": 100 * price})


def remedies(made: "Judgement") -> tuple[str, ...]:
    """Keys of what is usually worth trying (`verdict.remedy.*`)."""
    if made.by_labels:
        return REMEDIES["overfit, by heart, labels"]
    usual = REMEDIES.get(f"{made.verdict}, {made.kind}", REMEDIES[made.verdict])
    if _price(made) < made.rules.material_accuracy:
        return usual
    return tuple(name for name in usual if name != "early_stopping")


def _price(made: "Judgement") -> float:
    """What stopping at the best epoch by loss would cost in accuracy, 0..1."""
    return made.draws.prices.get(("loss", "accuracy"), 0.0) if made.draws else 0.0


def report(made: "Judgement", language: str) -> str:
    """The judgement as paragraphs for the terminal."""
    lines = [text("verdict.report.verdict", language, name=made.name, title=title(made, language))]
    lines += ["", made.why().text(language), ""]
    if made.probability is not None:
        sure = Probability(made.probability)
        lines.append(text("verdict.report.probability", language, probability=sure))
    lines += [one.text(language) for one in questions(made).values()]
    sections = {
        "less_certain": [note.text(language) for note in made.notes()],
        "try": [text(f"verdict.remedy.{name}", language) for name in made.remedies()],
    }
    for heading, entries in sections.items():
        if entries:
            lines += ["", text(f"verdict.report.{heading}", language)]
            lines += [f"- {entry}" for entry in entries]
    return "\n".join(lines)


def overtuned(found: Mapping[str, Any], language: str) -> str:
    """What became of the search's winner on fresh seeds.

    Args:
        found: parameters by key, num_trials, val_loss (of the search), fresh_val_loss, fresh_seeds,
            confidence, and overtuning with value, low and high.
    """
    chosen = (
        f"{key.rpartition('.')[2]} {_short(value)}" for key, value in found["parameters"].items()
    )
    values: dict[str, Any] = {
        "num_trials": found["num_trials"],
        "parameters": ", ".join(chosen),
        "searched": found["val_loss"],
    }
    ends = found["overtuning"]
    if ends.get("value") is None:
        return text("map.overtuning.failed", language, **values)
    interval = ""
    if ends.get("low") is not None:
        said = {**ends, "confidence": found["confidence"]}
        space = " " if language == "en" else ""
        interval = space + text("map.overtuning.interval", language, **said)
    values |= {"folds": len(found["fresh_seeds"]), "fresh": found["fresh_val_loss"]}
    return text("map.overtuning.said", language, **values, value=ends["value"], interval=interval)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _key(name: str) -> str:
    return name.replace(" ", "_")
