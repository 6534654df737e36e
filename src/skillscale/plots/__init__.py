"""Figures of what a posterior answers. Every function returns a Matplotlib figure of its own.

Colours are told apart by the colour-blind: one blue in three depths for intervals, vermilion for
what a model really scored. Nothing touches Matplotlib's global state; save with ``savefig``.

Example:
    >>> import pandas as pd
    >>> import skillscale as sk
    >>> table = sk.load_table("classic").select(
    ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
    ... )
    >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
    >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))

    What models to come will score:

    >>> plan = pd.DataFrame({"model": ["a-70b"], "n_params": [70e9], "n_tokens": [15e12]})
    >>> figure = plot_forecast(sk.forecast(fit, plan, n_draws=200))
    >>> figure.axes[0].get_title(), figure.axes[0].get_xlabel()
    ('a-70b', 'score (points)')

    What to evaluate next, so that this is known better:

    >>> from skillscale.forecasts.next_evaluations import next_evaluations
    >>> ranked = next_evaluations(fit, plan, sizes=[1e9, 7e9], n_draws=200)
    >>> figure = plot_next_evaluations(ranked)
    >>> figure.axes[0].get_xlabel()
    'narrowed by (%), with 2 standard errors'

    And what they will solve with several attempts:

    >>> from skillscale.forecasts.pass_at_k import pass_at_k
    >>> figure = plot_pass_at_k(pass_at_k(fit, plan, benchmark="gsm8k", n_draws=200))
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('attempts', 'gsm8k, solved (points)')

    Which size is best for which skill:

    >>> figure = plot_optimum(sk.optimum(fit, [1e22, 1e23]))
    >>> [ax.get_title() for ax in figure.axes]
    ['knowledge', 'knowledge', 'reasoning', 'reasoning']

    And what it takes to reach a score:

    >>> from skillscale.optima.cheapest import cheapest
    >>> figure = plot_cheapest(cheapest(fit, [0.4, 0.5], sk.Goal(benchmarks=["mmlu"])))
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['least compute (FLOP)', 'its size (parameters)', 'its tokens']

    What other sizes lose:

    >>> figure = plot_regret(sk.regret(fit, [1e23], sk.Goal(["knowledge"])))
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

    What the skills are, of which models and families:

    >>> from skillscale.skills import families, tables
    >>> from skillscale.skills.item_curves import item_curves
    >>> from skillscale.skills.reading import read_skills
    >>> reading = read_skills(fit)
    >>> figure = plot_loadings(tables.loadings(fit, reading))
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['mmlu', 'gsm8k']
    >>> figure = plot_skill_correlations(tables.correlations(fit, reading))
    >>> figure.axes[0].get_xlabel()
    'correlation over models'
    >>> figure = plot_model_skills(tables.model_skills(fit, reading))
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('knowledge', 'reasoning')
    >>> figure = plot_efficiencies(families.efficiencies(fit, reading))
    >>> [ax.get_title() for ax in figure.axes]
    ['knowledge', 'reasoning']
    >>> figure = plot_instruct_effect(families.instruct_effects(fit, reading))
    >>> figure.axes[0].get_xlabel()
    'effect of instruction tuning (units of the skill)'
    >>> figure = plot_item_curves(item_curves(fit, ["mmlu"]))
    >>> figure.axes[0].get_title(), figure.axes[0].get_xlabel()
    ('mmlu', 'linear predictor')

What controlled runs say of losses, of best sizes, and of runs to come:

    >>> from skillscale.runs.estimation import isoflop
    >>> from skillscale.runs.forecast import forecast_losses
    >>> from skillscale.runs.sampling import ManyNuts
    >>> from skillscale.runs.table import load_runs
    >>> runs = load_runs("isoflop").select(losses=["val_c4"], groups=["starcoder"])
    >>> found = isoflop(runs, method=ManyNuts(warmup=50, draws=50))
    >>> figure = plot_isoflop(found, "starcoder")
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('size (parameters)', 'loss')
    >>> [ax.get_ylabel() for ax in plot_runs_optimum(found).axes]
    ['best size (parameters)', 'its tokens']
    >>> plan = pd.DataFrame({"n_params": [1e9], "n_tokens": [2e10]})
    >>> plot_loss_forecast(forecast_losses(found.surfaces, plan)).axes[0].get_title()
    'val c4'

How best sizes of skills compare, and what a validation set of the wrong skills costs (tables by
hand, as `ratios` and `misspecification` make them):

    >>> row = {"group": "web", "flops": 1e19}
    >>> ratio = {"ratio": 1.2, "ratio_lower": 1.1, "ratio_upper": 1.3}
    >>> plot_ratios(pd.DataFrame([row | ratio | {"loss": "code"}])).axes[0].get_xlabel()
    'best size, relative to general'
    >>> wrong = pd.DataFrame(
    ...     row | {"error": t - a, "loss_paid": (t - a) ** 2 / 100}
    ...     | {"true_code": t, "true_web": 1 - t, "assumed_code": a, "assumed_web": 1 - a}
    ...     for t in (0, 1) for a in (0, 1)
    ... )
    >>> figure = plot_misspecification(wrong, "web", 1e19)
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('skill assumed', 'skill that matters')
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
