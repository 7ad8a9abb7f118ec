"""The plan of the run: what it makes, and what it refuses before any work.

Every cluster job reads this again: import nothing heavy here.
"""

import json
import os
import sys
from datetime import datetime, timezone

from snakemake.exceptions import WorkflowError

from s1monthly.config.file import read_config_file
from s1monthly.config.root import load_config
from s1monthly.errors import FileError, S1MonthlyError
from s1monthly.workflow import grids, report
from s1monthly.workflow.environment import prepare, workflow_folder
from s1monthly.workflow.plan import Plan
from s1monthly.workflow.snakemake_run import (
    SnakemakeRun,
    collect_garbage_seldom,
    renew_remake,
)

RUN = SnakemakeRun.of(workflow)
SCRIPTS = f"{workflow_folder()}/scripts"
prepare()

if RUN.changes_paths:
    raise WorkflowError(
        f"module {RUN.module}: a prefix would move some files of the output tree and not others"
        " -> leave it out, and give output.base_dir in the module's config"
    )

# for the tools of tools.smk, not part of the configuration
TOOL_OPTIONS = str(config.get("options", ""))
GIVEN = {key: value for key, value in config.items() if key != "options"}
TOOLS = {
    "catalog_inspect",
    "catalog_rebuild",
    "catalog_validate",
    "change",
    "mosaic_tiles",
    "report",
    "tile_inspect",
    "timeseries",
    "upload",
}
USER_ERRORS = (S1MonthlyError, OSError)
"""Errors that a user can mend: shown in a line, without a traceback."""


def as_workflow_error(error):
    """Return an error that Snakemake shows without a traceback."""
    return WorkflowError(
        str(FileError.of(error) if isinstance(error, OSError) else error)
    )


def refuse_equal_keys():
    """Refuse configuration files with two equal keys, of which Snakemake silently takes the second."""
    for path in filter(os.path.isfile, workflow.configfiles):
        read_config_file(path)


def make_plan():
    """Return the plan, and the error because of which only tools can run.

    Whatever is wrong with source or output tree stops no tool: tools find the damage and mend it. Snakemake knows its
    targets later: if the command names a tool, all other targets are refused then.
    """
    given = {
        "config": load_config(GIVEN),
        "today": datetime.now(timezone.utc).date(),
        "tiles_of_polygon": grids.tiles_of_polygon,
        "deciding": RUN.decides,
    }
    notes = ".snakemake/s1monthly_finished.json" if RUN.decides else None
    try:
        return Plan.make(**given, notes=notes, software=RUN.software), None
    except USER_ERRORS as error:
        if not {*map(RUN.name_of, TOOLS)}.intersection(sys.argv):
            raise
        return Plan.make(**given, for_tools=True), error


def decide():
    """Check all that can be checked before work, and tell what the run will do."""
    tiles = list(dict.fromkeys(tile.key.tile for tile in PLAN.tiles))
    for line in grids.check_grids(PLAN.config, tiles):
        logger.warning(line)
    if hint := grids.fewer_tiles(PLAN.config, tiles):
        logger.info(hint)
    renew_remake()
    RUN.show_progress()
    collect_garbage_seldom()
    for line in [] if ONLY_TOOLS_BECAUSE else report.before_run(PLAN, pixels, limits):
        logger.info(line)


def pixels(tile):
    return grids.pixels(PLAN.config, tile)


def limits(tile):
    return grids.limits(PLAN.config, tile)


try:
    if RUN.plan is None:
        if RUN.decides:
            refuse_equal_keys()
        PLAN, ONLY_TOOLS_BECAUSE = make_plan()
        if RUN.decides:
            decide()
        RUN.plan = PLAN, ONLY_TOOLS_BECAUSE, checkpoints
    PLAN, ONLY_TOOLS_BECAUSE, checkpoints = RUN.plan
    JOB_SETTINGS = PLAN.job_settings.write(".snakemake/s1monthly_jobs")
except USER_ERRORS as error:
    raise as_workflow_error(error) from None
except ModuleNotFoundError as error:
    raise WorkflowError(
        f"{error.name} is not installed beside Snakemake; polygons (roi, use_roi_mask), target_crs and by_track need it"
        f" before any job -> install {', '.join(grids.GEOMETRY)} there too; or name tiles (roi.manual_mgrs_tiles)"
    ) from None

SETTINGS, LAYOUT = PLAN.config, PLAN.layout


def refuse_all_but_tools():
    """Stop if source or cube cannot be used and the run was not asked for tools alone."""
    if ONLY_TOOLS_BECAUSE:
        raise as_workflow_error(ONLY_TOOLS_BECAUSE)


def only_tools():
    """Return True if this run was asked for tools alone: they fetch nothing and leave nothing to be catalogued."""
    return bool(RUN.targets) and RUN.targets <= {*map(RUN.name_of, TOOLS)}
