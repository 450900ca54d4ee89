import pytest

from pipeline.comparing import record
from pipeline.comparing.record import ComparisonError
from pipeline.comparing.variant import Where

PLAIN = {
    "title": "Wider and wider",
    "data": "mnist",
    "model": "dense",
    "draw": "once",
    "baseline": {"train.epochs": 3, "preprocess.train_fraction": 0.5},
    "variants": {
        "wide": {"models.dense.units": [4000]},
        "twice the data": {"preprocess.train_fraction": 1.0},
        "ensemble": {"ensemble": 2},
    },
}


def resolved(changes, seeds=(0, 1, 2)):
    document = {**PLAIN, "variants": {"x": changes}}
    return record.parse(document).resolved(seeds)


def test_a_variant_is_the_baseline_with_its_own_overrides_on_top():
    base, wide, _, ensemble = record.parse(PLAIN).resolved((0, 1, 2))
    assert [base.name, wide.name] == ["baseline", "wide"]
    assert (base.section.units, wide.section.units) == ((512,), (4000,))
    assert base.train.epochs == wide.train.epochs == 3
    assert base.vary(7).train_fraction == 0.5 and base.vary(7) == base.vary(8)
    assert ensemble.members == 2 and ensemble.same_fits(base)
    assert not wide.same_fits(base)


def test_each_seed_may_draw_its_own_part_and_shares_it_with_all_variants(tmp_path):
    variants = {name: PLAIN["variants"][name] for name in ("wide", "twice the data")}
    document = {**PLAIN, "draw": "each_seed", "variants": variants}
    base, wide, twice = record.parse(document).resolved((0, 1, 2))
    assert base.vary(7).seed == 7
    assert twice.vary(7) == twice.vary(8)  # nothing is left out, so there is nothing to draw
    where = Where(tmp_path, "hash", smoothing=5)
    task = wide.task(2, where, keep_weights=True)
    assert (task.seed, task.vary.seed, task.data_hash, task.smoothing) == (2, 2, "hash", 5)
    assert task.keep_weights and task.vary == base.task(2, where).vary


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"models.dense.unts": [3]}, r"variants\.x: models\.dense\.unts: .*Did you mean 'units'"),
        ({"models.dense.dropout": 1.5}, r"variants\.x: models\.dense\.dropout: .*got 1\.5"),
        ({"models.cnn.dropout": 0.5}, r"variants\.x\.models\.cnn\.dropout: .*models\.dense\.\*"),
        ({"models.dense.train.epochs": 4}, r"Allowed: models\.dense"),
        ({"models.dense.train": {"epochs": 4}}, "name one key below it"),
        ({"train.seeds": [1, 2]}, "all variants share the seeds"),
        ({"train.epochs": 1.5}, r"train\.epochs: .*integer"),
        ({"preprocess.label_nose": 0.1}, "Did you mean 'preprocess.label_noise'"),
        ({"preprocess.image_size": 8}, "not a setting of one fit"),
        ({"download.dataset": "digits"}, "The data set is chosen by `data:`"),
        ({"train.epochs": 3}, "changes nothing"),
        ({"ensemble": 1}, "expected a number of members"),
        ({"ensemble": "all"}, "got 'all'"),
        ({"ensemble": True}, "got True"),
        ({"ensemble": 3}, "3 members need at least 4 seeds, got 3"),
        ({"temperature": 2.0}, "temperature: got 2.0, expected true or false"),
        ({"temperature": True, "ensemble": 2}, "temperature: not with ensemble"),
        ({"temperature": False}, "changes nothing"),
    ],
)
def test_a_wrong_override_is_refused_by_its_key(changes, said):
    with pytest.raises(ComparisonError, match=said):
        resolved(changes)


def test_an_ensemble_whose_members_see_different_images_is_refused():
    with pytest.raises(ComparisonError, match="see more images than the baseline"):
        record.parse({**PLAIN, "draw": "each_seed"}).resolved((0, 1, 2))


def test_one_member_less_than_seeds_is_allowed():
    assert resolved({"ensemble": 2})[1].members == 2


def test_the_baseline_is_a_single_model_with_a_name_of_its_own():
    with pytest.raises(ComparisonError, match="baseline.ensemble"):
        record.parse({**PLAIN, "baseline": {"ensemble": 2}}).resolved((0, 1, 2))
    with pytest.raises(ComparisonError, match="name of the baseline"):
        record.parse({**PLAIN, "baseline_name": "wide"}).resolved((0, 1, 2))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({**PLAIN, "model": "dence"}, "'dense', 'cnn' or 'efficientnet'"),
        ({**PLAIN, "varants": {}}, "Did you mean 'variants'"),
        ({**PLAIN, "variants": {}}, "at least 1 item"),
        ({**PLAIN, "seeds": [4]}, "at least 2 items"),
        ({**PLAIN, "fit": "width"}, "data_size"),
    ],
)
def test_a_malformed_document_is_refused_by_its_key(document, said):
    with pytest.raises(ComparisonError, match=said):
        record.parse(document)


def test_an_unknown_name_lists_the_known_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "FOLDER", tmp_path)
    (tmp_path / "units.yaml").write_text("[]")
    with pytest.raises(ComparisonError, match="Did you mean 'units'.*Known: units"):
        record.load("unit")
    with pytest.raises(ComparisonError, match="no such file"):
        record.load("../units")
    with pytest.raises(ComparisonError, match="got a list"):
        record.load("units")


def law(*fractions, **extra):
    variants = {str(one): {"preprocess.train_fraction": one, **extra} for one in fractions}
    return {**PLAIN, "baseline": {}, "variants": variants, "fit": "data_size"}


def test_a_law_needs_four_sizes_and_nothing_else_that_varies():
    assert record.parse(law(0.1, 0.2, 0.5)).fit == "data_size"
    with pytest.raises(ComparisonError, match=r"4 sizes or more, got \[0\.1, 0\.2, 1\.0\]"):
        record.parse(law(0.1, 0.2))
    with pytest.raises(ComparisonError, match="train_fraction alone"):
        record.parse(law(0.1, 0.2, 0.5, **{"train.epochs": 4}))


def test_overrides_of_the_baseline_reach_all_variants():
    changed = record.parse(PLAIN).with_baseline({"train.epochs": 1})
    assert [one.train.epochs for one in changed.resolved((0, 1, 2))] == [1, 1, 1, 1]
