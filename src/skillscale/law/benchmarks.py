"""Which benchmarks of a table a specification fits."""

from __future__ import annotations

from skillscale.data.table import Table
from skillscale.errors import known_names
from skillscale.law.spec import Spec


def chosen_benchmarks(table: Table, spec: Spec) -> list[str]:
    """Benchmarks that a specification fits, in the table's order.

    Args:
        table: models, scores and benchmarks.
        spec: names them, or leaves them open.

    Returns:
        Names: those of the specification; else those of a leaderboard, or all if there are none.

    Raises:
        UnknownNameError: one of them is not in the table.
    """
    known = table.benchmarks.index
    known_names("benchmark", spec.benchmarks, known, "this table")
    if spec.benchmarks:
        return [name for name in known if name in spec.benchmarks]
    on_leaderboard = table.benchmarks["leaderboard"].notna()
    return list(known[on_leaderboard] if on_leaderboard.any() else known)
