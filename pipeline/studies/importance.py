"""Which parameters of a study its value hangs on: `importance_table`."""

from collections.abc import Sequence

import numpy as np
import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState


def importance_table(trials: Sequence[FrozenTrial], target: str, seed: int) -> pd.DataFrame:
    """How much of the variance of a study's value each parameter explains, by two evaluators.

    Columns: target (the name of the value), evaluator, parameter, importance (sums to 1). They are
    often of two minds, so both are named. Empty where nothing varies.
    """
    columns = ["target", "evaluator", "parameter", "importance"]
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    ordered = sorted(done, key=lambda trial: sorted(trial.params.items()))
    if len(ordered) < 2 or np.ptp([value_of(trial) for trial in ordered]) == 0:
        return pd.DataFrame(columns=columns)
    from optuna import importance  # a second of scikit-learn, which workers can do without

    evaluators: dict[str, importance.BaseImportanceEvaluator] = {
        "fANOVA": importance.FanovaImportanceEvaluator(seed=seed),
        "mean decrease in impurity": importance.MeanDecreaseImpurityImportanceEvaluator(seed=seed),
    }
    study = optuna.create_study(direction="minimize")
    study.add_trials([_bare(trial) for trial in ordered])
    rows = []
    for name, evaluator in evaluators.items():
        found = importance.get_param_importances(study, evaluator=evaluator)
        for parameter, share in sorted(found.items()):
            rows.append((target, name, parameter, round(float(share), 6)))
    return pd.DataFrame(rows, columns=columns)


def _bare(trial: FrozenTrial) -> FrozenTrial:
    return optuna.create_trial(
        params=trial.params, distributions=trial.distributions, value=trial.value
    )


def value_of(trial: FrozenTrial) -> float:
    """The value of a complete trial."""
    assert trial.value is not None
    return trial.value
