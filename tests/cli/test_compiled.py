"""Compiled programs are kept for later commands, and nothing that befalls them ends a command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from skillscale.cli.compiled import DIRECTORY, KEEP_ALL, bound, keep_programs

CODE = """
from skillscale.cli.compiled import keep_programs
keep_programs()
import jax
import jax.numpy as jnp
print(float(jax.jit(lambda x: jnp.cos(x) + 1)(0.0)))
"""


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """Of a user who has set nothing, with a cache directory of this test."""
    kept = {name: v for name, v in os.environ.items() if name not in (DIRECTORY, *KEEP_ALL)}
    return kept | {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}


def compiles(environment: dict[str, str]) -> None:
    """Run a program: it gives its result and says nothing."""
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("2.0\n", "")


def programs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*-cache")}


def test_programs_are_kept_and_used_again(environment, tmp_path):
    compiles(environment)
    kept = programs(tmp_path)
    assert kept
    compiles(environment)
    assert programs(tmp_path) == kept


@pytest.mark.parametrize("damage", [lambda _: b"", lambda b: b[: len(b) // 2], lambda b: b[::-1]])
def test_a_damaged_program_is_compiled_and_kept_again(environment, tmp_path, damage):
    compiles(environment)
    kept = programs(tmp_path)
    for path in tmp_path.rglob("*-cache"):
        path.write_bytes(damage(path.read_bytes()))
    compiles(environment)
    mended = programs(tmp_path)
    assert mended.keys() == kept.keys()
    assert all(mended[name] != damage(kept[name]) for name in kept)


@pytest.mark.parametrize("obstacle", ["file", "folder"])
def test_what_can_not_be_kept_is_compiled_all_the_same(environment, tmp_path, obstacle):
    """A file in place of the directory; folders in place of its files, which can't be written."""
    if obstacle == "file":
        (tmp_path / "skillscale").write_text("")
    else:
        compiles(environment)
        for path in tmp_path.rglob("*-cache"):
            path.unlink()
            (path / "inside").mkdir(parents=True)
    compiles(environment)
    assert not [path for path in tmp_path.rglob("*-cache") if path.is_file()]


def test_nothing_is_kept_where_the_user_says_so(environment, tmp_path):
    compiles(environment | {"JAX_ENABLE_COMPILATION_CACHE": "false"})
    assert programs(tmp_path) == {}


def test_another_directory_is_left_to_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv(DIRECTORY, str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    keep_programs()
    assert os.environ[DIRECTORY] == str(tmp_path / "own")
    assert list(tmp_path.iterdir()) == []


def test_what_was_used_longest_ago_is_removed_first(tmp_path):
    for age, name in enumerate("abcde"):
        (tmp_path / name).write_bytes(bytes(10))
        os.utime(tmp_path / name, (100 - age, 50))
    bound(tmp_path, 50)
    assert len(list(tmp_path.iterdir())) == 5
    bound(tmp_path, 49)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
