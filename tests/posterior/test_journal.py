"""What a journal keeps, what it gives back, and what it does with files it can't read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from skillscale.posterior.journal import FORGETFUL, Journal


class State(NamedTuple):
    """Arrays of every type that samplers have."""

    at: jax.Array
    key: jax.Array
    old_key: jax.Array
    exact: np.ndarray
    parts: tuple[dict[str, jax.Array], None]


def first_state() -> State:
    return State(
        at=jnp.asarray([np.nan, -0.0, 1e-40], jnp.float32),
        key=jax.random.split(jax.random.key(0), 2),
        old_key=jax.random.PRNGKey(1),
        exact=np.array([0.1, 1 / 3]),
        parts=({"is_late": jnp.array(True), "n": jnp.int32(7)}, None),
    )


def bits(tree: object) -> list[tuple]:
    def data(leaf: object) -> np.ndarray:
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf)

    leaves = jax.tree.leaves(tree)
    return [(type(leaf), leaf.dtype, data(leaf).tobytes()) for leaf in leaves]


class Walk:
    """A series of random steps, which counts those it takes."""

    def __init__(self, stop_at: int = 1000) -> None:
        self.taken: list[int] = []
        self.stop_at = stop_at

    def __call__(self, i: int, state: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        if i == self.stop_at:
            raise KeyboardInterrupt
        self.taken.append(i)
        state = state + jax.random.normal(jax.random.key(i), (3,))
        return state, {"at": state, "i": jnp.int32(i)}

    def go(self, journal: Journal, n: int = 6) -> tuple[jax.Array, list[dict[str, np.ndarray]]]:
        return journal.series("walk", self, jnp.zeros(3), n)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def same(one: object, other: object) -> bool:
    return jax.tree.structure(one) == jax.tree.structure(other) and bits(one) == bits(other)


def test_what_was_computed_comes_back_bit_for_bit(journal):
    state = first_state()
    kept = journal.once("state", lambda parts: state, like=state)
    found = journal.once("state", lambda parts: pytest.fail("computed again"), like=first_state())
    assert same(kept, state)
    assert same(found, state)
    assert not found.parts[0]["n"].weak_type


def test_a_series_goes_on_where_it_was_stopped(journal):
    whole = Walk().go(FORGETFUL)
    stopped, rest = Walk(stop_at=4), Walk()
    with pytest.raises(KeyboardInterrupt):
        stopped.go(journal)
    found = rest.go(Journal(journal.folder))
    assert (stopped.taken, rest.taken) == ([0, 1, 2, 3], [4, 5])
    assert same(found, whole)
    again = Walk()
    assert same(again.go(journal), whole)
    assert again.taken == []


def test_a_series_ends_where_it_is_enough_whether_it_was_stopped_or_not(journal):
    def is_enough(outputs: list[dict[str, np.ndarray]]) -> bool:
        return len(outputs) == 4

    whole = FORGETFUL.series("walk", Walk(), jnp.zeros(3), 6, is_enough)
    assert same(whole, Walk().go(FORGETFUL, 4))
    for stop_at in (2, 4):
        stopped = Journal(journal.folder / str(stop_at))
        with pytest.raises(KeyboardInterrupt):
            stopped.series("walk", Walk(stop_at), jnp.zeros(3), 6)
        assert same(stopped.series("walk", Walk(), jnp.zeros(3), 6, is_enough), whole)


def test_outputs_stay_and_of_the_states_only_the_last(journal):
    def step(i: int, state: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        return state + 1, {"total": state.sum()}

    journal.series("large", step, jnp.zeros(10_000), 8)
    files = sorted(journal.folder.rglob("*.npz"))
    assert len(files) == 8 + 1
    assert sum(file.stat().st_size > 40_000 for file in files) == 1


def test_parts_of_finished_work_are_dropped(journal):
    def work(parts: Journal) -> jax.Array:
        state, _ = Walk().go(parts)
        assert len(list(journal.folder.rglob("*.npz"))) == 7
        return state

    journal.once("warmup", work, like=jnp.zeros(3))
    assert [path.name for path in journal.folder.rglob("*")] == ["warmup.npz"]


def test_parts_of_work_that_was_stopped_are_taken_over(journal):
    counted: list[Walk] = []

    def work(parts: Journal) -> jax.Array:
        counted.append(Walk(stop_at=1000 if counted else 3))
        return counted[-1].go(parts)[0]

    with pytest.raises(KeyboardInterrupt):
        journal.once("warmup", work, like=jnp.zeros(3))
    journal.once("warmup", work, like=jnp.zeros(3))
    assert [walk.taken for walk in counted] == [[0, 1, 2], [3, 4, 5]]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def turned(path: Path) -> None:
    """One bit of the numbers is another."""
    content = bytearray(path.read_bytes())
    content[content.index(b"NUMPY") + 124] ^= 1
    path.write_bytes(content)


def foreign(path: Path) -> None:
    path.write_text("no arrays at all")


def pickled(path: Path) -> None:
    np.savez(path, **{str(i): np.array([object()]) for i in range(2)})


def of_other_shapes(path: Path) -> None:
    np.savez(path, **{"0": np.array(6), "1": np.zeros(4, np.float32)})


@pytest.mark.parametrize("damage", [cut, emptied, turned, foreign, pickled, Path.unlink])
@pytest.mark.parametrize("file", ["walk.npz", "walk/0002.npz"])
def test_what_can_not_be_read_is_computed_again(journal, damage, file):
    whole = Walk().go(journal)
    damage(journal.folder / file)
    again = Walk()
    assert same(again.go(journal), whole)
    assert again.taken == list(range(6))


def test_a_state_of_other_shapes_is_computed_again(journal):
    whole = Walk().go(journal)
    of_other_shapes(journal.folder / "walk.npz")
    assert same(Walk().go(journal), whole)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(jnp.zeros(3), id="shape"),
        pytest.param(jnp.zeros(2, jnp.int32), id="type"),
        pytest.param(np.zeros(2, np.float32), id="numpy"),
        pytest.param((jnp.zeros(2),), id="structure"),
    ],
)
def test_what_could_not_be_taken_over_is_not_kept(journal, value):
    with pytest.raises(TypeError, match="wanted what is like"):
        journal.once("value", lambda parts: value, like=jnp.zeros(2))


def test_weak_types_are_not_kept(journal):
    weak = jnp.asarray(1.0)
    assert weak.weak_type
    with pytest.raises(TypeError, match="not weak"):
        journal.once("value", lambda parts: weak, like=weak)


def test_a_journal_that_keeps_nothing_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Walk().go(FORGETFUL)
    FORGETFUL.once("state", lambda parts: first_state(), like=None)
    assert list(tmp_path.iterdir()) == []
