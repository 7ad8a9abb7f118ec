"""Read the record of a month, or measure a new one in the cube.

The record's seal decides. A record whose seal fits its content is believed. A record that is missing, damaged or edited
is replaced: its results are measured in the cube, and what the month was made of is unknown (null).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s1monthly.audit.items import products, read_item
from s1monthly.audit.repair_commands import RUN, RepairCommands
from s1monthly.audit.report import Finding
from s1monthly.audit.tree_files import TileFolder
from s1monthly.catalog.document import item_digest
from s1monthly.cube import months as cube
from s1monthly.cube.months import CubeState
from s1monthly.errors import CubeError, ProductError
from s1monthly.model import Level, Month, Polarization
from s1monthly.raster.geotiff import cog_tags
from s1monthly.records.month import SCHEMA, Origin, Record, read_record
from s1monthly.records.recipe import digest as digest_of
from s1monthly.workflow.month_state import product_name


@dataclass(frozen=True)
class RecordCheck:
    """Result of reading a month's record.

    Attributes
    ----------
    record : Record or None
        None if there is no record that can be believed.
    problem : str
        Why not.
    replaceable : bool
        False for a valid record of another month or software version, which must not be overwritten.
    """

    record: Record | None = None
    problem: str = ""
    replaceable: bool = True


def check_record(folder: TileFolder, month: Month) -> RecordCheck:
    """Read the record of a month."""
    path = folder.place("record", month)
    if not path.exists():
        return RecordCheck(problem="no record")
    try:
        record = read_record(path)
    except ProductError as error:
        return RecordCheck(None, error.problem.removeprefix(f"{path}: "), not _is_of_other_version(path))
    if record.key != folder.key(month):
        problem = f"this record is of {record.key}: a copy, or a file under another name"
        return RecordCheck(None, problem, replaceable=False)
    return RecordCheck(record)


def missing_record(folder: TileFolder, month: Month, check: RecordCheck, repair: RepairCommands) -> Finding:
    """Return the finding for a month whose record cannot be believed, and cannot be measured in the cube."""
    path, found = folder.place("record", month), folder.found(month)
    if not check.replaceable:
        return Finding(str(path), check.problem, (repair.move_out(path), repair.rebuild))
    if path.exists():
        return Finding(str(path), check.problem, (RUN,))
    left = ", ".join(dict.fromkeys(product_name(kind) for kind in [*products(found), *({"item"} & {*found})]))
    problem = f"record and values in the cube are lost; left: {left}. It must be made again"
    return Finding(str(path), problem, (RUN,))


def _is_of_other_version(path: Path) -> bool:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["schema"] != SCHEMA)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def known_digests(folder: TileFolder, month: Month, row: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the digests of a month's values as its files and its row in the catalog state them.

    Parameters
    ----------
    row : mapping or None
        The month's row in the tile's catalog.
    """
    record = check_record(folder, month).record
    stated = {
        "record": record.digest if record else None,
        "COG": next((cog_tags(path).get("DIGEST") for path in folder.cogs(month).values()), None),
        "Item": item_digest(read_item(folder.place("item", month))),
        "catalog": row["digest"] if row else None,
    }
    return {name: digest for name, digest in stated.items() if isinstance(digest, str)}


def measure_record(folder: TileFolder, month: Month, state: CubeState, row: Mapping[str, Any] | None) -> Record:
    """Measure the record of a month that the cube holds. What the month was made of is unknown.

    Parameters
    ----------
    row : mapping or None
        The month's row in the tile's catalog.

    Raises
    ------
    ProductError
        If COG, Item and catalog state other values than those in the cube: these were damaged, or a run that replaced
        them was killed. Also if the cube cannot be read or is of another version.
    """
    from s1monthly.records.record_builder import build_record  # loads compiled kernels, which most tools do not need

    remedy = "run the workflow: it makes the month again"
    try:
        digest, stated = cube.month_digest(folder.cube, month), known_digests(folder, month, row)
        if stated and digest not in stated.values():
            problem = (
                f"the values in the cube are not those of its {', '.join(stated)}:"
                " they were damaged, or a run was killed as it replaced them"
            )
            raise ProductError(problem, remedy)
        return build_record(
            folder.key(month),
            Level(state.recipe["level"]),
            Polarization(state.recipe["polarization"]),
            state.geobox,
            cube.read_bands(folder.cube, month),
            cube.read_count(folder.cube, month),
            Origin(None, None, None, None, state.recipe, digest_of(state.recipe), None),
            digest,
        )
    except CubeError as error:
        raise ProductError(error.problem, remedy) from error
    except (KeyError, ValueError) as error:
        raise ProductError("the recipe of the cube is of another version", remedy) from error
