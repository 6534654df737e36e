"""The command ``skillscale families``, which needs no draws of a fit."""

from __future__ import annotations

from functools import partial

from skillscale.cli.app import app
from skillscale.cli.inputs import FitFile, Style, read_models_of
from skillscale.cli.output import Format, Row, as_text, number, print_rows
from skillscale.formatting import format_count


@app.command("families")
def families_command(fit_file: FitFile = None, style: Style = Format.TABLE) -> None:
    """List the families of a fit, with their lineage, tuning, release and sizes."""
    models = read_models_of(fit_file)
    rows: list[Row] = [
        {
            "family": str(family),
            "lineage": group["lineage"].iloc[0],
            "tuning": group["tuning"].iloc[0],
            "release": group["release"].min(),
            "n_models": len(group),
            "smallest": float(group["n_params"].min()),
            "largest": float(group["n_params"].max()),
        }
        for family, group in models.groupby("family")
    ]
    print_rows(
        rows,
        style,
        shown={
            **{
                name: partial(as_text, name)
                for name in ("family", "lineage", "tuning", "release", "n_models")
            },
            "sizes": lambda r: (
                f"{format_count(number(r, 'smallest'))} to {format_count(number(r, 'largest'))}"
            ),
        },
    )
