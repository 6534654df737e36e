"""Figures of what a posterior answers. Every function returns a Matplotlib figure of its own.

Colours are told apart by the colour-blind: one blue in three depths for intervals, vermilion for
what a model really scored. Nothing touches Matplotlib's global state; save with ``savefig``.

Example:
    >>> import pandas as pd
    >>> import skillscale as sk
    >>> table = sk.load_table().select(
    ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
    ... )
    >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
    >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))

    What models to come will score:

    >>> plan = pd.DataFrame({"model": ["a-70b"], "n_params": [70e9], "n_tokens": [15e12]})
    >>> figure = plot_forecast(sk.forecast(fit, plan, n_draws=200))
    >>> figure.axes[0].get_title(), figure.axes[0].get_xlabel()
    ('a-70b', 'score (points)')

    Which size is best for which skill:

    >>> figure = plot_optimum(sk.optimum(fit, flops=[1e22, 1e23]))
    >>> [ax.get_title() for ax in figure.axes]
    ['knowledge', 'knowledge', 'reasoning', 'reasoning']

    What other sizes lose:

    >>> figure = plot_regret(sk.regret(fit, [1e23], ["knowledge"]))
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['expected loss (points)', 'compute to make up']

    How skills grow with size and tokens:

    >>> figure = plot_level_curves(fit, ["knowledge"])
    >>> figure.axes[0].get_title()
    'knowledge (points of mmlu)'

    How scores grow with size:

    >>> figure = plot_score_curves(fit, ["mmlu"], families=["llama-2", "qwen1.5"])
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('size (parameters)', 'score (points)')
"""

from skillscale.plots.calibration import plot_calibration
from skillscale.plots.canvas import ACTUAL
from skillscale.plots.forecasts import plot_forecast, plot_score_curves
from skillscale.plots.levels import plot_level_curves
from skillscale.plots.optima import plot_optimum
from skillscale.plots.regret import plot_regret

__all__ = [
    "ACTUAL",
    "plot_calibration",
    "plot_forecast",
    "plot_level_curves",
    "plot_optimum",
    "plot_regret",
    "plot_score_curves",
]
