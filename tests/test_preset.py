import shlex
import subprocess
import sys

import pytest

from pipeline import preset
from pipeline.preset import Preset, PresetError


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (0.0001, "0.0001"),
        ("adam", "adam"),
        ("/home/you/images", "/home/you/images"),
        ("null", '"null"'),
        ("3", '"3"'),
        ("http://x:1/a", '"http://x:1/a"'),
        ('say "a"', '"say \\"a\\""'),
        ([512, 512], "[512,512]"),
        (["flip", "cutout"], "[flip,cutout]"),
        ({"name": "cosine", "rates": [1, 2]}, "{name:cosine,rates:[1,2]}"),
    ],
)
def test_a_value_in_the_grammar_of_dvc(value, written):
    assert preset.hydra(value) == written


def test_the_shell_splits_the_printed_arguments_where_we_do():
    settings = {"train.seeds": [0, 1], "models.dense.units": [4, 4], "train.learning_rate": 1e-3}
    given = Preset(title="t", settings=settings, targets=("evaluate",))
    words = preset.command("small", given, settings)
    assert words[:3] == ["--temp", "-n", "small"] and words[-1] == "evaluate"
    assert "++models.dense.units=[4,4]" in words
    assert " ".join(words).split() == words


def test_a_blank_is_refused_in_print_and_allowed_in_a_run():
    settings = {"download.dataset": "folder", "download.path": "/my photos"}
    given = Preset(title="t", settings=settings)
    with pytest.raises(PresetError, match="--run"):
        preset.command("folder_demo", given, settings)
    words = preset.command("folder_demo", given, settings, printed=False)
    assert words[-1] == '++download.path="/my photos"'


def test_a_wrong_setting_is_refused_before_anything_runs():
    given = Preset(title="t", settings={"train.epchs": 3})
    with pytest.raises(PresetError, match="preset small: train.epchs: .*'epochs'"):
        preset.command("small", given, dict(given.settings))


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    (tmp_path / "cifar.yaml").write_text("title: t\nsettings: {train.epochs: 3}\n")
    assert preset.load("cifar", tmp_path).settings == {"train.epochs": 3}
    with pytest.raises(PresetError, match="Did you mean 'cifar'"):
        preset.load("cifra", tmp_path)
    (tmp_path / "odd.yaml").write_text("title: t\n")
    with pytest.raises(PresetError, match=r"odd\.yaml: settings: Field required"):
        preset.load("odd", tmp_path)


@pytest.mark.parametrize("name", sorted(path.stem for path in preset.FOLDER.glob("*.yaml")))
def test_a_preset_that_is_shipped_fits_the_parameters_that_are(name):
    shipped = preset.load(name)
    assert preset.command(name, shipped, dict(shipped.settings))[:3] == ["--temp", "-n", name]


def test_settings_that_do_not_fit_params_yaml_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = Preset(title="t", settings={"models.ensemble.members": 5})
    assert preset.command("five", given, dict(given.settings))
    (tmp_path / "params.yaml").write_text("models: {cnn: {train: {seeds: [0, 1]}}}\n")
    with pytest.raises(PresetError, match="5 members, but cnn is trained with 2 seeds"):
        preset.command("five", given, dict(given.settings))


def test_at_the_command_line_an_error_cannot_start_the_plain_pipeline(tmp_path):
    (tmp_path / "small.yaml").write_text("title: t\nsettings: {train.epochs: 3}\n")
    run = [sys.executable, "-m", "pipeline.preset", "--folder", str(tmp_path)]
    good = subprocess.run([*run, "small", "train.seeds=[0, 1]"], capture_output=True, text=True)
    assert shlex.split(good.stdout)[-2:] == ["-S", "++train.seeds=[0,1]"]
    bad = subprocess.run([*run, "smal"], capture_output=True, text=True)
    assert bad.returncode == 2 and bad.stdout == "--invalid-preset\n"
    assert bad.stderr.startswith("error: preset 'smal'")
