"""What single images say: learned and forgotten, memorised, mislabelled, copied."""
