"""Which squares of an image are cut because of border noise, with and without known thermal noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from s1monthly.kernels.grd.flattening import LookGrid
from s1monthly.sources.grd.measurement import border_cut
from s1monthly.sources.grd.product import Product, open_product
from s1monthly.sources.grd.radiometry import noise_table
from s1monthly.sources.grd.simulation.model import model_manifest, model_name
from s1monthly.sources.grd.simulation.write import cropped, tables_for, write_product
from support.grd_products import annotation

LINES, SAMPLES = 3400, 2600


def write(folder: Path, image: np.ndarray, noise_level: float) -> Product:
    lines, samples = image.shape
    part = cropped(annotation(), 0, lines, 0, samples)
    says, (calibration, noise) = model_manifest(part, ("VV",), 22), tables_for(part, 474.0, noise_level)
    given = ({"VV": part}, {"VV": calibration}, {"VV": noise}, {"VV": image})
    return open_product(write_product(folder, model_name(says), says, *given))


def test_border_noise_is_followed_from_the_border_into_the_window(tmp_path: Path) -> None:
    """A tile's window begins within it; a window that begins 2000 samples from the border has none."""
    image = np.full((300, 3600), 60, np.uint16)
    image[12:-12, :600] = 5  # not from the first line, nor to the last
    product = write(tmp_path, image, 1500.0)
    noise = noise_table(product.noise("VV"), 3600)
    cut = border_cut(product, "VV", LookGrid(0, 300, 100, 500, 3), image.shape, noise)
    assert cut[:, :110].all() and not cut[:, 111:].any()  # 10 squares beyond it, too
    image[12:-12, 2400:2700] = 5
    product = write(tmp_path / "dark", image, 1500.0)
    assert not border_cut(product, "VV", LookGrid(0, 2400, 100, 100, 3), image.shape, noise).any()


@pytest.mark.parametrize("black", ["start", "end", ""])
def test_lines_are_cut_where_the_image_begins_or_ends_black(tmp_path: Path, black: str) -> None:
    image = np.ones((LINES, SAMPLES), np.uint16)
    image[{"start": np.s_[:200], "end": np.s_[-200:], "": np.s_[:0]}[black]] = 0
    product, grid = write(tmp_path, image, 0.0), LookGrid(0, 999, LINES // 3, (SAMPLES - 999) // 3, 3)
    cut = border_cut(product, "VV", grid, image.shape, noise_table(product.noise("VV"), SAMPLES))
    first_line, first_sample = np.arange(0, LINES - 2, 3)[:, None], np.arange(999, SAMPLES - 2, 3)
    lines = {"start": first_line < 1600, "end": first_line + 2 >= LINES - 1600, "": first_line < 0}[black]
    np.testing.assert_array_equal(cut, lines | (first_sample < 1000) | (first_sample + 2 >= SAMPLES - 1000))
