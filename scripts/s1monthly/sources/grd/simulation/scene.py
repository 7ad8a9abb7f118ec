"""A made-up place: hills, water, fields and woods, as a DEM and as GRD products that show it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from s1monthly.model import Direction
from s1monthly.raster.geotiff import GDAL_OPTIONS
from s1monthly.sources.grd.simulation.model import (
    BISTATIC_REFERENCE,
    ground_at,
    model_annotation,
    model_manifest,
    model_name,
)
from s1monthly.sources.grd.simulation.walk import Field, beta0
from s1monthly.sources.grd.simulation.write import cropped, digital_numbers, noise_image, tables_for, write_product

CALIBRATION, NOISE, LOOKS = 474.0, 1500.0, 4.4
"""Value of the table of beta0, thermal noise in squared digital numbers, and looks: as in real products."""

GAMMA0 = {
    "VV": {"water": -19.0, "field": -11.0, "wood": -7.5},
    "VH": {"water": -27.0, "field": -18.5, "wood": -13.0},
}
"""Gamma0 in decibels."""

MORE_RELIEF = 2000.0
"""Metres that `beta0` must look further than the relief demands: it begins from a mean radius of the Earth."""

STEP = 1 / 1200
"""Degrees between nodes of DEM and backscatter: 93 m."""


@dataclass(frozen=True)
class Place:
    """A place on Earth with ground that was made up.

    Attributes
    ----------
    longitude, latitude : float
        Its centre, in degrees.
    half : float
        Half of its side, in degrees: the DEM reaches as far.
    """

    longitude: float
    latitude: float
    half: float = 0.9

    @cached_property
    def _nodes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        count = math.ceil(self.half / STEP)
        along = np.arange(-count, count + 1) * STEP
        return np.meshgrid(self.longitude + along, self.latitude - along)

    def _field(self, values: NDArray[np.floating]) -> Field:
        lon, lat = self._nodes
        return Field(float(lon[0, 0]), float(lat[0, 0]), STEP, STEP, np.ascontiguousarray(values, np.float32))

    @cached_property
    def heights(self) -> Field:
        """Heights above the ellipsoid: hills of 250 m, 6 km apart, and a plain in the west."""
        lon, lat = self._nodes
        x, y = (lon - self.longitude) * 2 * math.pi / 0.07, (lat - self.latitude) * 2 * math.pi / 0.05
        hills = np.clip(np.sin(x + np.sin(y / 3)) * np.cos(y) + 0.3, 0, None)
        return self._field(60 + 190 * hills * np.clip((lon - self.longitude) * 40 + 0.7, 0, 1))

    def gamma0(self, layer: str, month: int = 6) -> Field:
        """Return linear gamma0: lakes in the plain, woods on the hills; fields are brightest in June."""
        lon, lat = self._nodes
        x, y = (lon - self.longitude) * 2 * math.pi / 0.05, (lat - self.latitude) * 2 * math.pi / 0.04
        level = GAMMA0[layer]
        season = 1.5 * math.cos((month - 6) * math.pi / 6)
        ground = np.full(lon.shape, level["field"] + season)
        ground[self.heights.values > 110] = level["wood"]
        ground[(np.sin(x) * np.sin(y) > 0.8) & (self.heights.values < 70)] = level["water"]
        return self._field(10 ** (ground / 10))

    def write_dem(self, path: Path) -> Path:
        """Write the heights as a GeoTIFF in longitude and latitude."""
        heights = self.heights
        path.parent.mkdir(parents=True, exist_ok=True)
        transform = rasterio.Affine(STEP, 0, heights.west - STEP / 2, 0, -STEP, heights.north + STEP / 2)
        rows, columns = heights.values.shape
        with (
            rasterio.Env(**GDAL_OPTIONS),
            rasterio.open(
                path, "w", driver="GTiff", dtype="float32", count=1, height=rows, width=columns, crs="EPSG:4326",
                transform=transform, compress="deflate", predictor=3,
            ) as dataset,
        ):  # fmt: skip
            dataset.write(heights.values, 1)
        return path

    def write_slices(
        self,
        folder: Path,
        when: np.datetime64,
        direction: Direction,
        track: int,
        *,
        slices: int = 1,
        lines: int = 600,
        samples: int = 640,
        datatake: int = 1,
        levels: Mapping[str, Field] | None = None,
    ) -> list[Path]:
        """Write products of one datatake, one after the other along the flight, whose middle is the place's centre.

        Parameters
        ----------
        folder : Path
            Folder of the products.
        when : datetime64
            Time at which the centre is seen, UTC.
        direction : Direction
            Flight direction.
        track, datatake : int
            Numbers of relative orbit and datatake.
        slices : int
            Number of products.
        lines, samples : int
            Size of each image, in pixels of 10 m.
        levels : mapping of str to Field, optional
            Linear gamma0 by polarization, instead of `gamma0`.

        Returns
        -------
        list of Path
            SAFE folders.
        """
        month = int(str(when)[5:7])
        ground = levels or {layer: self.gamma0(layer, month) for layer in ("VV", "VH")}
        whole = model_annotation(self.longitude, self.latitude, when, direction, "VV", datatake=datatake)
        every = np.arange(float(whole.samples))
        lon, lat = ground_at(whole, whole.lines / 2, every)
        first_line = (whole.lines - slices * lines) // 2
        first_sample = int(np.hypot(lon - self.longitude, lat - self.latitude).argmin()) - samples // 2
        rng = np.random.default_rng([int(when.astype("datetime64[s]").astype(np.int64)), track])
        made = []
        for number in range(slices):
            part = cropped(whole, first_line + number * lines, lines, first_sample, samples)
            power = beta0(
                part,
                self.heights,
                ground,
                reference=BISTATIC_REFERENCE,
                relief=MORE_RELIEF + float(np.ptp(self.heights.values)),
            )
            annotations = {layer: replace(part, polarization=layer) for layer in ground}
            tables = {layer: tables_for(annotations[layer], CALIBRATION, NOISE) for layer in ground}
            images = {}
            for layer, beta in power.items():
                level = noise_image(tables[layer][1], lines, samples)
                images[layer] = digital_numbers(beta, CALIBRATION, level, LOOKS, rng)
            manifest = model_manifest(part, tuple(ground), track)
            calibrations = {layer: table[0] for layer, table in tables.items()}
            noises = {layer: table[1] for layer, table in tables.items()}
            name = model_name(manifest)
            made.append(write_product(folder, name, manifest, annotations, calibrations, noises, images))
        return made
