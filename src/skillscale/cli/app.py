"""The application: its commands, and what it does where one fails.

A command imports what it uses when it is asked for; until then, its name and a line are known.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from skillscale import __version__
from skillscale.errors import SkillscaleError

COMMANDS = {
    "demo": ("demo", "Hold out a lineage, fit the rest, forecast its large models, and compare."),
    "data": ("data", "Tables of models, benchmarks and scores."),
    "import": ("imports", "Files that others wrote, as tables: harnesses, leaderboards, tables."),
    "fit": ("fit", "Fit the law to a table of scores: by default the shipped one."),
    "check": ("fit", "Check convergence, fit and influence; exit code 1 if anything FAILs."),
    "forecast": (
        "forecast",
        "Forecast scores: of a fitted family, of a new one, or of one never observed.",
    ),
    "score": (
        "score",
        "Did forecasts hold? Kept ones beside what models really scored, and beside simpler laws.",
    ),
    "diff": (
        "diff",
        "Compare two fits or two forecasts: what moved, by how much, and because of what.",
    ),
    "next": (
        "next_evaluations",
        "Rank what to evaluate or train next by how much it is expected to narrow a forecast.",
    ),
    "optimum": (
        "optimum",
        "Best size and tokens for a skill, a benchmark or a target, and whether the data know it.",
    ),
    "pass-at-k": (
        "pass_at_k",
        "Forecast how much of a benchmark is solved by at least one of k attempts.",
    ),
    "isoflop": (
        "isoflop",
        "Best sizes and tokens by skill from controlled runs, with intervals.",
    ),
    "report": (
        "report",
        "Write a report of a forecast, a fit or controlled runs: one HTML file to send.",
    ),
    "skills": (
        "skills",
        "What the skills are: which benchmarks read them, which families have them.",
    ),
    "families": (
        "families",
        "List the families of a fit, with their lineage, tuning, release and sizes.",
    ),
    "priors": ("fit", "Print every prior with its numbers, before anything is sampled."),
    "spec": ("fit", "Print a specification to start from: every key with its value and meaning."),
    "add-benchmark": (
        "add_benchmark",
        "Add benchmarks to a fit from the scores of a few of its models, without fitting again.",
    ),
    "backtest": (
        "backtest",
        "Forecast what is known already from what would have been known before, and compare.",
    ),
    "backtest-next": (
        "backtest_next",
        "Does the advice of skillscale next pay? Reveal true scores as advised, and at random.",
    ),
}
"""Module of every command, and the line about it: the first of its docstring."""


class Commands(TyperGroup):
    """Commands that are imported when they are called, in the order of `COMMANDS`.

    Typer has Click inside, or beside itself, by its version; its types are left open here.
    """

    is_listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command; while help is printed, what stands for one that is not imported."""
        if cmd_name not in COMMANDS:
            return None
        module, line = COMMANDS[cmd_name]
        if cmd_name not in self.commands:
            if self.is_listing:
                return TyperCommand(cmd_name, help=line)
            from skillscale.cli.compiled import keep_programs

            keep_programs()
            import_module(f"skillscale.cli.{module}")
            if not gc.isenabled():  # put off by `main`: what is imported is never garbage
                gc.freeze()
                gc.enable()
            self.commands.update(typer.main.get_group(app).commands)
        return self.commands[cmd_name]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help of all commands."""
        self.is_listing = True
        super().format_help(ctx, formatter)
        self.is_listing = False


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"skillscale {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Bayesian skill scaling laws: forecast benchmark scores, find compute optima."""


def main() -> None:
    """Run a command: errors about input end in one message and exit code 2."""
    gc.disable()  # until modules are imported: a quarter of the time of a short command
    try:
        app(standalone_mode=True)
    except SkillscaleError as error:
        from skillscale.cli.output import messages

        messages.print(f"[bold red]Error:[/] {type(error).__name__}: ", end="", highlight=False)
        messages.print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except Exception:
        if _has_device():
            raise
        from skillscale.cli.output import note

        asked = os.environ.get("JAX_PLATFORMS")
        note(
            f"Error: JAX finds no device for JAX_PLATFORMS={asked}. Unset it to use the processor."
        )
        sys.exit(2)
    finally:
        gc.enable()


def _has_device() -> bool:
    """Whether JAX can compute at all: what it raises where it can't differs by version."""
    import jax

    try:
        return bool(jax.devices())
    except Exception:
        return False
