import json

import pytest

from pipeline.studies import judged, ruling


def test_what_is_kept_of_draws_gives_the_same_verdict(make_plan, workshop):
    plan = make_plan()
    tasks = plan.tasks({"width": 64, "dropout": 0.0})
    results = [result for _, result in workshop()(tasks, "")]
    rules = plan.params.evaluate.rules
    facts = ruling.facts(plan)
    made = judged.judge_point(judged.heads(results, [8]), rules, facts)[8]
    kept = json.loads(json.dumps(ruling.packed(made.draws)))
    again = ruling.judgement.ruled("trial", ruling.unpacked(kept), rules, facts, {})
    assert ruling.spoken(again) == ruling.spoken(made)
    assert ruling.packed(None) == {}


def test_one_lowest_loss_makes_one_wide_gap_for_the_map(make_plan, run_study, workshop):
    plan = make_plan({"tune.also_at_epochs": [6]})
    trials = run_study(plan, "map", workshop())
    found = ruling.rule(plan, trials)
    draws = [ruling.unpacked(one) for t in trials for one in t.system_attrs["draws"].values()]
    lowest = min(one.values["best/loss"] for one in draws)
    entropy = ruling.facts(plan).entropy
    assert found.wide == pytest.approx(0.15 * (entropy - lowest), rel=1e-3)
    assert len(found.said) == 12 * 2


def test_a_point_that_another_one_surely_beats_is_too_simple(make_plan, run_study, workshop):
    plan = make_plan()
    trials = run_study(plan, "map", workshop())
    found = ruling.rule(plan, trials).said
    narrow = next(t for t in trials if t.params == {"width": 4, "dropout": 0.8})
    said = found[narrow.number, 8]
    assert (said["verdict"], said["kind"]) == ("underfit", "too simple")
    assert narrow.user_attrs["verdict"] == "good fit"  # as far as it could be told alone
