"""Section grd: how GRD products are corrected for the terrain."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from s1monthly.config.fields import FolderPath, Section, checked_by, option, refusal
from s1monthly.layout import folder_path

NO_ORBITS = "none"


def _orbits(text: str) -> str:
    return text if text == NO_ORBITS else folder_path(text)


class Grd(Section):
    """DEM, orbits and corrections of source grd; see Sentinel-1 GRD products."""

    dem: FolderPath | None = option(
        None, "DEM: a GeoTIFF, a VRT, or a folder of Copernicus tiles under their own names", example="./dem"
    )
    dem_heights: Literal["egm2008", "egm96", "ellipsoid"] = option(
        "egm2008", "What the DEM's heights are measured from; Copernicus DEM: egm2008"
    )
    geoid: FolderPath | None = option(
        None, "Grid of that geoid, such as us_nga_egm08_25.tif of cdn.proj.org", example="./us_nga_egm08_25.tif"
    )
    ocean: list[str] = option(
        [], "Copernicus tiles that do not exist because they are all ocean; not needed beside tileList.txt"
    )
    orbits: Annotated[str, Field(min_length=1), AfterValidator(checked_by(_orbits))] = option(
        NO_ORBITS, "A folder of orbit files (POEORB, RESORB); none: the orbits in the products"
    )
    thermal_noise: bool = option(True, "Subtract thermal noise")
    border_noise: Literal["auto", "always", "never"] = option(
        "auto", "Cut the noise at the borders of the swath; auto: of products from before IPF 2.90"
    )
    tropospheric_delay: bool = option(True, "Correct the delay of the radar's pulse in the troposphere")

    def refuse_unusable(self) -> None:
        """Raise an error of the configuration if source grd cannot work with these options."""
        if self.dem is None:
            raise refusal("source.kind grd needs grd.dem: a GeoTIFF, a VRT, or a folder of Copernicus tiles")
        if os.path.isdir(self.dem) and self.dem_heights != "egm2008":
            raise refusal(
                "grd.dem_heights {above}: the tiles in grd.dem have heights above egm2008", above=self.dem_heights
            )
        if self.ocean and not os.path.isdir(self.dem):
            raise refusal(
                "grd.ocean names tiles, but grd.dem {path} is no folder of tiles; leave it out", path=self.dem
            )
        if self.dem_heights == "ellipsoid":
            if self.geoid is not None:
                raise refusal("grd.geoid: heights above the ellipsoid need no geoid; leave it out")
        elif self.geoid is None:
            raise refusal(
                "grd.dem_heights {above} needs grd.geoid, a grid of that geoid; without it pixels move by up to 85 m",
                above=self.dem_heights,
            )
        for name, path in (("dem", self.dem), ("geoid", self.geoid)):
            if path is not None and not os.path.exists(path):
                raise refusal("grd.{name}: {path} does not exist", name=name, path=path)

    @property
    def orbits_folder(self) -> str | None:
        """Folder of orbit files; None without."""
        return None if self.orbits == NO_ORBITS else self.orbits
