import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from pipeline import params
from pipeline.params import Params, ParamsError
from tests.inputs import examples


def _keys(record: type[BaseModel], prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, field in record.model_fields.items():
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            found += _keys(nested, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


KEYS = _keys(Params)
FREE_TEXT = ("mirror", "path", "weights", "storage", "scheduler")
JUNK = st.one_of(
    st.just(math.nan),
    st.just(math.inf),
    st.integers(max_value=-1),
    st.integers(min_value=10**12),
    st.binary(max_size=8),
    st.dictionaries(st.text(min_size=1, max_size=5), st.integers(), min_size=1, max_size=2),
    st.lists(st.none(), min_size=1, max_size=3),
    st.just(object()),
)


def test_the_shipped_file_says_what_the_records_default_to_where_it_says_nothing():
    shipped = params.load("params.yaml")
    assert shipped.download.dataset == "fashion_mnist_mini"
    assert shipped.train.seeds == (0, 1, 2, 3, 4)
    assert shipped.train_for("efficientnet").epochs != shipped.train.epochs


@examples(1500)
@given(key=st.sampled_from(KEYS), value=JUNK)
def test_a_bad_value_gives_one_sentence_with_the_path_of_its_key(key, value):
    try:
        params.parse({}, {key: value})
    except ParamsError as error:
        section = key.split(".")[0]
        assert section in str(error)
        assert "\n" not in str(error)
    else:
        assert key.endswith(FREE_TEXT) and not isinstance(value, (int, float))


@pytest.mark.parametrize("key", KEYS)
def test_a_misspelt_key_is_answered_with_the_near_one(key):
    start, _, last = key.rpartition(".")
    misspelt = f"{start}.{last}x" if start else f"{last}x"
    with pytest.raises(ParamsError, match=rf"unknown key\. Did you mean '{last}'\?"):
        params.parse({}, {misspelt: 1})


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"train": {"seeds": [1, 1]}}, "train.seeds: every seed may stand there once"),
        ({"models": {"cnn": {"dropout": "0.5"}}}, "models.cnn.dropout: .*valid number.*'0.5'"),
        ({"models": {"cnn": {"dropout": 1.0}}}, "models.cnn.dropout: .*less than 1.*got 1.0"),
        ({"models": {"cnn": {"train": {"epocs": 1}}}}, "models.cnn.train.epocs: unknown key"),
        ({"models": {"cnn": {"train": {"epochs": 0}}}}, "models.cnn.train.epochs: .*equal to 1"),
        ({"download": {"dataset": "npz"}}, "download: .*needs download.path"),
        ({"models": {"ensemble": {"base": "cn"}}}, "models: ensemble: no model 'cn'; choose among"),
        ({"models": {"ensemble": {"members": 6}}}, "6 members, but cnn is trained with 5 seeds"),
        ({"models": {"ensemble": {"members": []}}}, "members: .*at least 1 item"),
        ({"train": {"seeds": [-1]}}, r"^train.seeds.0: [^.]*equal to 0 \(got -1\)\.$"),
        ({"tune": {"dropouts": [1.0]}}, r"^tune.dropouts.0: [^.]*less than 1 \(got 1.0\)\.$"),
        (
            {"tune": {"axes": {"width": [2.5, 4], "dropout": [0, 0.5]}}},
            "widths of dense are whole numbers from 1 to 1000000, got 2.5",
        ),
        (
            {"tune": {"axes": {"dropout": [0, 0.5], "models.dense.dropout": [0, 0.5]}}},
            "dropout and models.dense.dropout are the same; name one of them",
        ),
        ({"images": {"width": 0}}, "images: widths of dense are whole numbers from 1"),
        ({"images": {"model": "efficientnet", "width": 8}}, "efficientnet are .* from 0 to 7"),
        ([1], "got a list, expected sections"),
    ],
)
def test_errors_name_the_key_what_came_and_what_fits(document, sentence):
    with pytest.raises(ParamsError, match=sentence):
        params.parse(document)


def test_boundaries_are_in_or_out():
    assert params.parse({}, {"models.cnn.dropout": 0.0}).models.cnn.dropout == 0.0
    assert params.parse({}, {"train.epochs": 100_000}).train.epochs == 100_000
    with pytest.raises(ParamsError):
        params.parse({}, {"train.epochs": 100_001})


def test_a_models_own_settings_lie_over_the_common_ones():
    made = params.parse({"train": {"epochs": 9, "schedule": {"name": "cosine", "min_rate": 0.1}}})
    overridden = params.parse(
        {
            "train": {"epochs": 9, "schedule": {"name": "cosine", "min_rate": 0.1}},
            "models": {"cnn": {"train": {"schedule": {"name": "step"}}}},
        }
    )
    assert made.train_for("cnn").schedule.name == "cosine"
    assert overridden.train_for("cnn").schedule.name == "step"
    assert overridden.train_for("cnn").schedule.min_rate == 0.1
    assert overridden.train_for("dense").schedule.name == "cosine"


def test_scientific_notation_is_a_number(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("train: {learning_rate: 1e-3}\n")
    assert params.load(path).train.learning_rate == 0.001


@pytest.mark.parametrize("text", ["train: {a: 1, a: 2}", "train: [", "\0", "a: !!python/none x"])
def test_what_is_not_yaml_is_refused_in_one_sentence(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match="params.yaml"):
        params.load(path)


def test_a_missing_file_is_named():
    with pytest.raises(ParamsError, match="nowhere.yaml: cannot be read"):
        params.load("nowhere.yaml")


LAUGHS = [
    "a0: &a0 [x, x, x, x, x, x, x, x, x]",
    *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)),
]
MERGED = ["a0: &a0 {x: 1}"] + [
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 10)
]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(LAUGHS),
        "\n".join(MERGED),
        "a: &a [*a]",
        "a: &a {b: *a}",
        f"a: &a [{', '.join('x' * 1000)}]\nb: [{', '.join(['*a'] * 1000)}]",
        "[" * 60 + "]" * 60,
    ],
    ids=["lists", "merges", "itself in a list", "itself in a dict", "wide", "deep"],
)
def test_a_file_that_grows_without_bound_is_refused_at_once(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    begun = time.process_time()
    with pytest.raises(ParamsError, match=r"params\.yaml"):
        params.load(path)
    assert time.process_time() - begun < 10


def test_an_alias_or_two_is_fine(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("train: &t {epochs: 3}\nmodels: {cnn: {train: *t}, dense: {train: {<<: *t}}}")
    loaded = params.load(path)
    assert (loaded.train_for("cnn").epochs, loaded.train_for("dense").epochs) == (3, 3)


def test_a_file_without_an_end_is_refused():
    with pytest.raises(ParamsError, match="/dev/zero: not valid YAML: longer than 200,000"):
        params.load("/dev/zero")


@pytest.mark.parametrize("text", ["", "# all gone\n", "{}", "---\n", "\ufeff"])
def test_an_empty_file_does_not_mean_other_defaults_than_the_shipped_ones(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError, match=r"says nothing.*git checkout params\.yaml"):
        params.load(path)


def test_a_byte_order_mark_changes_nothing(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("seed: 3", encoding="utf-8-sig")
    assert params.load(path).seed == 3
