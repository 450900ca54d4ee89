"""All that training depends on: what a fit leaves behind, and how its images are scored."""
