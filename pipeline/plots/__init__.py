"""One function a figure: table in, matplotlib Figure out; writes no file. See `style` for the look.

Each figure function has a `language`; many have a neighbour `*_finding` that gives the sentence
which states what the figure shows, for captions and alternative texts.
"""
