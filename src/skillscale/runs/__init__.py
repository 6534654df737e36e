"""Controlled training runs: what losses say of size against tokens.

| file | what is in it |
|---|---|
| `table`, `grid` | runs, and whether they form a grid |
| `columns`, `sweeps`, `oddities` | what columns hold, which run of a cell counts, doubts |
| `surface`, `discrepancy` | the equation, and what it leaves unexplained |
| `posterior`, `sampling`, `surfaces`, `coupling` | how surfaces are found, losses jointly |
| `parabola`, `power_law` | the other estimator: a minimum per budget, and the line through them |
| `estimators`, `estimation`, `storage` | the result of both, how it is found, its file |
| `along_size` | what varies with size: how compute is counted, what experts add |
| `agreement` | whether they say the same |
| `huber_fit` | the estimate of others, to compare with |
| `best_sizes`, `laws` | best sizes at budgets, and as laws |
| `size_ratios`, `mixes`, `validation_sets` | best sizes compared, and what moves them |
| `skills` | losses joined by what they measure |
| `forecast` | losses of runs to come |
| `as_evidence` | what goes into a leaderboard fit |
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
