"""Overfit Atlas: where, when and why an image classifier overfits, and which remedy helps."""

__version__ = "0.1.0"
