"""The family beside those of the fit: its skills, and the families it is like."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from skillscale.forecasts.neighbours import reference_scores
from skillscale.formatting import format_count, format_points
from skillscale.intervals import central
from skillscale.posterior.one_family import Production
from skillscale.posterior.result import Fit
from skillscale.report.blocks import (
    Block,
    Cell,
    Columns,
    Figures,
    Row,
    Section,
    Table,
    Words,
    make_table,
)
from skillscale.report.findings import PlanFindings
from skillscale.report.panels import Standing, standings
from skillscale.report.vector import as_svg

N_NEAR = 5
"""Nearest families that are named."""
INTERVAL = 0.8


def family_section(law: Fit, of: PlanFindings) -> Section:
    """The family's skills beside those of known ones.

    Args:
        law: the fit that was asked.
        of: what was found of the plan.

    Returns:
        The section, which says so where nothing is known of the family.
    """
    family, own, near = of.family, of.own, of.neighbours
    label = family.label
    title = (
        f"{label[:1].upper() + label[1:] if label != family.name else label} beside known families"
    )
    if own is None or near is None:
        return Section(
            "family",
            title,
            [
                Words(
                    f"No score of {label} is known, so it is forecast as any new family of "
                    "its date and tuning, with the spread of families in the fit."
                )
            ],
        )
    near = near.drop(index=family.name, errors="ignore")
    names = list(near.index[:N_NEAR])
    families = law.design.coords["family"]
    rows, axis = _standings(law, own, family.name)
    others = [name for name in families if name != family.name]
    figure = standings(rows, axis, [others.index(name) for name in names])
    told = ", ".join(f"{row.name.replace('_', ' ')} {row.median:.2g}" for row in rows)
    key = {"tick": "a family of the fit", "tick near": f"the nearest: {', '.join(names)}"}
    key |= {"observed": f"{label}, with its {100 * INTERVAL:.0f} % interval"}
    blocks: list[Block] = [
        Words(_in_words(law, label, near.head(N_NEAR))),
        Figures(
            f"Where {label} stands among {len(others)} families of the fit",
            [as_svg(figure, "standings", f"{label}: {told}")],
            key,
        ),
        _table(law, own, near.head(N_NEAR), label),
    ]
    if not law.spec.exploratory:
        blocks.append(_ranks(rows, label, len(others)))
    return Section("family", title, blocks)


def _in_words(law: Fit, name: str, near: pd.DataFrame) -> str:
    size = format_count(law.spec.reference_params)
    tokens = format_count(law.spec.reference_tokens)
    return (
        f"A model of {name} of {size} parameters and {tokens} tokens is expected to score most "
        f"like one of {near.index[0]}: {format_points(float(near['distance'].iloc[0]))} points "
        "apart on average over benchmarks. Efficiency is skill at that size and token count; "
        "later and tuned families are ahead."
    )


def _standings(law: Fit, own: Production, name: str) -> tuple[list[Standing], str]:
    """Efficiency by skill, over the spread of families; of unnamed skills scores by benchmark."""
    draws = law.draws(len(own.efficiency))
    families = law.design.coords["family"]
    is_other = np.array([other != name for other in families])
    known = np.asarray(draws.fitted.efficiency, np.float64)
    if law.spec.exploratory:
        link = draws.law.benchmarks.link(law.design.observations.chance)
        names = law.design.coords["benchmark"]
        others = 100 * np.median(reference_scores(known, link), axis=0)
        mine = 100 * reference_scores(own.efficiency[:, None], own.link)[:, 0]
        label = "expected score in points, at one size and token count"
        center, spread = np.zeros(len(names)), np.ones(len(names))
    else:
        names = list(law.spec.skills)
        others, mine = np.median(known, axis=0), own.efficiency
        center, spread = others.mean(axis=0), others.std(axis=0)
        label = "efficiency: standard deviations of families from their mean"
    others, mine = (others - center) / spread, (mine - center) / spread
    lower, upper = central(mine, INTERVAL)
    middle = np.median(mine, axis=0)
    return [
        Standing(skill, others[is_other, k], float(middle[k]), float(lower[k]), float(upper[k]))
        for k, skill in enumerate(names)
    ], label


def _ranks(rows: list[Standing], name: str, n: int) -> Table:
    """Where the family ranks, skill by skill."""
    columns: Columns = {
        "skill": lambda r: str(r["skill"]).replace("_", " "),
        "efficiency": lambda r: Cell(f"{_z(r, 'median')}", f"{_z(r, 'lower')} to {_z(r, 'upper')}"),
        "rank": lambda r: str(r["rank"]),
    }
    told = [
        {**row._asdict(), "skill": row.name, "rank": 1 + int((row.others > row.median).sum())}
        for row in rows
    ]
    caption = (
        f"Skills of {name}: efficiency in standard deviations of families from their mean, "
        f"{100 * INTERVAL:.0f} % intervals beneath, and its rank among {n + 1}"
    )
    return make_table(caption, told, columns)


def _z(row: Row, key: str) -> str:
    return f"{float(row[key]):+.2f}".replace("-", "\N{MINUS SIGN}")


def _table(law: Fit, own: Production, near: pd.DataFrame, label: str) -> Table:
    """Expected scores at the reference, of the family and of those most like it."""
    benchmarks = law.design.coords["benchmark"]
    mine: Float[np.ndarray, " benchmark"]
    mine = np.median(reference_scores(own.efficiency[:, None], own.link)[:, 0], axis=0)
    rows = [
        [
            Cell(benchmark),
            Cell(format_points(float(mine[j]))),
            *(Cell(format_points(float(score))) for score in near[benchmark]),
        ]
        for j, benchmark in enumerate(benchmarks)
    ]
    apart = (Cell(format_points(float(distance))) for distance in near["distance"])
    rows.append([Cell("mean distance"), Cell("0.0"), *apart])
    size, tokens = (format_count(n) for n in (law.spec.reference_params, law.spec.reference_tokens))
    caption = (
        f"Expected scores in points of a model of {size} parameters and {tokens} tokens, of "
        f"{label} and of the families most like it"
    )
    return Table(caption, ["benchmark", label, *near.index], rows, frozenset({0}))
