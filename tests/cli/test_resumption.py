"""`skillscale fit` killed, interrupted and resumed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import skillscale as sk
from skillscale.cli.app import app
from skillscale.errors import FitFileError
from skillscale.posterior.checkpoint import last_kept, opened
from small import write_table

MAIN = "import sys; sys.argv[0] = 'skillscale'; from skillscale.cli.app import main; main()"
MOST_LOST = 60.0
"""Seconds of work that a kill may cost."""
unix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals are Unix's")


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    """A fit of the table in a folder."""
    command = ("fit", "--data", "data", "--spec", "spec.toml", "-o", "fit.nc", *arguments)
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(folder: Path, *arguments: str) -> str:
    """What a fit says that must succeed."""
    process = start(folder, *arguments)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert [p.name for p in folder.iterdir() if p.suffix == ".checkpoint"] == []
    return said


def kill(folder: Path, after: float, *arguments: str) -> float | None:
    """Seconds of work lost by a kill; None if the fit was saved before."""
    begun = time.time()
    process = start(folder, *arguments)
    try:
        _, said = process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        if (folder / "fit.nc").exists():
            return None
        at = last_kept(folder / "fit.nc.checkpoint")
        return time.time() - max(begun, at.timestamp() if at else begun)
    assert process.returncode == 0, said
    return None


def kills(folder: Path, n: int, seconds: float, *arguments: str) -> Iterator[float]:
    """Kill fits ``n`` times, each some time after it begins or goes on; work lost by each."""
    rng = random.Random(0)
    while n:
        lost = kill(folder, rng.uniform(0, seconds), "--resume", *arguments)
        if lost is None:
            assert_same(folder / "whole.nc", folder / "fit.nc")
            (folder / "fit.nc").unlink()
        else:
            n -= 1
            yield lost


def assert_same(one: Path, other: Path) -> None:
    """Two fits have the same draws and statistics, in every bit."""
    trees = [sk.Fit.load(path).tree for path in (one, other)]
    for group in trees[0].children:
        draws, others = (tree[group].to_dataset().data_vars for tree in trees)
        assert list(draws) == list(others)
        for name, values in draws.items():
            assert values.dtype == others[name].dtype
            assert values.to_numpy().tobytes() == others[name].to_numpy().tobytes(), name


def fit_whole(folder: Path, *arguments: str) -> float:
    """Fit once without a stop, as ``whole.nc``; the seconds it takes."""
    begun = time.monotonic()
    finish(folder, *arguments)
    (folder / "fit.nc").rename(folder / "whole.nc")
    return time.monotonic() - begun


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder with a table and a specification that are soon fitted."""
    write_table(sk.load_table("classic").select(families=["llama", "llama-2"]), tmp_path / "data")
    (tmp_path / "spec.toml").write_text(
        'skills = ["knowledge"]\nanchors = ["mmlu"]\nbenchmarks = ["mmlu"]\n'
    )
    return tmp_path


@unix_only
@pytest.mark.long
def test_a_killed_fit_goes_on_to_the_same_draws(small):
    asked = ("--draws", "50", "--chains", "1")
    fit_whole(small, *asked)
    assert max(kills(small, 2, 10, *asked)) < MOST_LOST
    finish(small, "--resume", *asked)
    assert_same(small / "whole.nc", small / "fit.nc")


@unix_only
@pytest.mark.slow
def test_a_fit_killed_twenty_times_goes_on_to_the_same_draws(table, tmp_path):
    write_table(table, tmp_path / "data")
    (tmp_path / "spec.toml").write_text(
        'skills = ["knowledge", "reasoning"]\nanchors = ["mmlu", "gsm8k"]\n'
    )
    seconds = fit_whole(tmp_path)
    lost = list(kills(tmp_path, 20, seconds))
    said = finish(tmp_path, "--resume")
    assert_same(tmp_path / "whole.nc", tmp_path / "fit.nc")
    print(f"{seconds:.0f} s without a stop; lost: {[round(s, 1) for s in lost]}\n{said}")
    assert max(lost) < MOST_LOST


@unix_only
@pytest.mark.long
def test_an_interrupt_says_how_to_go_on_and_that_goes_on(small):
    asked = ("--draws", "100000", "--chains", "1")
    process = start(small, *asked)
    while not (small / "fit.nc.checkpoint" / "steps.npz").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "Interrupted after " in said
    assert " of 100200 steps: fit.nc was not written." in said
    assert said.endswith(
        "Go on with: skillscale fit --data data --spec spec.toml -o fit.nc --draws 100000 "
        "--chains 1 --resume\n"
    )
    process = start(small, *asked, "--resume")
    said = [process.stderr.readline() for _ in range(3)]
    process.kill()
    process.communicate()
    assert said[0].startswith("Going on from fit.nc.checkpoint, last kept less than a minute ago")
    assert said[1].startswith("Taken over: ")
    assert int(said[1].split()[2]) >= 100 + 25
    assert said[2].startswith("Fitting 92 scores: 0%")


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A folder with the steps of some fit."""
    with opened(tmp_path / "fit.nc.checkpoint", {"seed": 5}) as journal:
        journal.once("zero", lambda parts: np.zeros(1), like=np.zeros(1))
    return tmp_path


def error_of(folder: Path, *arguments: str) -> str:
    """The error that a fit ends in."""
    result = CliRunner().invoke(app, ["fit", "-o", str(folder / "fit.nc"), *arguments])
    assert isinstance(result.exception, FitFileError), result.output
    return str(result.exception)


def test_steps_that_are_there_are_not_lost_unasked(stopped):
    said = error_of(stopped)
    assert "fit.nc.checkpoint holds steps of a fit that did not end" in said
    assert "less than a minute ago" in said
    assert "Give --resume to go on from there, or --force to begin anew." in said
    assert last_kept(stopped / "fit.nc.checkpoint") is not None


def test_steps_of_another_fit_are_not_gone_on_from(stopped):
    said = error_of(stopped, "--resume", "--method", "svi")
    assert "is of another fit: " in said
    assert "seed is 5 there, 0 is wanted" in said


@pytest.mark.parametrize("folder", ["tmp_path", "stopped"])
def test_a_fit_that_has_ended_has_nothing_to_go_on_with(request, folder):
    folder = request.getfixturevalue(folder)  # the one was killed before its steps were removed
    (folder / "fit.nc").write_text("")
    assert "its fit has ended, and there is nothing to go on with" in error_of(folder, "--resume")
    assert "is there already. Give --force" in error_of(folder)


def test_another_fit_in_the_place_of_one_needs_force_to_go_on(stopped):
    (stopped / "fit.nc").write_text("")
    os.utime(stopped / "fit.nc", (0, 0))
    assert "is there already. Give --force" in error_of(stopped, "--resume")
    said = error_of(stopped, "--resume", "--force", "--method", "svi")
    assert "is of another fit: " in said


def test_without_steps_a_fit_begins(tmp_path, monkeypatch):
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("skillscale.cli.fit.fit", interrupted)
    result = CliRunner().invoke(app, ["fit", "-o", str(tmp_path / "fit.nc"), "--resume"])
    assert result.exit_code == 130
    assert "There is no " in result.stderr
    assert result.stderr.endswith("was not written.\n")
