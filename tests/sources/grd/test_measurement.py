"""The border of products whose noise is not known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from s1monthly.kernels.grd.flattening import LookGrid
from s1monthly.sources.grd.measurement import border_cut
from s1monthly.sources.grd.product import open_product
from s1monthly.sources.grd.radiometry import noise_table
from s1monthly.sources.grd.simulation.model import model_manifest, model_name
from s1monthly.sources.grd.simulation.write import cropped, tables_for, write_product
from support.grd_products import annotation

LINES, SAMPLES = 3400, 2600


@pytest.mark.parametrize("black", ["start", "end", ""])
def test_lines_are_cut_where_the_image_begins_or_ends_black(tmp_path: Path, black: str) -> None:
    part = cropped(annotation(), 0, LINES, 0, SAMPLES)
    image = np.ones((LINES, SAMPLES), np.uint16)
    image[{"start": np.s_[:200], "end": np.s_[-200:], "": np.s_[:0]}[black]] = 0
    says, (calibration, noise) = model_manifest(part, ("VV",), 22), tables_for(part, 474.0, 0.0)
    folder = write_product(
        tmp_path, model_name(says), says, {"VV": part}, {"VV": calibration}, {"VV": noise}, {"VV": image}
    )
    product, grid = open_product(folder), LookGrid(0, 999, LINES // 3, (SAMPLES - 999) // 3, 3)
    cut = border_cut(product, "VV", grid, image.shape, noise_table(product.noise("VV"), SAMPLES))
    first_line, first_sample = np.arange(0, LINES - 2, 3)[:, None], np.arange(999, SAMPLES - 2, 3)
    lines = {"start": first_line < 1600, "end": first_line + 2 >= LINES - 1600, "": first_line < 0}[black]
    np.testing.assert_array_equal(cut, lines | (first_sample < 1000) | (first_sample + 2 >= SAMPLES - 1000))
