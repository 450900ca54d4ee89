"""What single images say: which were learned and forgotten again."""
