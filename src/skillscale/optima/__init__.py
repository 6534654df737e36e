"""What to train: sizes and tokens for a skill, a benchmark or a mix of them."""
