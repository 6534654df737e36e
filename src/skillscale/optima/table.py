"""Results of several objectives along budgets or goals, as a dataset and as rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from skillscale.errors import SpecError
from skillscale.forecasts.examination import SAID
from skillscale.optima.objectives import Objective


def tabulate(
    objectives: Sequence[Objective],
    along: str,
    values: Sequence[float],
    cell: Callable[[Objective, float], Mapping[str, Any]],
    **within: Float[np.ndarray, " n"],
) -> xr.Dataset:
    """What is known of every objective at every budget or goal, as a dataset.

    Args:
        objectives: the first dimension.
        along: name of the second.
        values: budgets or goals along it.
        cell: numbers, words or curves by name.
        **within: name and coordinates of the dimension of curves, if there are any.

    Returns:
        Dataset with dims ``objective``, that of the values and, for curves, theirs.

    Raises:
        SpecError: there are no values.
    """
    if not len(values):
        raise SpecError(f"{along} is empty: name at least one value.")
    cells = [[cell(objective, value) for value in values] for objective in objectives]
    dims = ("objective", along, *within)
    arrays = {name: np.array([[one[name] for one in row] for row in cells]) for name in cells[0][0]}
    return xr.Dataset(
        {name: (dims[: array.ndim], array) for name, array in arrays.items()},
        coords={
            "objective": [objective.name for objective in objectives],
            along: [float(value) for value in values],
            **within,
        },
    )


def long_rows(result: xr.Dataset) -> list[dict[str, str | float]]:
    """A result in long format: one row per cell, as the command line prints it.

    Args:
        result: result of `optimum`, `cheapest` or `regret`.

    Returns:
        Coordinates and numbers of every cell, by name; and ``assumed`` and ``doubts``, sentences
        about observed models that were given, if there is anything to say.

    Example:
        >>> sizes = xr.DataArray([[8e9, 8e10]], {"objective": ["coding"], "flops": [1e22, 1e24]})
        >>> for row in long_rows(sizes.to_dataset(name="n_params")):
        ...     print(row)
        {'objective': 'coding', 'flops': 1e+22, 'n_params': 8000000000.0}
        {'objective': 'coding', 'flops': 1e+24, 'n_params': 80000000000.0}
    """
    frame = result.to_dataframe().reset_index()
    said = {name: " ".join(result.attrs[name]) for name in SAID if result.attrs.get(name)}
    rows = frame.to_dict("records")
    return [{str(key): value for key, value in row.items()} | said for row in rows]
