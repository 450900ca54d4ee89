"""Comparisons declared in YAML: a baseline, and variants of it over the same seeds.

Start at `record.load`; `running` runs one, for the stages `compare` and `classics`. The rest is
pure.
"""
