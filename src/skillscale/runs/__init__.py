"""Controlled training runs: what losses say of size against tokens.

| file | what is in it |
|---|---|
| `table`, `grid` | runs, and whether they form a grid |
| `columns`, `sweeps`, `oddities` | what columns hold, which run of a cell counts, doubts |
| `surface`, `discrepancy` | the equation, and what it leaves unexplained |
| `posterior`, `sampling`, `surfaces`, `coupling` | how surfaces are found, losses jointly |
| `parabola`, `power_law` | the other estimator: a minimum per budget, and the line through them |
| `estimators` | the verb that does both, and its result |
| `agreement` | whether they say the same |
| `best_sizes`, `size_ratios`, `mixes`, `validation_sets` | what it answers of best sizes |
| `skills` | losses joined by what they measure |
| `forecast` | losses of runs to come |
| `as_evidence` | what goes into a leaderboard fit |
"""

from skillscale.law.starter import evidence_toml
from skillscale.runs.as_evidence import slope_evidence
from skillscale.runs.best_sizes import exponents, optima
from skillscale.runs.estimators import Estimator, IsoFlop, isoflop
from skillscale.runs.forecast import forecast_losses
from skillscale.runs.mixes import load_mixes, mix_effects
from skillscale.runs.sampling import ManyNuts
from skillscale.runs.size_ratios import ratios
from skillscale.runs.skills import by_skill, load_skills
from skillscale.runs.surfaces import Surfaces, fit_surfaces
from skillscale.runs.table import Runs, load_runs
from skillscale.runs.validation_sets import misspecification, worst_cases

__all__ = [
    "Estimator",
    "IsoFlop",
    "ManyNuts",
    "Runs",
    "Surfaces",
    "by_skill",
    "evidence_toml",
    "exponents",
    "fit_surfaces",
    "forecast_losses",
    "isoflop",
    "load_mixes",
    "load_runs",
    "load_skills",
    "misspecification",
    "mix_effects",
    "optima",
    "ratios",
    "slope_evidence",
    "worst_cases",
]
