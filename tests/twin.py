"""The link in plain numpy, as the equation has it, for tests that need scores worked by hand."""

from __future__ import annotations

import numpy as np

LEVEL = 0.15


def stretch(k: float) -> float:
    """What gives the link with asymmetry k the logistic's slope at predictor zero."""
    return LEVEL / (k * (1 - (1 - LEVEL) ** (1 / k)))


def link(predictor: np.ndarray, k: float) -> tuple[np.ndarray, np.ndarray]:
    """Share of the range above chance, and its derivative in the predictor."""
    odds = ((1 - LEVEL) ** (-1 / k) - 1) * np.exp(stretch(k) * predictor)
    return 1 - (1 + odds) ** -k, k * stretch(k) * odds * (1 + odds) ** (-k - 1)
