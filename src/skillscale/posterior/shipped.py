"""The fit that ships: by all forms, thinned, so that a first answer needs no sampling."""

from __future__ import annotations

from skillscale.data.shipped import fit_file
from skillscale.posterior.result import Fit
from skillscale.posterior.stack import Stack


def shipped_fit() -> Fit:
    """Load the fit that comes with the package.

    Returns:
        The default fit of the shipped table, of 220 draws per chain.

    Raises:
        FitFileError: the file is damaged, or of another version.

    Example:
        >>> fit = shipped_fit()
        >>> fit.tree["posterior"].sizes["draw"]
        220
    """
    return Fit.load(fit_file())


def shipped_stack() -> Stack:
    """Load the same with the fits of the other forms, which answers about optima rest on.

    Returns:
        Fits of the shipped table by every production function; of those that are not the default
        one 55 draws per chain.

    Raises:
        FitFileError: the file is damaged, or of another version.

    Example:
        >>> list(shipped_stack().fits)
        ['translog', 'quadratic', 'additive', 'two-term']
    """
    return Stack.load(fit_file())
