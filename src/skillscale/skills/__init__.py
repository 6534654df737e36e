"""What the skills are: which benchmarks read them, and which models have them."""
