"""What the scores of a fit mean: onset, verdict, classes, comparisons, and the map of the gap."""
