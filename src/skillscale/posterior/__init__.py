"""How the posterior is found: a Gaussian approximation, and NUTS preconditioned by it."""
