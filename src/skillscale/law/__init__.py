"""What is believed: the equation, its parameters, and their priors."""
