"""Chunks read and written without zarr: the same files, byte by byte, and the same values."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, ZstdCodec

from s1monthly.cube.axis import prepare
from s1monthly.cube.chunks import ChunkForm, lost_chunks, read_slot, write_rows
from s1monthly.cube.create import CODEC
from s1monthly.cube.write import write_month
from s1monthly.grid.lattice import GeoBox
from s1monthly.model import Month
from support.cube_samples import BANDS, months, spec_of

SHAPE, CHUNK, SLOT = (70, 45), (32, 16), 2
KINDS = {"float32": (np.nan, CODEC), "uint8": (0, BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle", typesize=1))}


@pytest.fixture(params=list(KINDS))
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def made(folder: Path, dtype: str, **changes: Any) -> zarr.Array:
    fill, codec = KINDS.get(dtype, KINDS["float32"])
    how: dict[str, Any] = {"chunks": (1, *CHUNK), "fill_value": fill, "compressors": codec, "dtype": dtype} | changes
    return zarr.create_array(folder, shape=(4, *SHAPE), config={"write_empty_chunks": False}, **how)


def form_of(folder: Path) -> ChunkForm:
    return ChunkForm.of(json.loads((folder / "zarr.json").read_text()))


def values(dtype: str) -> np.ndarray:
    """With an empty chunk, one that is empty but for its edge, and every kind of float."""
    rng = np.random.default_rng(3)
    found = rng.normal(-12, 4, SHAPE).astype("float32") if dtype == "float32" else rng.integers(0, 9, SHAPE, "uint8")
    found[:32, :16] = KINDS[dtype][0]
    found[32:64, :15] = KINDS[dtype][0]
    if dtype == "float32":
        found[40, 20:25] = (np.inf, -np.inf, -0.0, 0.0, np.nan)
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in (folder / "c").rglob("*") if path.is_file()}


def write(folder: Path, form: ChunkForm, given: np.ndarray, pool: ThreadPoolExecutor) -> None:
    for row in range(0, SHAPE[0], CHUNK[0]):
        for written in write_rows(folder, form, SLOT, row, given[row : row + CHUNK[0]], pool):
            written.result()


def test_files_are_those_of_zarr(tmp_path: Path, dtype: str, pool: ThreadPoolExecutor) -> None:
    by_zarr = made(tmp_path / "zarr", dtype)
    by_zarr[SLOT] = given = values(dtype)
    form = form_of(tmp_path / "zarr")
    assert (form.shape, form.chunk, form.dtype) == (SHAPE, CHUNK, np.dtype(dtype))
    write(tmp_path / "ours", form, given, pool)
    assert files(tmp_path / "ours") == files(tmp_path / "zarr")
    assert f"c/{SLOT}/0/0" not in files(tmp_path / "ours") and len(files(tmp_path / "ours")) == 8


def test_values_are_read_bit_by_bit(tmp_path: Path, dtype: str, pool: ThreadPoolExecutor) -> None:
    by_zarr = made(tmp_path, dtype)
    by_zarr[SLOT] = given = values(dtype)
    form = form_of(tmp_path)
    found = read_slot(tmp_path, form, SLOT, pool)
    assert found.dtype == dtype and found.flags.c_contiguous
    bits = f"u{found.itemsize}"
    np.testing.assert_array_equal(found.view(bits), given.view(bits))
    np.testing.assert_array_equal(found, by_zarr[SLOT])
    np.testing.assert_array_equal(read_slot(tmp_path, form, 0, pool), np.full(SHAPE, KINDS[dtype][0], dtype))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:10],
        lambda data: b"",
        lambda data: data + b"\0",
        lambda data: data[:4] + b"\0\1\0\0" + data[8:],
        lambda data: data[:16] + b"\xff" * (len(data) - 16),
    ],
    ids=["cut short", "no header", "nothing", "longer", "of another size", "no values"],
)
def test_damaged_chunks_are_refused(tmp_path: Path, damage: Callable[[bytes], bytes], pool: ThreadPoolExecutor) -> None:
    made(tmp_path, "float32")[SLOT] = values("float32")
    chunk, form = tmp_path / "c" / str(SLOT) / "1" / "1", form_of(tmp_path)
    chunk.write_bytes(damage(chunk.read_bytes()))
    with pytest.raises((ValueError, RuntimeError)):
        read_slot(tmp_path, form, SLOT, pool)


def test_files_that_cannot_be_written_or_read_are_told(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    made(tmp_path, "uint8")[SLOT] = given = values("uint8")
    form = form_of(tmp_path)
    (tmp_path / "c" / "3").write_text("in the way")
    written = write_rows(tmp_path, form, 3, 0, given[:32], pool)
    with pytest.raises(OSError, match="c/3"):
        [one.result() for one in written]
    with pytest.raises(OSError, match="c/3"):
        read_slot(tmp_path, form, 3, pool)


OTHERS: dict[str, dict[str, Any]] = {
    "zstd without Blosc": {"compressors": ZstdCodec(level=3)},
    "shards": {"shards": (1, 64, 64), "chunks": (1, 32, 32)},
    "not compressed": {"compressors": None},
    "big-endian": {"dtype": ">f4", "serializer": zarr.codecs.BytesCodec(endian="big")},
    "another fill value": {"fill_value": 0.0},
    "several slots a chunk": {"chunks": (2, *CHUNK)},
    "another type": {"dtype": "float64"},
    "other keys": {"chunk_key_encoding": {"name": "default", "separator": "."}},
    "version 2 keys": {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_arrays_of_another_form_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    made(tmp_path, **{"dtype": "float32"} | changes)
    with pytest.raises((ValueError, KeyError)):
        form_of(tmp_path)


def test_metadata_that_are_none_of_an_array_are_refused(tmp_path: Path) -> None:
    made(tmp_path, "float32")
    metadata = json.loads((tmp_path / "zarr.json").read_text())
    for key in ("shape", "chunk_grid", "data_type", "codecs", "fill_value", "chunk_key_encoding"):
        for other in (None, [], {}, "x"):
            with pytest.raises((ValueError, KeyError, TypeError)):
                ChunkForm.of(metadata | {key: other})


def test_lost_chunks_are_found_by_name_and_length(tmp_path: Path) -> None:
    """A cube of one texture: single pixels in one chunk, all pixels in another, none in the third."""
    store = tmp_path / "store.zarr"
    prepare(store, spec_of(box=GeoBox(32610, 300.0, 600000.0, 4200000.0, 96, 32)), *months("2021-11", "2021-11"))
    count = np.zeros((32, 96), np.uint8)
    count[::8, :32:8] = count[:, 32:64] = 1
    power = np.where(count > 0, 1, np.nan).astype(np.float32)
    write_month(store, Month(2021, 11), dict.fromkeys(BANDS, power), count)
    names = (*BANDS, "VV_glcm_contrast")
    shutil.copytree(store / "VV_dB", store / "VV_glcm_contrast")
    (store / "VV_glcm_contrast" / "c" / "0" / "0" / "0").unlink()
    assert lost_chunks(store, 0, names, count) == [], "pixels without neighbours have no texture"
    (store / "VV_glcm_contrast" / "c" / "0" / "0" / "1").write_bytes(b"")
    assert lost_chunks(store, 0, names, count) == ["VV_glcm_contrast: 1 of 1 chunks missing or cut short (0/1)"]
    (store / "VH_dB" / "c" / "0" / "0" / "0").unlink()
    assert lost_chunks(store, 0, names, count)[0] == "VH_dB: 1 of 2 chunks missing or cut short (0/0)"
