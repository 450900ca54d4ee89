"""Comparisons declared in YAML: a baseline, and variants of it over the same seeds.

Start at `record.load`. Everything here is pure but reading that file; `stages/compare` runs it.
"""
