"""What is said of real grids: losses beyond the runs, and optima that others have published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skillscale.runs.best_sizes import optima
from skillscale.runs.estimation import isoflop
from skillscale.runs.forecast import forecast_losses
from skillscale.runs.huber_fit import huber_fit_of
from skillscale.runs.laws import coefficients, exponents
from skillscale.runs.surfaces import fit_surfaces
from skillscale.runs.table import load_runs

# Losses beyond the runs

CUTS = (1.05e18, 1.05e19)
"""Most compute of the runs that are fitted, in FLOP."""
KINDS = {"val_": "validation", "task": "tasks"}


def beyond(cut: str) -> dict[str, Any]:
    """Forecast all larger shipped runs from those up to a budget."""
    runs = load_runs("isoflop")
    small, large = runs.select(max_flops=float(cut)), runs.select(min_flops=float(cut))
    surfaces = fit_surfaces(small)
    cells = forecast_losses(surfaces, large.runs.reset_index(), intervals=(90,))
    actual = large.losses.rename_axis("run").reset_index().melt("run", var_name="loss")
    cells = cells.merge(actual.dropna(), on=["run", "loss"])
    cells["huber"] = np.nan
    for (group, loss), own in cells.groupby(["group", "loss"]):
        found = huber_fit_of(small, group, loss)
        cells.loc[own.index, "huber"] = found.loss(own["n_params"], own["n_tokens"])
    budgets = sorted(large.budgets().unique())
    nearest = np.abs(np.log(cells["flops"].to_numpy()[:, None] / budgets)).argmin(axis=1)
    cells["flops"] = np.array(budgets)[nearest]
    cells["kind"] = cells["loss"].str[:4].map(KINDS)
    cells["error"] = cells["median"] / cells["value"] - 1
    cells["huber_error"] = cells["huber"] / cells["value"] - 1
    cells["inside"] = cells["value"].between(cells["lower_90"], cells["upper_90"])
    rows = {
        f"{kind}, {budget:.3g}": _errors(own)
        for (kind, budget), own in cells.groupby(["kind", "flops"])
    }
    return {"cut": cut, "rows": rows | {kind: _errors(own) for kind, own in cells.groupby("kind")}}


def _errors(cells: pd.DataFrame) -> dict[str, float]:
    """Percent: medians over runs of every corpus and loss, and of these the median."""

    def typical(values: pd.Series) -> float:
        by_loss = values.groupby([cells["group"], cells["loss"]]).median()
        return round(float(100 * by_loss.median()), 2)

    return {
        "error": typical(cells["error"].abs()),
        "signed": typical(cells["error"]),
        "huber": typical(cells["huber_error"].abs()),
        "inside": round(float(100 * cells["inside"].mean()), 1),
    }


def by_cut(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Errors by cut, kind of loss and budget."""
    return {result["cut"]: result["rows"] for result in results}


def forecasts_hold(answer: Mapping[str, Any]) -> None:
    """Beyond the runs intervals hold what they say, and no plain fit is better."""
    for cut, rows in answer.items():
        for kind in KINDS.values():
            assert 82 <= rows[kind]["inside"] <= 99.5, (cut, kind, rows[kind])
            assert rows[kind]["error"] < rows[kind]["huber"], (cut, kind, rows[kind])
        assert abs(rows["validation"]["signed"]) < 1, (cut, rows["validation"])


# Published grids


class Published(NamedTuple):
    """What others say of a grid."""

    runs: str
    loss: str
    group: str
    flops: float
    exponent: str
    """Of the best size, as printed there."""
    n_params: str
    source: str


PUBLISHED = {
    "Chinchilla": Published(
        "chinchilla", "loss", "massivetext", 5.76e23, "0.51", "70B", "arXiv:2404.10102"
    ),
    "Chinchilla, with outliers": Published(
        "chinchilla", "loss_with_outliers", "massivetext", 5.76e23, "0.50", "70B",
        "arXiv:2203.15556",
    ),
    "Llama 3": Published("llama3", "loss", "llama-3", 3.8e25, "0.47", "402B", "arXiv:2407.21783"),
    "marin, comma": Published("marin", "val_paloma_macro", "comma", 3e20, "-", "-", "marin 2166"),
    "marin, DCLM": Published("marin", "val_paloma_macro", "dclm", 3e20, "-", "-", "marin 2166"),
    "marin, Nemotron": Published(
        "marin", "val_paloma_macro", "nemotron", 3e20, "-", "-", "marin 2166"
    ),
}  # fmt: skip


def grid(name: str) -> dict[str, Any]:
    """Exponent and best size at a budget by every estimator, beside what was published."""
    known = PUBLISHED[name]
    runs = load_runs(known.runs).select(losses=[known.loss])
    found = isoflop(runs)
    one = found.select(groups=[known.group])
    rows = {"published": {"a": known.exponent, "size": known.n_params, "source": known.source}}
    sizes = optima(one, [known.flops]).set_index("estimator")
    for row in exponents(one).itertuples():
        size = sizes.loc[row.estimator]
        rows[row.estimator] = {
            "a": [row.params_exponent, row.params_exponent_lower, row.params_exponent_upper],
            "size": [size["n_params"], size["n_params_lower"], size["n_params_upper"]],
            "place": size["place"],
        }
    robust = huber_fit_of(runs, known.group, known.loss)
    printed = coefficients(one).set_index("estimator").loc["huber"]
    assert robust.floor == printed["floor"]
    rows["huber"] = {"a": robust.params_exponent, "size": robust.optimum(known.flops)}
    return {"grid": name, "flops": known.flops, "rows": rows}


def by_grid(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Answers by grid."""
    return {result["grid"]: {"flops": result["flops"], **result["rows"]} for result in results}


def grids_agree(answer: Mapping[str, Any]) -> None:
    """Both estimators hold a published exponent, and say much the same of the best size."""
    for name, found in answer.items():
        if found["published"]["a"] != "-":
            low, high = found["surface"]["a"][1:]
            assert low <= float(found["published"]["a"]) + 0.005, name
            assert high >= float(found["published"]["a"]) - 0.005, name
        (_, low, high), (_, other_low, other_high) = (
            found[estimator]["size"] for estimator in ("surface", "parabola")
        )
        assert low < other_high, name
        assert other_low < high, name
