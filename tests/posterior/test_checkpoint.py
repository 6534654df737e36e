"""Fits that are stopped go on to the draws that they would have had; other fits are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from skillscale import Fit, Hmc, Spec, Svi, Table, fit, load_table
from skillscale.errors import FitFileError
from skillscale.posterior.checkpoint import IDENTITY, discard, last_kept, opened
from skillscale.posterior.journal import FORGETFUL, Journal
from skillscale.posterior.method import Method
from skillscale.posterior.potential import Potential
from skillscale.posterior.sparsity import Sparsity

HMC = Hmc(chains=2, stages=3, warmup=30, draws=60)
SVI = Svi(draws=50, gradient_steps=50, newton_steps=4)
N_STEPS = {HMC: 1 + 6 + 2 * (2 + 1) + 4 + 1, SVI: 1 + 4 + 1}
"""How often each tells of progress."""
SPEC = Spec(("knowledge",), ("mmlu",), benchmarks=("mmlu",))
NARROW = Potential(
    jnp.zeros(3),
    lambda flat, scores: jnp.sum((flat - scores) ** 2) + 50 * (flat[0] - flat[1]) ** 2,
    lambda flat, scores, key: {"flat": flat},
    Sparsity(np.full(3, Sparsity.SHARED)),
)


class StoppedError(Exception):
    pass


def stopping(at: int) -> Callable[[int, int], None]:
    """Progress that is stopped when it is told for the so-manieth time."""
    calls: list[int] = []

    def on_progress(done: int, total: int) -> None:
        calls.append(done)
        if len(calls) > at:
            raise StoppedError

    return on_progress


def run(method: Method, journal: Journal, on_progress: Callable[[int, int], None]) -> dict:
    scores = jnp.arange(3.0)
    chains = method.run(NARROW, scores, jax.random.key(0), on_progress, journal=journal)
    return {"flat": chains.flat, **chains.stats}


def assert_same(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert values.dtype == other[name].dtype
        assert np.asarray(values).tobytes() == np.asarray(other[name]).tobytes(), name


@pytest.mark.parametrize("method", [HMC, SVI], ids=["hmc", "svi"])
def test_a_run_stopped_at_any_step_goes_on_to_the_same_draws(method, tmp_path):
    told: list[int] = []
    whole = run(method, FORGETFUL, lambda done, total: told.append(done))
    assert len(told) == N_STEPS[method]
    for at in range(len(told)):
        journal = Journal(tmp_path / str(at))
        with pytest.raises(StoppedError):
            run(method, journal, stopping(at))
        later: list[int] = []
        again = run(method, journal, partial(lambda to, done, total: to.append(done), later))
        assert_same(again, whole)
        assert later == told[at:]


@pytest.mark.parametrize("method", [HMC, SVI], ids=["hmc", "svi"])
def test_a_run_stopped_at_every_step_ends_at_last(method, tmp_path):
    whole = run(method, FORGETFUL, lambda done, total: None)
    for _ in range(N_STEPS[method] - 1):
        with pytest.raises(StoppedError):
            run(method, Journal(tmp_path), stopping(1))
    assert_same(run(method, Journal(tmp_path), lambda done, total: None), whole)


@pytest.fixture(scope="module")
def few() -> Table:
    return load_table("classic").select(families=["llama", "llama-2"])


def values(found: Fit) -> dict[str, np.ndarray]:
    groups = found.tree.children.values()
    return {name: a.to_numpy() for g in groups for name, a in g.to_dataset().data_vars.items()}


@pytest.mark.long
@pytest.mark.parametrize(
    ("method", "stops"),
    [(Hmc(chains=2, warmup=8, draws=60), (5, 3)), (SVI, (2, 3))],
    ids=["hmc", "svi"],
)
def test_a_fit_stopped_again_and_again_is_that_of_one_run(few, method, stops, tmp_path):
    folder = tmp_path / "fit.nc.checkpoint"
    whole = fit(few, SPEC, method=method, seed=1)
    for at in stops:
        with pytest.raises(StoppedError):
            fit(few, SPEC, method=method, seed=1, on_progress=stopping(at), checkpoint=folder)
    found = fit(few, SPEC, method=method, seed=1, checkpoint=folder)
    assert_same(values(found), values(whole))
    assert found.provenance == whole.provenance | {"date": found.provenance["date"]}


def test_a_fit_has_its_own_checkpoint(few, tmp_path):
    def asked(seed: int = 0, spec: Spec = SPEC, table: Table = few, **options: int) -> None:
        method = Svi(**{"draws": 50, "gradient_steps": 5, **options})
        fit(table, spec, method=method, seed=seed, on_progress=stopping(1), checkpoint=tmp_path)

    with pytest.raises(StoppedError):
        asked()
    with pytest.raises(StoppedError):
        asked()  # goes on
    for others, words in (
        ({"seed": 7}, "seed is 0 there, 7 is wanted"),
        ({"draws": 60, "seed": 7}, "options.draws is 50 there, 60 is wanted; seed is 0 there, 7"),
        ({"table": few.select(families=["llama"])}, f"data_hash is {few.hash[:40]}... there"),
        ({"spec": Spec(("skill",), ("mmlu",), benchmarks=("mmlu",))}, "spec.skills is"),
    ):
        with pytest.raises(FitFileError, match="is of another fit: ") as refused:
            asked(**others)
        assert words in str(refused.value)
        assert "or begin anew: delete the directory, or give --force" in str(refused.value)


def keep(folder: Path, **identity: object) -> None:
    with opened(folder, identity) as journal:
        journal.once("zero", lambda parts: np.zeros(1), like=np.zeros(1))


def test_a_checkpoint_without_steps_does_not_stay(tmp_path):
    with opened(tmp_path / "made", {}) as journal:
        assert journal.folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_another_version_is_named(tmp_path):
    keep(tmp_path, versions={"jax": "0.1"})
    with pytest.raises(FitFileError, match=r"versions\.jax is 0\.1 there, 0\.2 is wanted"):
        keep(tmp_path, versions={"jax": "0.2"})


def test_a_checkpoint_without_steps_is_of_any_fit(tmp_path):
    (tmp_path / IDENTITY).write_text('{"seed": 0}')
    keep(tmp_path, seed=1)
    assert last_kept(tmp_path) is not None
    assert json.loads((tmp_path / IDENTITY).read_text())["seed"] == 1


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00" * 9])
def test_an_identity_that_can_not_be_read_is_one_clear_error(tmp_path, content):
    keep(tmp_path)
    (tmp_path / IDENTITY).write_text(content)
    with pytest.raises(FitFileError, match=r"fit\.json can't be read"):
        keep(tmp_path)
    discard(tmp_path)
    keep(tmp_path)


def test_folders_of_others_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    for act in (keep, discard):
        with pytest.raises(FitFileError, match="holds files, but is no checkpoint"):
            act(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(FitFileError, match="can't be a directory"):
        keep(tmp_path / "thesis.tex")


def test_remains_of_a_killed_process_go(tmp_path):
    keep(tmp_path)
    (tmp_path / "zero.npzabc.tmp").write_text("")
    keep(tmp_path)
    assert not (tmp_path / "zero.npzabc.tmp").exists()


HOLD = """
import sys
from pathlib import Path
from skillscale.posterior.checkpoint import opened
with opened(Path(sys.argv[1]), {}):
    print("held", flush=True)
    input()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it has other locks")
def test_a_checkpoint_is_one_process_s_until_that_ends_however_it_ends(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with holder:
        assert holder.stdout.readline() == b"held\n"
        for act in (keep, discard):
            with pytest.raises(FitFileError, match=rf"another process \({holder.pid}\) is at work"):
                act(tmp_path)
        holder.kill()
    keep(tmp_path)
    discard(tmp_path)
    assert not tmp_path.exists()
