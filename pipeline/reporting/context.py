"""All that the sections of the page are made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from pipeline.params import Params
from pipeline.plots import style
from pipeline.reporting.diagnoses import Diagnosis
from pipeline.reporting.results import Results
from pipeline.reporting.wording import Wording


@dataclass(frozen=True)
class Context:
    """Results, parameters, the language, and `provenance`: versions and commit by name."""

    results: Results
    params: Params
    provenance: Mapping[str, str]

    @cached_property
    def words(self) -> Wording:
        """Texts and numbers in the language of the page."""
        return Wording(self.params.report.language)

    @property
    def language(self) -> str:
        """The language of the page."""
        return self.params.report.language

    @cached_property
    def colours(self) -> Mapping[str, str]:
        """Each model's colour, the same as in every figure."""
        return style.colours(self.results.models)

    @cached_property
    def diagnoses(self) -> Mapping[str, Diagnosis]:
        """What was diagnosed, by model, in the order of the models."""
        found = self.results.diagnosis
        return {name: Diagnosis(found[name]) for name in self.results.models if name in found}

    @cached_property
    def curves(self) -> Mapping[str, pd.DataFrame]:
        """Learning curves of the models that have a course: an ensemble is not trained itself."""
        found = self.results.curves
        return {name: table for name, table in found.items() if table["epoch"].nunique() > 1}

    def seeds(self, model: str) -> int:
        """How many fits of `model` the results are a mean of."""
        return int(self.results.metrics[model].get("test", {}).get("num_seeds", 1))
