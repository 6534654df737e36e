"""Whether a fit, or a prior, may be trusted."""
