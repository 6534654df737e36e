"""What moved between two fits or two forecasts, by how much, and because of what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import xarray as xr

from skillscale.errors import SkillscaleError
from skillscale.ledger.causes import causes_of_entries, causes_of_fits
from skillscale.ledger.entry import Entry
from skillscale.optima.goal import Goal
from skillscale.optima.optimum import optimum
from skillscale.posterior.result import Fit

FLOPS = (1e24,)
"""Budgets of the optima that are compared."""
KEY = ["fold", "model", "benchmark"]
SIDES = ("_a", "_b")
ENDS = {"median": 50, "lower_80": 10, "upper_80": 90, "lower_95": 2.5, "upper_95": 97.5}
"""What is compared of forecasts, and percent below it."""


@dataclass(frozen=True, eq=False, repr=False)
class Diff:
    """What moved between ``a`` and ``b``, and because of what.

    Attributes:
        moved: one table per kind of answer, what moved most first. Of forecasts ``forecasts``; of
            fits ``parameters, scores`` and, for named skills, ``optima``. All have columns that
            name a row, the values ``..._a, ..._b`` and what ``moved``: from ``a`` to ``b``.
        causes: in what they differ, as `skillscale.ledger.causes.causes_of_entries` has it.
        chance: how far a median or mean moves by the draws alone, in standard deviations (one
            standard error; of draws that are correlated more).
        said: sentences about what can't be compared.
    """

    moved: Mapping[str, pd.DataFrame]
    causes: pd.DataFrame
    chance: float
    said: list[str]

    def __repr__(self) -> str:
        rows = ", ".join(f"{len(table)} {name}" for name, table in self.moved.items())
        return f"Diff({rows}; {len(self.causes)} differences)"


def diff(a: Fit | Entry, b: Fit | Entry, *, flops: Sequence[float] = FLOPS) -> Diff:
    """Compare two fits, or two forecasts.

    Args:
        a: the one.
        b: the other.
        flops: budgets in FLOP, of the optima that are compared between fits.

    Returns:
        What moved and because of what.

    Raises:
        SkillscaleError: one is a fit and the other a forecast, or they have nothing in common.

    Example:
        >>> from skillscale.posterior.shipped import shipped_fit
        >>> fit = shipped_fit()
        >>> found = diff(fit.thin(50), fit, flops=[])
        >>> found.causes["what"].tolist()
        ['fit', 'settings']
        >>> bool(found.moved["parameters"]["moved"].abs().median() < 2 * found.chance)
        True
    """
    if isinstance(a, Entry) and isinstance(b, Entry):
        return _of_entries(a, b)
    if isinstance(a, Entry) or isinstance(b, Entry):
        raise SkillscaleError("a fit and a forecast can't be compared. Name two of a kind.")
    return _of_fits(a, b, flops)


def _of_entries(a: Entry, b: Entry) -> Diff:
    one, other = (_kept(entry) for entry in (a, b))
    both = one.merge(other, on=KEY, suffixes=SIDES)
    if both.empty:
        raise SkillscaleError(
            f"{a.name} and {b.name} have no model and benchmark in common, so nothing can be "
            "compared."
        )
    if (both["fold"] == both["fold"].iloc[0]).all():
        both = both.drop(columns="fold")
    both["moved"] = both["median_b"] - both["median_a"]
    both["moved_sd"] = both["moved"] / np.sqrt((both["sd_a"] ** 2 + both["sd_b"] ** 2) / 2)
    wide_a, wide_b = (both[f"upper_80{side}"] - both[f"lower_80{side}"] for side in SIDES)
    both["width_80_moved"] = wide_b - wide_a
    n_draws = [_n_draws(entry) for entry in (a, b)]
    chance = math.sqrt(math.pi / 2 * sum(1 / n for n in n_draws))
    said = [
        f"{entry.name} alone has {n} more forecasts."
        for entry in (a, b)
        if (n := len(entry.forecasts) - len(both))
    ]
    return Diff({"forecasts": _sorted(both)}, causes_of_entries(a, b), chance, said)


def _n_draws(entry: Entry) -> int:
    """Draws that are independent: those of the law."""
    options = entry.document["options"]
    return int(options.get("n_draws", entry.forecasts["n_draws"].min()))


def _kept(entry: Entry) -> pd.DataFrame:
    """Medians and ends of intervals of every forecast, fractions."""
    at = {
        name: [np.interp(level, entry.levels, own) for own in entry.quantiles]
        for name, level in ENDS.items()
    }
    return entry.forecasts[[*KEY, "sd"]].assign(**at)


def _of_fits(a: Fit, b: Fit, flops: Sequence[float]) -> Diff:
    posteriors = [fit.tree["posterior"].to_dataset() for fit in (a, b)]
    tables, said = _parameters(*posteriors)
    moved = {"parameters": tables, "scores": _scores(a, b)}
    skills = [skill for skill in a.spec.skills if skill in b.spec.skills]
    if flops and skills and not (a.spec.exploratory or b.spec.exploratory):
        moved["optima"] = _optima(a, b, skills, flops)
    chance = math.sqrt(sum(1 / (p.sizes["chain"] * p.sizes["draw"]) for p in posteriors))
    return Diff(moved, causes_of_fits(a, b), chance, said)


def _parameters(a: xr.Dataset, b: xr.Dataset) -> tuple[pd.DataFrame, list[str]]:
    """Posterior means and standard deviations of every parameter that both have."""
    parts, alone = [], sorted(map(str, set(a.data_vars) ^ set(b.data_vars)))
    said = [f"only one has {name}." for name in alone]
    for name in map(str, a.data_vars):
        if name not in b:
            continue
        try:
            one, other = (
                _summary(draws)
                for draws in xr.align(a[name], b[name], join="inner", exclude=("chain", "draw"))
            )
        except ValueError:  # dimensions without names, of different lengths
            said.append(f"{name} has another shape.")
            continue
        both = one.merge(other, left_index=True, right_index=True, suffixes=SIDES)
        parts.append(both.assign(parameter=name).reset_index())
    found = pd.concat(parts, ignore_index=True)
    sd = np.sqrt((found["sd_a"] ** 2 + found["sd_b"] ** 2) / 2)
    found = found.assign(moved=(found["mean_b"] - found["mean_a"]) / sd)
    columns = ["parameter", "of", "mean_a", "mean_b", "sd_a", "sd_b", "moved"]
    return _sorted(found.loc[sd > 0, columns]), said


def _summary(draws: xr.DataArray) -> pd.DataFrame:
    """Mean and standard deviation of a parameter, by the names of its entries."""
    both = ("chain", "draw")
    mean, sd = (moment.to_numpy().ravel() for moment in (draws.mean(both), draws.std(both)))
    dims = [dim for dim in draws.dims if dim not in both]
    names = [", ".join(map(str, key)) for key in product(*(draws[dim].to_numpy() for dim in dims))]
    return pd.DataFrame({"mean": mean, "sd": sd}, pd.Index(names, name="of"), dtype=float)


def _scores(a: Fit, b: Fit) -> pd.DataFrame:
    """Expected scores of models that both were fitted to, fractions."""
    one, other = (_expected(fit) for fit in (a, b))
    both = one.merge(other, left_index=True, right_index=True, suffixes=SIDES).reset_index()
    return _sorted(both.assign(moved=both["expected_b"] - both["expected_a"]))


def _expected(fit: Fit) -> pd.DataFrame:
    names = [fit.design.coords[dim] for dim in ("model", "benchmark")]
    index = pd.MultiIndex.from_product(names, names=["model", "benchmark"])
    mean = np.asarray(fit.expected_scores()).mean(axis=0, dtype=float)
    return pd.DataFrame({"expected": mean.T.ravel()}, index)


def _optima(a: Fit, b: Fit, skills: list[str], flops: Sequence[float]) -> pd.DataFrame:
    """Best sizes of skills, which move by a factor."""
    kept = ["n_params", "n_params_lower", "n_params_upper", "verdict"]
    one, other = (optimum(fit, flops, Goal(skills)).to_dataframe().reset_index() for fit in (a, b))
    key = ["objective", "flops"]
    both = one[[*key, *kept]].merge(other[[*key, *kept]], on=key, suffixes=SIDES)
    return both.assign(moved=both["n_params_b"] / both["n_params_a"])


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    """What moved most first."""
    return table.sort_values("moved", key=abs, ascending=False, kind="stable", ignore_index=True)
