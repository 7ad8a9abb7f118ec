"""The Zarr store of a tile's static layers: one group a track, each layer an array (y, x) on the tile's grid.

Groups are written whole or not at all, side by side, and never changed in place. A group counts as written when the
store's root names it. Its attribute ``s1monthly`` says what it was made of (`StaticOrigin`).

``xarray.open_zarr(path, group="T137")`` opens the layers of a track; coordinates and CRS equal those of the cube.
"""

from __future__ import annotations

import base64
import json
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s1monthly.cube.header import ATTRIBUTE
from s1monthly.cube.static_header import StaticOrigin, read_origins
from s1monthly.cube.transaction import cube_errors, flush, locked, replace_store, staging
from s1monthly.errors import CubeError
from s1monthly.granule_names import STATIC_LAYERS
from s1monthly.grid.lattice import GeoBox
from s1monthly.layout import track_name
from s1monthly.model import Stack

__all__ = ["StaticOrigin", "StaticWriter", "new_group", "read_origins", "read_static"]

REMEDY = "delete the group's folder and run again: the static granules of the track are read again"


def read_static(path: str | Path, track: int, layer: str, rows: slice = slice(None)) -> NDArray[Any]:
    """Read rows of a static layer of a track.

    Parameters
    ----------
    path : path
        The store, ``Layout.static_store``.
    track : int
        Track of the passes, such as 137.
    layer : str
        One of `layout.STATIC_LAYERS`, such as ``rtc_anf_gamma0_to_beta0``.
    rows : slice
        Rows of the tile's grid; all by default.

    Returns
    -------
    array (rows, columns)
        float32 with NaN for no data; of ``mask`` uint8 with 255 for no data.

    Raises
    ------
    CubeError
        If the store has no such track or layer, or is damaged.

    Examples
    --------
    >>> factors = read_static(
    ...     "output/10SGD_ASCENDING/zarr/S1_static.zarr", 137, "rtc_anf_gamma0_to_beta0", slice(0, 64)
    ... )  # doctest: +SKIP
    """
    import zarr  # here, since the plan reads origins and no values

    if layer not in STATIC_LAYERS:
        raise CubeError(f"static layer {layer}: there is none", f"ask for one of {', '.join(STATIC_LAYERS)}")
    try:
        array = zarr.open_array(Path(path) / track_name(track) / layer, mode="r")
        values: NDArray[Any] = np.asarray(array[rows])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CubeError(
            f"static layers {path}, {track_name(track)}: {layer} cannot be read ({error})", REMEDY
        ) from error
    return values


class StaticWriter:
    """Writes the layers of a new group one at a time; made by `new_group`."""

    def __init__(self, folder: Path, geobox: GeoBox, chunks: tuple[int, int]) -> None:
        self._folder, self._geobox = folder, geobox
        self._chunks = tuple(min(chunk, size) for chunk, size in zip(chunks, geobox.shape, strict=True))

    def write(self, name: str, values: NDArray[Any], attributes: Mapping[str, Any]) -> None:
        """Write a layer: (rows, columns) on the grid, float32 with NaN or uint8 with 255 for no data.

        `attributes` are CF's, such as units.
        """
        import zarr

        from s1monthly.cube.create import blosc, create_array
        from s1monthly.cube.layout import GRID_MAPPING

        floating = values.dtype == np.float32
        fill = float("nan") if floating else 255
        described = {**attributes, "grid_mapping": GRID_MAPPING, "coordinates": GRID_MAPPING}
        if floating:  # with a _FillValue, xarray would turn classes into float
            described["_FillValue"] = base64.b64encode(struct.pack("<d", fill)).decode()
        layout: dict[str, Any] = {"shape": self._geobox.shape, "chunks": self._chunks, "dimension_names": ("y", "x")}
        codec = blosc("lz4", 5, values.itemsize)
        create_array(self._folder / name, values.dtype.name, fill, described, codec, **layout)
        zarr.open_array(self._folder / name, mode="r+")[...] = values


@contextmanager
def new_group(
    path: str | Path, origin: StaticOrigin, geobox: GeoBox, chunks: tuple[int, int]
) -> Iterator[StaticWriter]:
    """Write the group of a track: all layers, or nothing if an error ends the context.

    Parameters
    ----------
    path : path
        The store; created if needed.
    geobox : GeoBox
        The tile's grid.
    chunks : tuple of int
        Rows and columns of a chunk.

    Raises
    ------
    CubeError
        If the disk reports an error.
    """
    from s1monthly.cube.create import create_space, geozarr_attributes, group_document

    path, name = Path(path), track_name(origin.track)
    with cube_errors(path, f"writing {name}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with staging(path, name) as folder:
            group = folder / name
            group.mkdir()
            yield StaticWriter(group, geobox, chunks)
            create_space(group, geobox)
            attributes = {
                "Conventions": "CF-1.11",
                "title": f"Sentinel-1 static layers of tile {origin.tile}, track {origin.track},"
                f" {Stack.parse(origin.direction).pooled.passes}",
                "source": origin.source,
                **geozarr_attributes(geobox),
                ATTRIBUTE: asdict(origin),
            }
            members = [*STATIC_LAYERS, "y", "x", "spatial_ref"]
            document = group_document(group, attributes, members)
            (group / "zarr.json").write_text(document, "utf-8")
            flush(group)
            with locked(path):
                path.mkdir(exist_ok=True)
                replace_store(group, path / name)
                root = folder / "zarr.json"
                root.write_text(_root_document(path), "utf-8")
                flush(folder)
                os.replace(root, path / "zarr.json")


def _root_document(path: Path) -> str:
    """Return the ``zarr.json`` of a store with the metadata of all its groups, where xarray looks for them."""
    metadata: dict[str, Any] = {}
    for group in sorted(path.glob("T*/zarr.json")):
        document = json.loads(group.read_text("utf-8"))
        arrays = document.pop("consolidated_metadata")["metadata"]
        metadata[group.parent.name] = document
        metadata |= {f"{group.parent.name}/{name}": array for name, array in arrays.items()}
    consolidated = {"kind": "inline", "must_understand": False, "metadata": metadata}
    root = {"zarr_format": 3, "node_type": "group", "attributes": {}, "consolidated_metadata": consolidated}
    return json.dumps(root, indent=2, ensure_ascii=False, allow_nan=False)
