"""The fit that ships: the default one, thinned, so that a first answer needs no sampling."""

from __future__ import annotations

from skillscale.data.shipped import shipped_directory
from skillscale.posterior.result import Fit


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
    return Fit.load(shipped_directory() / "fit.nc")
