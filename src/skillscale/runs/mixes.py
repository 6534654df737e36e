r"""How a skill's optimum moves with the data: best size against the share of relevant data.

$$\log N^*_{gk} = c_k + m_k\, s_g + u_{g}, \qquad u_g \sim \mathcal N(0, \tau_k^2)$$

over groups $g$ trained on mixes with a share $s_g$ of data relevant to a skill. A handful of
recipes differ in more than one share, so the slope $m$ is wide unless it is large.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from skillscale.data.problems import checked_cells
from skillscale.data.rules import numbers
from skillscale.data.schema import mixes_schema
from skillscale.data.shipped import shipped_directory
from skillscale.errors import RunsError, known_names
from skillscale.intervals import median_and_ends
from skillscale.runs.estimators import INTERVAL, IsoFlop
from skillscale.runs.power_law import GROUP_SCATTER_SCALE, fit_power_law

LEAST_GROUPS = 3


def load_mixes(path: str | Path | None = None) -> pd.DataFrame:
    """Load a table of what groups were trained on, and check it.

    Args:
        path: CSV file with a column ``group`` and one per kind of data, its share of the training
            tokens (a fraction); a column ``source`` is passed over. By default the table shipped
            with the package, of the six corpora.

    Returns:
        Shares (fractions), one column per kind of data, indexed by group.

    Raises:
        TableError: the file holds problems; the error lists all of them.

    Example:
        >>> load_mixes().loc["proof-pile-2"].to_dict()
        {'code': 0.2, 'mathematics': 0.8, 'education': 0.0}
    """
    path = shipped_directory() / "runs" / "mixes.csv" if path is None else Path(path)

    def shares(cells: pd.DataFrame) -> list[str]:
        return [name for name in cells.columns if name not in ("group", "source")]

    def missing(cells: pd.DataFrame) -> list[str]:
        none = f"{path.name}: no column holds a share. Add one per kind of data."
        return [] if shares(cells) else [none]

    cells = checked_cells(path, lambda c: mixes_schema(shares(c)), ["group"], more=missing)
    groups = pd.Index(cells["group"].to_list(), name="group")
    return cells[shares(cells)].apply(numbers).set_index(groups)


def mix_effects(
    found: IsoFlop,
    shares: pd.DataFrame,
    flops: Sequence[float],
    *,
    interval: float = INTERVAL,
    seed: int = 0,
) -> pd.DataFrame:
    """What more data of a kind does to the best size of every skill.

    Args:
        found: result of `isoflop` on runs with one loss per skill.
        shares: share of data relevant to a skill (columns) in what a group was trained on (index),
            fractions. `load_mixes` reads those of the six corpora.
        flops: budgets in FLOP.
        interval: probability inside the intervals.
        seed: source of randomness.

    Returns:
        One row per share, loss and budget: ``effect``, the factor by which the best size changes
        from a mix without that data to one of nothing else, with ``_lower`` and ``_upper``, and
        ``prob_larger`` that it exceeds one. Losses with a surface in fewer than three of the groups
        have none.

    Raises:
        RunsError: fewer than three groups have shares.
        UnknownNameError: a group with shares is not in the runs.

    Example:
        >>> from skillscale.runs.estimation import isoflop
        >>> from skillscale.runs.sampling import ManyNuts
        >>> from skillscale.runs.table import load_runs
        >>> shares = load_mixes().loc[["starcoder", "proof-pile-2", "fineweb-edu-100b"], ["code"]]
        >>> runs = load_runs("isoflop").select(losses=["val_c4"], groups=shares.index)
        >>> found = isoflop(runs, method=ManyNuts(warmup=50, draws=50))
        >>> mix_effects(found, shares, [1e19]).columns.tolist()
        ['share', 'loss', 'flops', 'effect', 'effect_lower', 'effect_upper', 'prob_larger']
    """
    known_names("group", map(str, shares.index), found.runs.groups, "these runs")
    if len(shares) < LEAST_GROUPS:
        raise RunsError(
            f"{len(shares)} groups have shares and a trend needs {LEAST_GROUPS}. "
            "Train more mixes, one group each, and add their shares."
        )
    surfaces = found.require_surfaces()
    laws = {budget: np.log(surfaces.optimum(budget)) for budget in flops}
    rows = []
    for kind in shares.columns:
        for loss in found.runs.loss_names:
            groups = [g for g in shares.index if (g, loss) in found.trusted]
            if len(groups) < LEAST_GROUPS:
                continue
            for budget in flops:
                logs = laws[budget][[found.index(g, loss) for g in groups]]
                trend = fit_power_law(
                    np.exp(shares.loc[groups, kind].to_numpy(dtype=float)),
                    np.median(logs, axis=1),
                    logs.var(axis=1),
                    surfaces.n_draws,
                    np.random.default_rng(seed),
                    scatter_scale=GROUP_SCATTER_SCALE,
                )
                rows.append(
                    {
                        "share": str(kind),
                        "loss": loss,
                        "flops": float(budget),
                        **median_and_ends("effect", np.exp(trend.exponent), interval),
                        "prob_larger": float((trend.exponent > 0).mean()),
                    }
                )
    return pd.DataFrame(rows)
