"""Notebooks run from top to bottom, in a kernel of their own."""

from __future__ import annotations

import ast
import importlib
import os
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import skillscale as sk

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS_PER_CELL = 900
MOST_BYTES = 1.5e6


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path):
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(
        notebook, timeout=SECONDS_PER_CELL, kernel_name="python3", resources=where
    )
    # The package and the command that are tested, wherever the kernel would find them installed.
    paths = {
        "PYTHONPATH": str(Path(sk.__file__).parents[1]),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    client.execute(env=os.environ | paths)
    assert problems_of(notebook) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_what_there_is(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [c.source for c in cells if c.cell_type == "code" and not c.source.startswith("%%")]
    imports = [
        node for node in ast.walk(ast.parse("\n".join(code))) if isinstance(node, ast.ImportFrom)
    ]
    for node in imports:
        module = importlib.import_module(str(node.module))
        for alias in node.names:
            if not hasattr(module, alias.name):
                importlib.import_module(f"{node.module}.{alias.name}")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_small_and_as_it_ran(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert problems_of(notebook) == []
    assert path.stat().st_size < MOST_BYTES
    text = path.read_text()
    for place in (ROOT, Path.home(), Path("/home"), Path(tempfile.gettempdir())):
        assert f"{place}/" not in text


def problems_of(notebook: nbformat.NotebookNode) -> list[str]:
    """Errors, and what was written to standard error, such as warnings."""
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    errors = [f"{o.ename}: {o.evalue}" for o in outputs if o.output_type == "error"]
    return errors + [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
