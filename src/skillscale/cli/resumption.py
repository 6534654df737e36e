"""Fits that were stopped: what lies there of them, how they go on, and what is said of it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from skillscale.cli.output import note
from skillscale.errors import FitFileError
from skillscale.files import require_writable
from skillscale.posterior.checkpoint import discard, last_kept

RESUME = "--resume"


def checkpoint_of(output: Path, *, resume: bool, force: bool, form: str | None = None) -> Path:
    """Where the steps of a fit are kept until it is saved, once it is clear what becomes of others.

    Args:
        output: where the fit will be saved.
        resume: whether it goes on from steps that are there.
        force: whether files and steps that are there may be replaced.
        form: name of a form of the law, where the output will hold several.

    Returns:
        A directory beside the output; it need not be there.

    Raises:
        FitFileError: the output can't be written, is there already, or steps are there that were
            not spoken of.
    """
    of_form = "" if form is None else f".{form}"
    checkpoint = output.with_name(f"{output.name}{of_form}.checkpoint")
    at = last_kept(checkpoint)
    if resume and not force and _has_ended(output, at):
        raise FitFileError(
            f"{output} is there already: its fit has ended, and there is nothing to go on with. "
            "Give --force to fit again."
        )
    require_writable(output, force=force)
    if at is not None and not resume and not force:
        raise FitFileError(
            f"{checkpoint} holds steps of a fit that did not end, the last kept {_ago(at)}. "
            f"Give {RESUME} to go on from there, or --force to begin anew."
        )
    return checkpoint


def begin(checkpoint: Path, *, resume: bool) -> None:
    """Say what a fit goes on from, or discard it."""
    at = last_kept(checkpoint)
    if not resume:
        discard(checkpoint)
    elif at is None:
        note(f"There is no {checkpoint} to go on from: the fit begins.")
    else:
        note(f"Going on from {checkpoint}, last kept {_ago(at)}.")


@dataclass
class Reached:
    """How far a fit is: says so where it goes on, and where it is interrupted.

    Attributes:
        show: told the steps done and all steps.
        steps: what it was told last; None before.
    """

    show: Callable[[int, int], None]
    steps: tuple[int, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show progress; at first, what was taken over."""
        if self.steps is None and done:
            note(f"Taken over: {done} of {total} steps.")
        self.steps = done, total
        self.show(done, total)

    def interrupted(self, output: Path, checkpoint: Path) -> str:
        """What to say of an interrupt: how far the fit came, and the command that goes on."""
        if last_kept(checkpoint) is None or self.steps is None:
            return f"Interrupted: {output} was not written."
        done, total = self.steps
        asked = sys.argv[1:]
        command = shlex.join(["skillscale", *asked, *([] if RESUME in asked else [RESUME])])
        return (
            f"Interrupted after {done} of {total} steps: {output} was not written. "
            f"Go on with: {command}"
        )


def _has_ended(output: Path, at: datetime | None) -> bool:
    """Whether a fit was saved after its last step: it may be killed before these are removed."""
    if not output.exists() or at is None:
        return output.exists()
    return datetime.fromtimestamp(output.stat().st_mtime, UTC) >= at


def _ago(at: datetime) -> str:
    """A time, and how long ago it was."""
    minutes = round((datetime.now(UTC) - at).total_seconds() / 60)
    if minutes < 1:
        age = "less than a minute"
    elif minutes < 120:
        age = "a minute" if minutes == 1 else f"{minutes} minutes"
    else:
        hours = round(minutes / 60)
        age = f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"
    return f"{age} ago ({at.astimezone():%Y-%m-%d %H:%M})"
