"""The parts of the page, in files named after them: each has `section(context) -> Section`."""
