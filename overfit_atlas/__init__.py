"""Judges whether any training overfits: the light core."""
