"""Speed and memory against the plain Keras notebook, and the diagnosis against planted truths."""
