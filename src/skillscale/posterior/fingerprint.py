"""What tells one fit from another: a hash of its draws, data and specification."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from skillscale.posterior.result import Fit
from skillscale.posterior.storage import rounded


def fingerprint(fit: Fit) -> str:
    """SHA-256 of what a fit answers from.

    The layout of its file does not count, nor do dates and versions, nor digits that a file leaves
    out: two fits of one hash answer alike.

    Args:
        fit: a fitted law.

    Returns:
        64 hex digits.

    Example:
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> fit = shipped_fit()
        >>> fingerprint(fit) == fingerprint(shipped_fit())
        True
        >>> fingerprint(fit) == fingerprint(fit.thin(10))
        False
    """
    found = hashlib.sha256(json.dumps([fit.table.hash, fit.spec.to_dict()]).encode())
    posterior = rounded(fit.tree["posterior"].to_dataset())
    for name in sorted(map(str, posterior.data_vars)):
        draws = np.ascontiguousarray(posterior[name].to_numpy(), dtype="<f4")
        found.update(json.dumps([name, draws.shape]).encode())
        found.update(draws.tobytes())
    return found.hexdigest()
