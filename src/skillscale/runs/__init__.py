"""Controlled training runs: what losses say of size against tokens.

| room | what is in it |
|---|---|
| `table`, `grid` | runs, the skills of their losses, and whether they form a grid |
| `surface`, `discrepancy` | the equation, and what it leaves unexplained |
| `posterior`, `sampling`, `surfaces`, `coupling` | how surfaces are found, losses jointly |
| `parabola`, `power_law` | the other estimator: a minimum per budget, and the line through them |
| `isoflop` | the verb that does both, and its result |
| `optima`, `skills`, `mixes`, `misspecification` | what it answers of best sizes |
| `planned` | losses of runs to come |
| `evidence` | what goes into a leaderboard fit |
"""
