"""Command lines of the tools: their appearance, and the options that several tools share."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from s1monthly.errors import FileError, NameFormatError
from s1monthly.layout import folder_path
from s1monthly.model import COMBINED, TRACKS, Direction, Stack
from s1monthly.workflow.environment import forget_foreign_settings

WIDTH = 80

DIRECTIONS: dict[str, list[Stack]] = {
    "ASCENDING": [Direction.ASCENDING],
    "DESCENDING": [Direction.DESCENDING],
    "COMBINED": [COMBINED],
    "ALL": [*Direction, COMBINED],
}
"""Allowed directions. For ALL, the first has priority if only one can be used."""

SHORT_DIRECTIONS = {"ASC": "ASCENDING", "DESC": "DESCENDING"}

CALLED_AS = ""
"""Command under which the tool was called, such as ``s1monthly mosaic``, if not as a script."""

OUTPUT_DIR = "root of the output tree (output.base_dir); default: output"


def parser(tool: str, purpose: str, example: str) -> argparse.ArgumentParser:
    """Return the parser of a tool's command line; its help fits a terminal of 80 columns.

    Parameters
    ----------
    tool : str
        Name of the script, without ``.py``.
    purpose : str
        The script's docstring: paragraphs separated by an empty line.
    example : str
        Options of a typical call.
    """
    command = CALLED_AS or f"python scripts/{tool}.py"
    paragraphs = (textwrap.fill(" ".join(lines.split()), WIDTH) for lines in purpose.split("\n\n"))
    return argparse.ArgumentParser(
        prog=command,
        description="\n\n".join(paragraphs),
        epilog=f"example:\n  {command} {example}",
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, max_help_position=24, width=WIDTH),
    )


def run(main: Callable[[], int | None]) -> int:
    """Run a tool as a program, without GDAL and PROJ settings of other software, and return its exit code.

    A closed pipe (``| head``) ends the tool silently. A file that cannot be read or written is reported in one line.

    Parameters
    ----------
    main : callable
        The tool; returns an exit code, or None for success.
    """
    forget_foreign_settings()
    try:
        try:
            code = main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # discard the remaining output
        return 128 + signal.SIGPIPE
    except OSError as error:
        sys.stderr.write(f"{FileError.of(error, 'output')}\n")
        return 1
    return code or 0


def direction(text: str) -> str:
    """Parse a direction or ALL, in upper or lower case, also shortened.

    Raises
    ------
    argparse.ArgumentTypeError
        If the text is none of the allowed values; the error lists them.
    """
    name = SHORT_DIRECTIONS.get(text.upper(), text.upper())
    if name not in DIRECTIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join([*DIRECTIONS, *SHORT_DIRECTIONS])}")
    return name


def track(text: str) -> int:
    """Parse the number of a track, written ``137`` or ``T137``.

    Raises
    ------
    argparse.ArgumentTypeError
        If there is no such track.
    """
    number = text.upper().removeprefix("T")
    if not number.isdecimal() or not 1 <= int(number) <= TRACKS:
        raise argparse.ArgumentTypeError(f"{text!r} is no track: give a number from 1 to {TRACKS}")
    return int(number)


def port(text: str) -> int:
    """Parse the number of a port; 0 means any that is free.

    Raises
    ------
    argparse.ArgumentTypeError
        If there is no such port.
    """
    if not text.isdecimal() or not 0 <= int(text) < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 0 to {2**16 - 1}")
    return int(text)


def folder(text: str) -> str:
    """Check the path of a folder with `folder_path`.

    Raises
    ------
    argparse.ArgumentTypeError
        If the path is not allowed; the error says why.
    """
    try:
        return folder_path(text)
    except NameFormatError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_output_dir(options: argparse.ArgumentParser, default: str | None = "output", note: str = OUTPUT_DIR) -> None:
    """Add the option ``--output-dir``."""
    options.add_argument("--output-dir", type=folder, default=default, metavar="DIR", help=note)


def add_work_dir(options: argparse.ArgumentParser, default: str = "work/ in the output tree") -> None:
    """Add the option ``--work-dir``."""
    note = f"folder of granule lists and logs (output.work_dir); default: {default}"
    options.add_argument("--work-dir", type=lambda text: Path(folder(text)), metavar="DIR", help=note)


def add_direction(
    options: argparse.ArgumentParser, note: str, required: bool = False, tracks: str = "only cubes of these tracks"
) -> None:
    """Add the option ``--direction``, a key of `DIRECTIONS`, with the default ALL; and ``--track``, a list of int."""
    text = f"ASCENDING, DESCENDING (short: ASC, DESC), COMBINED or ALL; {note}"
    options.add_argument(
        "--direction", type=direction, default="ALL", required=required, metavar="DIRECTION", help=text
    )
    options.add_argument("--track", type=track, nargs="+", default=[], metavar="NUMBER", help=tracks)


def add_json(options: argparse.ArgumentParser) -> None:
    """Add the option ``--json``."""
    options.add_argument("--json", action="store_true", help="for machines: everything, as JSON")


def add_mosaic(options: argparse.ArgumentParser, formats: Collection[str]) -> None:
    """Add the options that define a mosaic."""
    add = options.add_argument
    add("--month", required=True, metavar="YYYY-MM", help="month of the COGs")
    note, tracks = (
        "of ALL, later ones fill where ASCENDING has no value",
        "COGs of these tracks, instead of pooled ones",
    )
    add_direction(options, note, required=True, tracks=f"{tracks}; later ones fill where the first has no value")
    add_output_dir(options)
    add("--output", type=folder, metavar="DIR", help="folder of the mosaic; default: mosaic/ in the output tree")
    kinds = "VRT (default) names the tiles' COGs, and is for looking; COG holds the pixels, and is for measuring"
    add("--format", type=str.upper, default="VRT", choices=formats, help=kinds)
    grid = options.add_mutually_exclusive_group()
    grid.add_argument("--crs", default="EPSG:4326", metavar="EPSG", help="CRS of the mosaic; default: EPSG:4326")
    grid.add_argument("--keep-utm", action="store_true", help="keep the tiles' own CRS: one mosaic for each zone")
    add("--mgrs-prefix", default="", metavar="TEXT", help="only tiles whose names begin so, for example 50R")
    add("--resolution", type=float, metavar="SIZE", help="COG: pixel size in units of the CRS; default: the tiles' own")


def add_series(options: argparse.ArgumentParser) -> None:
    """Add the options that define series of points or polygons."""
    features = options.add_mutually_exclusive_group(required=True)
    text = "a point as lon,lat (of the west: --points=-120.2,34.6), a CSV file with lon and lat, or x and y, and a name"
    features.add_argument("--points", metavar="POINTS", help=f"{text}; or a vector file")
    text = "GeoJSON, GeoPackage, Shapefile ...: the mean of the pixels inside each"
    features.add_argument("--polygons", metavar="FILE", help=text)
    add = options.add_argument
    add("--crs", metavar="CRS", help="CRS of points, such as EPSG:32610; default: longitude and latitude")
    add("--bands", nargs="+", default=[], metavar="BAND", help="default: backscatter of both polarizations")
    add_direction(options, "default: ALL")
    add("--start", metavar="YYYY-MM", help="first month")
    add("--end", metavar="YYYY-MM", help="last month")
    add_output_dir(options)
    add("--other-tiles", action="store_true", help="name the other tiles that hold a feature")
    add("--output", metavar="FILE", help="table to write: .csv or .parquet")
    add("--figure", metavar="FILE", help="figure to write: .png, .pdf or .svg")


def add_explore(options: argparse.ArgumentParser) -> None:
    """Add the options of the explorer."""
    add_output_dir(options, None, "root of the output tree; default: that of the configuration, or output")
    text = "configuration to edit and run; default: one that the explorer keeps in the output tree"
    options.add_argument("--configfile", metavar="FILE", help=text)
    options.add_argument("--port", type=port, default=0, metavar="NUMBER", help="default: 0, any that is free")
    options.add_argument("--no-browser", action="store_true", help="open no browser; only print the address")


def add_change(options: argparse.ArgumentParser, methods: Collection[str]) -> None:
    """Add the options that define maps of changes."""
    add = options.add_argument
    add("--tile", type=str.upper, help="for example 10SGD; default: all tiles")
    add_direction(options, "default: ALL")
    add_output_dir(options)
    add("--band", default="VV_dB", metavar="BAND", help="default: VV_dB")
    text = "cusum (default): one change, judged by permutations; pelt: several, by a penalised search"
    add("--method", default="cusum", choices=methods, help=text)
    add("--confidence", type=float, metavar="SHARE", help="cusum: least confidence of a change; default: 0.95")
    add("--permutations", type=int, metavar="N", help="cusum: random orders of each series; default: 199")
    add("--penalty", type=float, metavar="FACTOR", help="pelt: penalty on a change, times log(months); default: 4")
    add("--smallest", type=int, metavar="MONTHS", help="fewest months before and after a change; default: 6")
    add("--start", metavar="YYYY-MM", help="first month")
    add("--end", metavar="YYYY-MM", help="last month")


def add_upload(options: argparse.ArgumentParser) -> None:
    """Add the options of publishing; those of section ``publish`` are named like its keys."""
    add = options.add_argument
    add_output_dir(options, None, "root of the output tree; default: that of --configfile, else output")
    add("--configfile", type=Path, metavar="FILE", help="configuration, for its section publish")
    add("--url", metavar="URL", help="s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, or a folder")
    add("--endpoint", metavar="URL", help="server, if not that of AWS, Google or Azure")
    add("--base-url", metavar="URL", help="address of readers: links in published STAC documents are absolute then")
    add("--max-workers", type=int, metavar="N", help="files copied at once; default: 16")
    text = "delete published files that the tree no longer has; folders that it no longer has only if named"
    add("--prune", nargs="*", metavar="FOLDER", help=text)
    add("--verify", action="store_true", help="first compare names and sizes with what lies there")
    add("--dry-run", "-n", action="store_true", help="say what would be done")
    add("--held", nargs="+", default=[], metavar="FOLDER", help=argparse.SUPPRESS)  # those of the run that calls
    add_json(options)
