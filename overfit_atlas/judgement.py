"""The verdict on one model, its kind, and how probable both are: `judge`.

Each draw (`draws`, `curve_draws`) goes through the table of `verdicts`; the shares of draws become
probabilities (`recalibration`); the likeliest verdict is said, and the likeliest kind within it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from overfit_atlas import curve_draws, draws, recalibration, verdicts
from overfit_atlas.draws import Draws
from overfit_atlas.errors import AtlasError
from overfit_atlas.facts import Facts
from overfit_atlas.findings import damages, onsets
from overfit_atlas.record import Judgement, Stops
from overfit_atlas.rules import (
    FEWEST_EPOCHS,
    FEWEST_EPOCHS_OF_CURVES,
    FEWEST_IMAGES,
    SIBLING,
    UNDETERMINED,
    Rules,
)
from overfit_atlas.scoring.fits import Fit
from overfit_atlas.verdicts import RULINGS, VERDICTS, Known

DEFAULT = Rules()
UNKNOWN = Facts()


def judge(
    name: str,
    fits: Sequence[Fit],
    rules: Rules = DEFAULT,
    facts: Facts = UNKNOWN,
    siblings: Mapping[str, Draws] | None = None,
) -> Judgement:
    """The verdict on model `name` from its fits, one a seed, with everything behind it.

    Fits whose loss stopped being finite are counted and left out.

    Args:
        facts: what is known of the data beside the scores: class shares, images, copies.
        siblings: draws of other models of the same data, by name (`drawn`); without them, and
            without `rules.target_accuracy`, a model that is too simple cannot be told.

    Raises:
        AtlasError: no fits.
    """
    if not fits:
        raise AtlasError(f"judge {name=}: got no fits; give one a seed.")
    whole = [fit for fit in fits if fit.failed is None]
    found = drawn(whole, rules, facts) if whole else None
    made = judged(name, found, rules, facts, siblings or {})
    if all(np.isnan(fit.series("val", "loss")).all() for fit in fits):
        made = replace(made, kind="loss")
    if facts.not_finite_from is not None:
        before = made.verdict, made.kind
        made = replace(made, verdict="undetermined", kind="broke down", before=before)
    return replace(
        made,
        fits=tuple(fits),
        stops=Stops.of(whole),
        num_failed=len(fits) - len(whole),
    )


def drawn(fits: Sequence[Fit], rules: Rules = DEFAULT, facts: Facts = UNKNOWN) -> Draws:
    """The draws of one model, from scores of single images where all fits have them."""
    if all(fit.per_image is not None for fit in fits):
        return draws.of_images(fits, rules, nested=not facts.one_split)
    return curve_draws.of_curves(fits, rules, facts.num_images)


def judged(
    name: str,
    found: Draws | None,
    rules: Rules,
    facts: Facts,
    siblings: Mapping[str, Draws],
) -> Judgement:
    """The judgement of draws; `undetermined` where there are none, or too few to judge by."""
    if found is None:
        return Judgement(name, "undetermined", rules, facts, kind="failed")
    made = ruled(name, found, rules, facts, siblings)
    found_damages = damages(found, rules)
    reached, sibling = rules.target_accuracy, made.sibling
    if sibling is not None and sibling in siblings:
        reached = 1 - siblings[sibling].values["val/accuracy"]
    return replace(
        made,
        draws=found,
        damage=found_damages,
        onset=onsets(found, found_damages, rules),
        sibling_accuracy=reached,
    )


def ruled(
    name: str, found: Draws, rules: Rules, facts: Facts, siblings: Mapping[str, Draws]
) -> Judgement:
    """Verdict, kind and probabilities alone: what hangs on the other models beside the draws."""
    nothing = Judgement(name=name, verdict="undetermined", rules=rules, facts=facts)
    known = knowledge(found, rules, facts, siblings)
    num_images = found.num_images or facts.num_images
    if num_images is not None and num_images < FEWEST_IMAGES:
        made = replace(nothing, kind="images")
    elif 0 < found.num_epochs < fewest_epochs(found):
        made = replace(nothing, kind="epochs")
    else:
        ruled = verdicts.through(found.drawn, known)
        made = _said(name, ruled, rules, facts)
        if made.kind == verdicts.BY_HEART.kind:
            of_labels = verdicts.learned_nothing_but_images(found.drawn, known)
            made = replace(made, by_labels=_by_labels(ruled, of_labels))
        if "probe/loss" not in found.values and made.verdict != "overfit":
            made = replace(nothing, kind="gap", probabilities=made.probabilities)
    return replace(made, known=known, sibling=known.sibling)


def _by_labels(ruled: "np.ndarray", of_labels: "np.ndarray | bool") -> bool:
    """Whether most draws that are ruled `by heart` learned nothing but images."""
    by_heart = ruled == RULINGS.index(verdicts.BY_HEART)
    return bool(2 * (by_heart & of_labels).sum() > by_heart.sum())


def fewest_epochs(found: Draws) -> int:
    """From how many epochs on a model is judged."""
    return FEWEST_EPOCHS if found.per_image else FEWEST_EPOCHS_OF_CURVES


@dataclass(frozen=True)
class Likeliest:
    """The likeliest verdict and, within it, the likeliest kind.

    Attributes:
        probabilities: verdict -> probability, together 1.
        kinds: kind -> probability, given the likeliest verdict; empty where no draw says it.
    """

    probabilities: Mapping[str, float]
    kinds: Mapping[str, float]

    @property
    def verdicts(self) -> tuple[str, str]:
        """The two likeliest verdicts."""
        first, second = sorted(self.probabilities, key=lambda one: -self.probabilities[one])[:2]
        return first, second

    @property
    def probability(self) -> float:
        """Of the likeliest verdict."""
        return self.probabilities[self.verdicts[0]]

    @property
    def kind(self) -> str:
        """The likeliest kind; "" for a good fit."""
        return max(self.kinds, key=lambda one: self.kinds[one], default="")


def likeliest(counts: Sequence[float]) -> Likeliest:
    """What the draws say together, from how many went to each of `RULINGS`."""
    ruled = list(zip(RULINGS, counts, strict=True))
    by_verdict = [sum(count for one, count in ruled if one.verdict == name) for name in VERDICTS]
    probabilities = dict(zip(VERDICTS, recalibration.verdicts(by_verdict).tolist(), strict=True))
    first = max(probabilities, key=lambda one: probabilities[one])
    total = by_verdict[VERDICTS.index(first)]
    within = {one.kind: count / total for one, count in ruled if one.verdict == first and total}
    return Likeliest(probabilities, within)


def _said(name: str, ruled: "np.ndarray", rules: Rules, facts: Facts) -> Judgement:
    """The likeliest verdict and kind, as far as they are likely enough to be said."""
    found = likeliest(np.bincount(ruled, minlength=len(RULINGS)).astype(float).tolist())
    kind, of_kind = found.kind, found.kinds.get(found.kind, 0.0)
    sure = found.probability >= UNDETERMINED
    return Judgement(
        name=name,
        verdict=found.verdicts[0] if sure else "undetermined",
        kind=(kind if of_kind >= UNDETERMINED else "unclear") if sure else "",
        probability=found.probability,
        kind_probability=of_kind if sure and kind else None,
        probabilities=found.probabilities,
        kinds={one: share for one, share in found.kinds.items() if one},
        likeliest=found.verdicts,
        rules=rules,
        facts=facts,
    )


def knowledge(found: Draws, rules: Rules, facts: Facts, siblings: Mapping[str, Draws]) -> Known:
    """What the table of verdicts has to know besides the draws."""
    lowest = lowest_loss((found, *siblings.values()), facts.lowest_loss)
    sibling, simple = _better_sibling(found, rules, siblings)
    return Known(
        rules=rules,
        entropy=facts.entropy,
        majority=facts.majority,
        wide=wide(rules, facts.entropy, lowest),
        clean=facts.clean,
        comparable=facts.comparable,
        sibling=sibling,
        simple=simple,
        copies=facts.copies,
        num_images=found.num_images or facts.num_images,
    )


def lowest_loss(models: Iterable[Draws], known: float | None = None) -> float | None:
    """The lowest loss of any model at its best epoch, calibrated or not, and `known` with them."""
    found = [
        one.values[name]
        for one in models
        for name in ("best/loss", "best/calibrated_loss")
        if name in one.values
    ]
    return min(found if known is None else [*found, known], default=None)


def wide(rules: Rules, entropy: float | None, lowest: float | None) -> float:
    """From how many nats on a gap is wide, as far as the data are known."""
    if entropy is None or lowest is None:
        return rules.wide_gap_nats
    return rules.wide(entropy, lowest)


def _better_sibling(
    found: Draws, rules: Rules, siblings: Mapping[str, Draws]
) -> tuple[str | None, bool]:
    """The best of the other models, or "target", and whether it is surely better on both sides.

    Better by material in accuracy, on probe and on val, with a probability of `SIBLING` each.
    """
    names = ("val/accuracy", "probe/accuracy")
    if any(name not in found.drawn for name in names):
        return None, False
    target = rules.target_accuracy
    if target is not None:
        errors = {name: np.float64(1 - target) for name in names}
        return "target", _surely_better(found, errors, rules)
    rivals = {
        name: one for name, one in siblings.items() if all(part in one.drawn for part in names)
    }
    if not rivals:
        return None, False
    better = [
        name
        for name, one in rivals.items()
        if _surely_better(found, {part: one.drawn[part] for part in names}, rules)
    ]
    best = min(better or rivals, key=lambda name: rivals[name].values["val/accuracy"])
    return best, bool(better)


def _surely_better(found: Draws, errors: Mapping[str, object], rules: Rules) -> bool:
    return all(
        recalibration.share(found.drawn[name] - np.asarray(other) >= rules.material_accuracy)
        >= SIBLING
        for name, other in errors.items()
    )
