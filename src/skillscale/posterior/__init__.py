"""How the posterior is found, kept and reused."""
