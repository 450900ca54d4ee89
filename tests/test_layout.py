"""The project's own rules: what may import what, who reads which file, and how long things get."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import Any

import pytest

# One way: each may import what stands before it. Verbs are stages; all else are nouns.
CORE = (
    "__init__",
    "addresses",
    "errors",
    "files",
    "scoring",
    "rules",
    "estimates",
    "facts",
    "readers",
    "held_out",
    "turns",
    "draws",
    "curve_draws",
    "prechelt",
    "resampling",
    "verdicts",
    "recalibration",
    "findings",
    "words",
    "record",
    "judgement",
    "comparison",
    "remedies",
    "summary",
    "per_class",
    "ranking",
    "reliability",
    "gap_map",
    "images",
    "page",
    "active_run",
    "logged",
    "overview",
    "keras_inputs",
    "keras_outputs",
    "live",
    "clean_options",
    "clean_shown",
    "clean_scores",
    "cli",
    "__main__",
)
PIPELINE = (
    "__init__",
    "quiet",
    "files",
    "params",
    "data",
    "models",
    "tiny_images",
    "prediction",
    "training",
    "trained",
    "ledger",
    "explain",
    "evaluation",
    "verdict_table",
    "plots",
    "studies",
    "comparing",
    "reporting",
    "tracking",
    "stages",
    "preset",
)
LAYERS = tuple(
    f"{package}.{layer}"
    for package, layers in (("overfit_atlas", CORE), ("pipeline", PIPELINE))
    for layer in layers
)
# What the core imports with a file, and what single files of it import on request.
LIGHT = {"numpy", "scipy", "pandas"}
ON_REQUEST = {
    "overfit_atlas.per_class": {"sklearn"},
    "overfit_atlas.ranking": {"sklearn"},
    "overfit_atlas.gap_map.surface": {"sklearn", "threadpoolctl"},
    "overfit_atlas.active_run": {"mlflow"},
    "overfit_atlas.clean_scores": {"keras"},
    "overfit_atlas.keras_inputs": {"keras"},
    "overfit_atlas.page.gallery": {"PIL"},
    "overfit_atlas.page.render": {"jinja2", "markupsafe", "platformdirs", "vl_convert"},
    "overfit_atlas.keras_outputs": {"keras"},
    "overfit_atlas.clean_shown": {"matplotlib"},
    "overfit_atlas.readers.mlflow": {"mlflow"},
    "overfit_atlas.readers.tensorboard": {"tensorboard"},
}
RUNNABLE = {
    "overfit_atlas.__main__",
    "pipeline.stages",
    "pipeline.preset",
}  # preset runs no stage: it writes the arguments of `dvc exp run`
LOGGING = {"pipeline.tracking", "pipeline.stages"}
HEAVY = {"tensorflow", "keras", "mlflow", "torch"}
SLOW = HEAVY | {"matplotlib", "seaborn", "sklearn", "pandas", "optuna", "distributed"}
LONGEST_FUNCTION, LONGEST_FILE, MOST_PARAMETERS = 60, 360, 6
TABLES = {"pipeline.params"}  # one line a key: as long as there are keys
# In two parts, so that this file does not contain what it forbids.
FORBIDDEN = re.compile(
    "|".join(
        first + second
        for first, second in [
            ("/wo", "rk/"),
            ("/ro", "ot/"),
            (r"/ho", r"me/(?!you\b)\w"),
            ("/opt/py", "pi"),
            (r"pypi\.o", "rg"),
            ("pythonho", "sted"),
            ("index", "-url"),
            ("find", "-links"),
        ]
    )
)


def _layer(module: str) -> str:
    package, *parts = module.split(".")
    return f"{package}.{parts[0] if parts else '__init__'}"


def _outside(names: Iterable[str]) -> set[str]:
    """The packages of others among imported names."""
    known = set(sys.stdlib_module_names) | {"pipeline", "overfit_atlas"}
    return {name.split(".")[0] for name in names} - known


def _functions(tree: ast.Module) -> list[Any]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def test_every_module_belongs_to_a_known_layer(sources: Any) -> None:
    assert {_layer(module) for module in sources.modules} <= set(LAYERS)


def test_imports_go_one_way(sources: Any) -> None:
    wrong = [
        f"{module} imports {other}"
        for module in sources.modules
        for other in sources.imported_here(module)
        if LAYERS.index(_layer(other)) > LAYERS.index(_layer(module))
        or (_layer(other) == "pipeline.tracking" and _layer(module) not in LOGGING)
    ]
    assert wrong == []


def test_no_imports_go_in_a_circle(sources: Any) -> None:
    """Neither those of a whole file nor those inside a function, which only hide a circle."""
    imports = {module: _imported_by_name(sources, module) for module in sources.modules}
    assert imports["pipeline.training.program"] >= {"pipeline.training.devices"}
    assert _circle(imports) == []


def test_a_circle_is_seen() -> None:
    assert _circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert set(_circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}


def _circle(imports: dict[str, set[str]]) -> list[str]:
    """The modules of one circle, or none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def _imported_by_name(sources: Any, module: str) -> set[str]:
    """The modules of this project that a module names; `from package import module` names one."""
    found = set()
    for node in sources.running(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in sources.modules else node.module for name in inner}
    return found & sources.modules.keys() - {module}


def test_the_core_knows_nothing_of_the_pipeline_and_little_of_others(sources: Any) -> None:
    for module in sources.modules:
        if not module.startswith("overfit_atlas"):
            continue
        names = sources.imported(module)
        assert not {name for name in names if name.split(".")[0] == "pipeline"}, module
        assert _outside(names) <= LIGHT | ON_REQUEST.get(module, set()), module


def test_judging_loads_only_light_packages() -> None:
    loaded = _loaded_by(["overfit_atlas.judgement", "overfit_atlas.words.sentences"])
    assert "numpy" in loaded
    assert loaded & (HEAVY | {"sklearn", "matplotlib", "optuna", "pipeline"}) == set()
    light = _loaded_by(["overfit_atlas"])
    assert light & LIGHT == set()


def test_no_verb_imports_a_verb(sources: Any) -> None:
    verbs = {module for module in sources.modules if _is_verb(sources, module)}
    assert "pipeline.stages.train" in verbs
    assert "pipeline.stages.cli" not in verbs
    wrong = [(verb, other) for verb in verbs for other in sources.imported_here(verb) & verbs]
    assert wrong == []


def test_all_that_can_be_run_are_stages(sources: Any) -> None:
    verbs = {module for module in sources.modules if _is_verb(sources, module)}
    assert {verb for verb in verbs if _layer(verb) not in RUNNABLE} == set()


def _is_verb(sources: Any, module: str) -> bool:
    guards = [node.test for node in sources.tree(module).body if isinstance(node, ast.If)]
    return "__name__ == '__main__'" in map(ast.unparse, guards)


def test_only_params_reads_yaml(sources: Any) -> None:
    readers = {
        module
        for module in sources.modules
        if {name.split(".")[0] for name in sources.imported(module)} & {"yaml", "ruamel"}
    }
    assert readers == {"pipeline.params"}


def test_only_tracking_imports_mlflow(sources: Any) -> None:
    users = {
        _layer(module)
        for module in sources.modules
        if module not in ON_REQUEST
        and "mlflow" in {name.split(".")[0] for name in sources.imported(module)}
    }
    assert users == {"pipeline.tracking"}


def test_stages_start_without_heavy_modules(sources: Any) -> None:
    stages = sorted(module for module in sources.modules if _layer(module) == "pipeline.stages")
    assert _loaded_by(stages) & HEAVY == set()


def test_light_stages_start_without_slow_modules() -> None:
    assert _loaded_by(["pipeline.stages.download", "pipeline.stages.preprocess"]) & SLOW == set()


def _loaded_by(modules: list[str]) -> set[str]:
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_no_graph_is_made_by_autograph(sources: Any) -> None:
    """It rewrites source code, fails on Python 3.13, and leaves files of killed workers behind."""
    files = [name for name in sources.texts if name.endswith(".py")]
    assert {name for name in files if _autographs(ast.parse(sources.texts[name]))} == set()
    assert _autographs(ast.parse("@tf.function\ndef f(): pass"))
    assert _autographs(ast.parse("tf.function(f, autograph=True)"))
    assert not _autographs(ast.parse("partial(tf.function, autograph=False)"))


def _autographs(tree: ast.Module) -> bool:
    told = [
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        if any(ast.unparse(one) == "autograph=False" for one in node.keywords)
        for part in (node.func, *node.args)
    ]
    return any(
        isinstance(node, ast.Attribute) and ast.unparse(node) == "tf.function" and node not in told
        for node in ast.walk(tree)
    )


def test_functions_and_files_stay_short(sources: Any) -> None:
    long = [
        f"{module}.{function.name}"
        for module in sources.modules
        for function in _functions(sources.tree(module))
        if function.end_lineno - function.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []
    lengths = {
        module: len(path.read_text(encoding="utf-8").splitlines())
        for module, path in sources.modules.items()
        if module not in TABLES
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_functions_take_few_parameters(sources: Any) -> None:
    many = [
        f"{module}.{function.name}"
        for module in sources.modules
        for function in _functions(sources.tree(module))
        if _num_parameters(function) > MOST_PARAMETERS
    ]
    assert many == []


def _num_parameters(function: Any) -> int:
    arguments = function.args
    names = [one.arg for one in arguments.posonlyargs + arguments.args + arguments.kwonlyargs]
    return len([name for name in names if name not in ("self", "cls")])


def test_public_functions_say_what_they_give(sources: Any) -> None:
    silent = [
        f"{module}.{node.name}"
        for module in sources.modules
        for node in sources.tree(module).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        if not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert silent == []
    assert [name for name in sources.modules if not ast.get_docstring(sources.tree(name))] == []


def test_no_file_names_a_machine_or_a_registry(sources: Any) -> None:
    found = [
        f"{name}: {match.group()}"
        for name, text in sources.texts.items()
        for match in FORBIDDEN.finditer(text)
    ]
    assert found == []


@pytest.mark.parametrize("old", ["utils", "constants", "config", "entity", "components"])
def test_no_module_is_a_drawer(sources: Any, old: str) -> None:
    assert [name for name in sources.modules if old in name.split(".")] == []
