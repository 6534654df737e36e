"""Files that are written whole or not at all, and read in full or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import h5py
import xarray as xr

from skillscale.errors import FitFileError


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Args:
        path: the file, in a folder that exists; one that is there is replaced.
        text: what it will hold, as UTF-8.

    Raises:
        FitFileError: the file can't be written.

    Example:
        >>> path = Path(tempfile.mkdtemp()) / "spec.toml"
        >>> write_text(path, "reference_year = 2024")
        >>> path.read_text("utf-8")
        'reference_year = 2024'
    """
    with whole_or_absent(path) as temporary:
        temporary.write_text(text, "utf-8")


def require_writable(path: Path, *, force: bool = False) -> None:
    """Find out whether a file can be written before it is worked for.

    Args:
        path: the file to be written.
        force: whether it may take the place of one that is there.

    Raises:
        FitFileError: its folder is none or can't be written in, or the file is there already.

    Example:
        >>> require_writable(Path(tempfile.mkdtemp()) / "fit.nc")
        >>> require_writable(Path("/no/such/folder/fit.nc"))
        Traceback (most recent call last):
        skillscale.errors.FitFileError: /no/such/folder is no directory: /no/such/folder/fit.nc ...
    """
    if not path.parent.is_dir():
        raise FitFileError(f"{path.parent} is no directory: {path} can't be written there.")
    if path.is_dir():
        raise FitFileError(f"{path} is a directory. Name a file.")
    if not os.access(path.parent, os.W_OK):
        raise FitFileError(f"{path.parent} can't be written in. Name a file elsewhere.")
    if path.exists() and not force:
        raise FitFileError(f"{path} is there already. Give --force to replace it, or another name.")


def require_empty(folder: Path, *, force: bool = False) -> None:
    """Find out whether a folder can be filled before it is worked for, and make it.

    Args:
        folder: made if need be.
        force: whether it may hold files already, which may be replaced.

    Raises:
        FitFileError: it can't be made or written in, or holds files already.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> require_empty(folder)
        >>> write_text(folder / "a", "")
        >>> require_empty(folder)
        Traceback (most recent call last):
        skillscale.errors.FitFileError: ... holds files already. Give --force to replace them, ...
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FitFileError(f"{folder} can't be a directory: {error.strerror}.") from error
    if not os.access(folder, os.W_OK):
        raise FitFileError(f"{folder} can't be written in. Name another.")
    if any(folder.iterdir()) and not force:
        raise FitFileError(
            f"{folder} holds files already. Give --force to replace them, or name another folder."
        )


@contextmanager
def whole_or_absent(path: Path) -> Iterator[Path]:
    """A temporary file beside a path, which takes its place once it is written.

    Args:
        path: the file, in a folder that exists; one that is there is replaced.

    Yields:
        Path of the temporary file; it is removed if writing it raises.

    Raises:
        FitFileError: the file can't be written.

    Example:
        >>> path = Path(tempfile.mkdtemp()) / "scores.csv"
        >>> with whole_or_absent(path) as temporary:
        ...     _ = temporary.write_text("model,mmlu")
        >>> path.exists(), temporary.exists()
        (True, False)
    """
    try:
        handle, name = tempfile.mkstemp(suffix=".tmp", prefix=path.name, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise FitFileError(f"{path} can't be written: {error.strerror}.") from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise FitFileError(f"{path} can't be written: {error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def read_netcdf(path: Path, command: str, groups: Iterable[str] | None = None) -> xr.DataTree:
    """Read a netCDF file.

    Args:
        path: the file.
        command: what writes such files, for sentences.
        groups: names of the groups to read beside the root, with all inside them; every group by
            default. Others are not even opened: a group takes a tenth of a second.

    Returns:
        What it holds, in memory.

    Raises:
        FitFileError: the file is missing, truncated or of another kind.

    Example:
        >>> read_netcdf(Path("/no/such/fit.nc"), "skillscale fit")
        Traceback (most recent call last):
        skillscale.errors.FitFileError: /no/such/fit.nc: no such file. Make one with: skillscale ...
    """
    if not path.is_file():
        raise FitFileError(f"{path}: no such file. Make one with: {command} -o {path.name}")
    try:
        wanted = None if groups is None else set(groups)
        found = {
            name: xr.load_dataset(path, engine="h5netcdf", group=name)
            for name in _look_through(path)
            if wanted is None or name == "/" or name.split("/")[0] in wanted
        }
        return xr.DataTree.from_dict(found)
    except Exception as error:
        raise FitFileError(
            f"{path} can't be read as netCDF ({type(error).__name__}): it is truncated, "
            f"or was not written by {command}. Fit again."
        ) from error


def require_schema(path: Path, found: object, wanted: int) -> None:
    """Require that a file is of the schema that this version reads.

    Args:
        path: the file, for sentences.
        found: its schema.
        wanted: the schema that is read.

    Raises:
        FitFileError: it is another one.

    Example:
        >>> require_schema(Path("fit.nc"), 3, 4)
        Traceback (most recent call last):
        skillscale.errors.FitFileError: fit.nc has schema 3, this version ... reads schema 4. ...
    """
    if str(found) != str(wanted):
        raise FitFileError(
            f"{path} has schema {found}, this version of skillscale reads schema {wanted}. "
            "Fit again, or install the version that wrote it."
        )


def versions() -> dict[str, str]:
    """Versions of what made a fit, to be stored with it.

    Returns:
        A version by package.

    Example:
        >>> sorted(versions())
        ['jax', 'numpy', 'numpyro', 'skillscale']
    """
    return {name: version(name) for name in ("skillscale", "jax", "numpyro", "numpy")}


def _look_through(path: Path) -> list[str]:
    """Names of the groups of a file, whose descriptions can all be read.

    Where they can't, h5netcdf would fail twice.
    """
    groups: list[str] = []

    def look(name: str, node: h5py.Group | h5py.Dataset) -> None:
        dict(node.attrs)
        if isinstance(node, h5py.Group):
            groups.append(name)

    with h5py.File(path) as file:
        look("/", file)
        file.visititems(look)
    return groups
