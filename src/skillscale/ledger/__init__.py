"""A ledger of forecasts: kept before the truth is known, judged when it is.

| file | what is in it |
|---|---|
| `entry`, `reading` | a forecast that is kept, with all that is needed to judge it, and its file |
| `provenance` | where a forecast is from |
| `baselines` | what simpler laws forecast from the same scores |
| `actual` | what models really scored |
| `distribution` | how a forecast that is kept as quantiles is judged |
| `judgement` | forecasts beside what was scored: of each, and pooled |
| `causes`, `changes` | in what two fits or forecasts differ, and what moved by it |

Example:
    >>> import pandas as pd
    >>> import skillscale as sk
    >>> from skillscale.posterior.shipped import shipped_fit
    >>> fit = shipped_fit()
    >>> plan = pd.DataFrame({"model": ["nova-70b"], "n_params": [70e9], "n_tokens": [15e12]})

    Today a forecast is made and kept (`Entry.save` writes it, `read_entries` reads such files):

    >>> result = sk.forecast(fit, plan, n_draws=200)
    >>> entry = make_entry(fit, result, plan, name="2026-12-nova")

    Later it is judged:

    >>> found = score([entry], pd.DataFrame({"mmlu": [0.81], "bbh": [0.62]}, ["nova-70b"]))
    >>> found
    Judgement(1 forecasts, 2 scores)
    >>> found.summary()["method"].tolist()[:4]
    ['skillscale', 'flops', 'flops_family', 'last_observed']

    And compared with one that was made otherwise:

    >>> again = make_entry(fit, sk.forecast(fit, plan, n_draws=200, seed=1), plan)
    >>> diff(entry, again).causes.to_numpy().tolist()
    [['seed', 'seed', 0, 1]]
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
