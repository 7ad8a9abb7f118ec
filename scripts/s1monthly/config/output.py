"""Section output: where products go, and which."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from s1monthly.config.fields import FolderPath, Section, option, refusal
from s1monthly.kernels.options import FEWEST_BITS, INDEX_BANDS, MOST_BITS, DbBand, IndexBand
from s1monthly.model import COG_COMPRESSION, CogCompression, CogLayout


def _no_wildcards(path: str) -> str:
    if set(path) & set("{}<>"):
        raise refusal(
            "folder {path} has braces or angle brackets, which Snakemake replaces; give another folder",
            path=repr(path),
        )
    return path


def _web_folder(url: str) -> str:
    if not re.fullmatch(r"(https?|s3|gs)://[^\s/]+(/\S*)?", url):
        raise refusal(
            "{url} is no address: give the folder's, beginning with https://, http://, s3:// or gs://", url=repr(url)
        )
    return url.rstrip("/")


RunFolder = Annotated[FolderPath, AfterValidator(_no_wildcards)]
"""A folder whose path rules name."""


class Formats(Section):
    """Which files are written beside the cube."""

    cog: bool = option(True, "Write a cloud-optimised GeoTIFF a month")
    preview: bool = option(True, "Write a preview picture a month")
    quality: bool = option(False, "Keep classes of pixels (shadow, layover ...) in the cube, and write a quality COG")
    overview: bool = option(False, "Write 8-bit COGs of each polarization and of both, with a fixed stretch")
    power: bool = option(False, "Write a COG of linear power too")
    ceos_ard: bool = option(
        False, "Write a month's assessment by every requirement of CEOS-ARD Composite Backscatter 1.1, as JSON"
    )
    report: bool = option(
        False, "Keep a web page of the output tree, report/index.html, up to date at the end of a run"
    )
    geopackage: bool = option(False, "Write the catalog as catalog.gpkg too, for programs that read no Parquet")


class Credits(Section):
    """Who makes and publishes the data: attributes of cubes by the conventions ACDD and CF."""

    creator_name: str | None = option(None, "Who made the data: a person or an institution", example="A. Person")
    creator_type: Literal["person", "group", "institution", "position"] | None = option(
        None, "What creator_name is", example="person"
    )
    creator_email: str | None = option(None, "Address of the creator", example="a.person@example.org")
    creator_url: str | None = option(None, "Web page of the creator", example="https://example.org/people/a")
    institution: str | None = option(None, "Where the data were made", example="Example Institute")
    project: str | None = option(None, "Project for which they were made", example="Monthly radar")
    publisher_name: str | None = option(None, "Who publishes the data", example="Example Data Centre")
    publisher_url: str | None = option(None, "Web page of the publisher", example="https://data.example.org")
    license: str | None = option(
        None,
        "Terms of use, best an address or an SPDX name. Where not given: the legal notice of the Copernicus data",
        example="CC-BY-4.0",
    )


class Output(Section):
    """Where products go."""

    base_dir: RunFolder = option("./output", "Root of the output tree, a folder; ~ is expanded")
    work_dir: RunFolder | None = option(
        None,
        "Granule lists, temporary files and logs, one folder for each base_dir; may be deleted between runs."
        " Where not given: work in base_dir",
        example="./work",
    )
    overwrite: bool = option(
        False, "Allow months to be remade with another recipe, where the time range covers every month the cube holds"
    )
    formats: Formats = Formats()
    credits: Credits = Credits()
    cog_compression: CogCompression = option(
        COG_COMPRESSION, "Compression of COGs; zstd is a little smaller, but browsers cannot read it"
    )
    cog_layout: CogLayout = option(
        "multiband", "One COG of all bands, or per_band: one file and one asset a band, as stackstac needs them"
    )
    bands: list[DbBand | IndexBand] = option(
        list(INDEX_BANDS), "Bands beside both in dB, which are always kept: Ratio and RVI, or fewer; [] for none"
    )
    keep_bits: int | None = option(
        None,
        "Round all bands to this many bits of the mantissa, for smaller files: 12 errs by 0.002 dB at most down to"
        " -32 dB; not rounded where not given",
        ge=FEWEST_BITS,
        le=MOST_BITS,
        example=12,
    )
    multiscales: bool = option(
        True, "Keep coarser copies of each month in the cube, for maps in browsers (GeoZarr multiscales); for new cubes"
    )
    public_url: Annotated[str, AfterValidator(_web_folder)] | None = option(
        None,
        "Address at which you publish base_dir; catalog.json then links to itself there",
        example="https://data.example.org/sentinel1",
    )
    disk_warn_gb: float = option(50, "Warn at the start when less space than this (GB) is free under base_dir", ge=0)
