"""What kind of thing a change is, from what it does to the held-out score and to the gap."""

from typing import Literal

from overfit_atlas.estimates import Estimate

Kind = Literal["cures", "masks", "harms", "improves", "no effect"]


def kind(held_out: Estimate | None, gap: Estimate | None) -> Kind | None:
    """The class of a remedy; both effects are in loss, so negative is better.

    cures: validation better and the gap smaller. masks: the gap smaller, validation not better: it
    only hobbled the fit. harms: validation worse. improves: validation better, the gap not smaller:
    a better model, but no cure of overfitting. no effect: neither interval excludes 0 that way.
    None where an effect or its interval is not known.
    """
    if held_out is None or gap is None or held_out.high is None or gap.high is None:
        return None
    better, worse = held_out.high < 0, (held_out.low or 0.0) > 0
    if worse:
        return "harms"
    if gap.high < 0:
        return "cures" if better else "masks"
    return "improves" if better else "no effect"
