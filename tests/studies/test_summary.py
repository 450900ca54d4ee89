import json

import numpy as np

from pipeline.studies.outcome import outcome


def test_the_summary_counts_and_is_json(run_study, make_plan, workshop):
    plan = make_plan()
    broken = workshop(breaks=lambda task: task.section.units == (256,) and task.seed == 1)
    found = outcome(plan, run_study(plan, "map", broken))
    summary = json.loads(json.dumps(found.summary, allow_nan=False))
    assert (summary["num_points"], summary["num_fits"], summary["num_failed"]) == (12, 24, 3)
    assert summary["num_val_images"] == summary["num_probe_images"] == 40
    assert summary["double_descent"][0]["status"] in (
        "observed", "not observed in this range", "undetermined"
    )  # fmt: skip
    assert np.isfinite(summary["slices"][0]["leave_one_out"]["error"])
