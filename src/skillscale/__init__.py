"""Bayesian skill scaling laws: forecast benchmark scores of language models.

Log-parameters and log-tokens, through family-specific efficiencies, give a few latent skills; the
skills predict benchmark scores; the posterior gives forecasts with intervals and compute optima.

| layer | room | what is in it |
|---|---|---|
| 11 | `cli` | the command line |
| 10 | `report` | a page to send, and the explorer in it |
| 9 | `plots` | figures |
| 8 | `ledger` | forecasts that are kept, judged when the truth is known, and compared |
| 7 | `checks` | whether a fit, or a prior, may be trusted |
| 7 | `backtest` | what would have been answered, beside the truth, baselines, the published law |
| 6 | `optima` | what to train: best sizes and tokens, the cheapest model, regret |
| 5 | `forecasts` | what models will score, what to evaluate next, doubts about what was observed |
| 5 | `skills` | what the skills are and who has them, and the coordinates they are read in |
| 4 | `posterior` | how the law is found: samplers, `fit`, its result and file, added benchmarks |
| 4 | `runs` | controlled runs: loss surfaces, parabolas, best sizes, losses to come |
| 3 | `law` | what is believed: equation, parameters, families, scatter, priors, specification |
| 3 | `imports` | what others write, as tables: harnesses, leaderboards, tables of any shape |
| 2 | `data` | tables in, checked: models, scores, benchmarks, plans, observed models |
| 2 | `files` | files written whole or not at all |
| 1 | `errors` | sentences about what is wrong |
| 1 | `formatting` | numbers as people read them |
| 1 | `intervals` | where central intervals end |

A room imports rooms of lower layers only. What several rooms need stands below them: plans are
filled in by `data.plan`, compute is counted by `law.compute`. Folders and files are nouns and verbs
are functions, so that no function hides a module.
"""

from importlib.metadata import version

import lazy_loader

__version__ = version("skillscale")

# Names are in `__init__.pyi`, and are imported when they are asked for: not all need all of this.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
