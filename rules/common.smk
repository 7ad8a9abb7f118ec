"""Input functions and params of the rules: they ask the plan for the state of a month."""

import json
import os
import shlex
import sys
from functools import cache

from snakemake.io import report as in_report

from s1monthly import layout as naming
from s1monthly.model import Month
from s1monthly.workflow import jobs
from s1monthly.workflow.plan import recipe_part
from s1monthly.workflow.snakemake_run import REMAKE
from s1monthly.workflow.tile_months import months_to_ask as months_of_search
from s1monthly.workflow.tile_statics import StaticStep


wildcard_constraints:
    tile=naming.TILE_PATTERN,
    direction=naming.DIRECTION_PATTERN,
    passes=naming.PASSES_PATTERN,
    month=naming.MONTH_PATTERN,
    track=naming.TRACK_PATTERN,
    made_of=naming.DIGEST_PATTERN,
    question=naming.DIGEST_PATTERN,
    slots=naming.SLOTS_PATTERN,


def start_of(rule):
    """Return the start of a rule's command.

    It is a function of `output`: Snakemake takes such a param for derived, and no reason to run a job again.
    """
    # a conda environment has its own Python; otherwise scripts need the one that runs Snakemake
    python = "python" if "conda" in RUN.deployment else sys.executable
    start = [python, f"{SCRIPTS}/{rule}.py", f"--settings={JOB_SETTINGS}"]
    return lambda wildcards, output: shlex.join(start)


def tile_of(wildcards):
    return PLAN.tile(wildcards.tile, wildcards.direction)


def state_of(wildcards):
    """Return the state of a month."""
    return tile_of(wildcards).state(Month.parse(wildcards.month))


def recipe_parts(*keys):
    """Return a param that changes with these parts of the recipe: the stage then runs again."""
    return lambda wildcards: recipe_part(tile_of(wildcards), *keys)


def recipe_of(wildcards):
    """Return the whole recipe, as the cube of the tile spells it."""
    return tile_of(wildcards).recipe


def granules_digest(wildcards):
    """Return a param that changes with the month's granules: a late granule runs its month again, and no other."""
    return state_of(wildcards).granules_digest


def asked_together(wildcards):
    """Return the months of what shares a search: the cube of a tile and direction, or those of its tracks."""
    return PLAN.asked_together(wildcards.tile, wildcards.direction)


def tracks_asked(wildcards):
    """Return the tracks with cubes of their own, of which a search must tell the granules apart; empty if pooled."""
    tracks = (tile.key.direction.track for tile in asked_together(wildcards))
    return ",".join(str(track) for track in tracks if track)


def months_to_ask(wildcards):
    """Return the months that the source is asked about."""
    return ",".join(map(str, months_of_search(asked_together(wildcards))))


def listings(wildcards):
    """Return, as JSON, what the source's folder held when this run began: of each of these months, and static."""
    tracks = asked_together(wildcards)
    listed, statics = tracks[0].listings or {}, tracks[0].statics
    of_months = {str(m): listed[m] for m in months_of_search(tracks) if m in listed}
    static = {"static": statics.listing} if statics and statics.listing else {}
    return json.dumps({**of_months, **static})


def after_search(wildcards):
    """Wait until the source has answered this run's question; the answer itself is no reason to run a job.

    If the graph is only drawn, the search is an input like any other.
    """
    tile = tile_of(wildcards)
    place = {"tile": wildcards.tile, "direction": str(tile.key.direction.pooled)}
    if RUN.draws:
        return LAYOUT.asked.format(**place, question="0" * 16)
    stamp = PLAN.open_question(tile)
    if stamp:
        question = os.path.basename(stamp)
        checkpoints.search.get(**place, question=question)
    return []


def read_again(wildcards):
    """Force granules to be read if the work folder has bursts of other granules or another recipe."""
    searched = after_search(wildcards)
    return REMAKE if state_of(wildcards).stale_bursts else searched


def heights_needed(wildcards):
    """Wait for the heights of a tile, if its granules are GRD products and the month is made.

    A month that is made needs them no more: heights that are made again do not make it again.
    """
    after_search(wildcards)
    heights = PLAN.heights(wildcards.tile)
    return heights if heights and (RUN.draws or state_of(wildcards).to_make) else []


def slots_stamp(wildcards):
    """Wait for the cube's slots if the cube lacks the month.

    A new axis is no reason to make a month again that the cube holds. (`ancient` would not do: it still triggers while
    the file is missing, as the stamp of a new axis is.)
    """
    after_search(wildcards)
    needed = RUN.draws or not state_of(wildcards).in_cube
    return PLAN.slots_stamp(tile_of(wildcards)) if needed else []


def compose_again(wildcards):
    """Force a month to be made if its granules, recipe, record or cube changed."""
    return REMAKE if state_of(wildcards).to_make_again else []


def publish_again(wildcards):
    """Force products to be made if something changed them, or if they are older than the record."""
    return REMAKE if state_of(wildcards).outdated else []


def static_files(wildcards):
    """Return the Items and COGs of all static layers of a tile and direction that this run makes or may make."""
    after_search(wildcards)
    statics = tile_of(wildcards).statics
    leave_out = RUN.may_leave_out_finished
    return [
        path
        for track, state in (statics.tracks if statics else {}).items()
        if not (leave_out and state.step == StaticStep.COMPLETE)
        for path in statics.paths.static_files(track).values()
    ]


def static_needed(wildcards):
    """Wait for the static layers of a month's tracks, if an option of its composite reads them.

    A month that is made needs them no more: static layers that are made again do not make it again.
    """
    needed = PLAN.config.composite_needs_statics and state_of(wildcards).to_make
    return static_files(wildcards) if needed and not RUN.draws else []


def record_made(wildcards):
    """Return the record of a month, unless its granules are gone: then no job may make it."""
    return [] if state_of(wildcards).is_final else record_path(wildcards, None)


def record_path(wildcards, output):
    """Return the path of a month's record; a function of `output`, see `start_of`."""
    return tile_of(wildcards).paths(Month.parse(wildcards.month)).record


def shown_in_report(name, pattern):
    """Return the output of rule publish for a product; Snakemake's report shows the previews."""
    if name != "preview":
        return pattern
    return in_report(
        pattern,
        caption="report/preview.rst",
        category="Previews",
        subcategory="{tile} {direction}",
        labels={"tile": "{tile}", "direction": "{direction}", "month": "{month}"},
    )


def items(wildcards):
    """Return the Items of a tile and direction that this run makes or may make."""
    after_search(wildcards)
    tile = tile_of(wildcards)
    made = [state for state in tile.states if state.is_made]
    states = (made or tile.states) if RUN.draws else months_to_plan(tile)
    return [tile.paths(state.month).item for state in states]


def final_output(wildcards):
    """Return everything that the configuration asks for; open questions to the source come first, all at once."""
    if TOOL_OPTIONS:
        raise WorkflowError("options: for a tool; name it: snakemake mosaic_tiles ...")
    refuse_all_but_tools()
    refuse_input_trigger()
    files = [LAYOUT.catalog, LAYOUT.items, LAYOUT.coverage, *PLAN.root_documents]
    if SETTINGS.output.formats.geopackage:
        files.append(LAYOUT.geopackage)
    if SETTINGS.output.formats.report:
        files += [LAYOUT.report_page, LAYOUT.report_index]
    if SETTINGS.publish.url:
        files.append(uploaded())
    for tile in [] if RUN.draws else PLAN.tiles:
        files += [tile.paths().tile_catalog, tile.paths().tile_items]
        question = PLAN.open_question(tile)
        if question:
            files.append(question)
            continue
        if tile.with_granules:
            files.append(PLAN.slots_stamp(tile))
        for state in months_to_plan(tile):
            record = [] if state.is_final else ["record"]
            paths = tile.paths(state.month)
            files += [paths.product(name) for name in (*record, *tile.products)]
        # the job fails and says why: a month that should be made and cannot is no success
        unusable = [state.month for state in tile.states if state.unusable]
        files += [tile.paths(month).account for month in unusable]
    return files


def months_to_plan(tile):
    """Return the months of a tile and direction for which Snakemake must plan jobs."""
    leave_out = RUN.may_leave_out_finished
    return [
        state
        for state in tile.states
        if (state.is_made and not (leave_out and state.finished))
        or (state.to_make and not jobs_left_out())
    ]


@cache
def jobs_left_out():
    """Return True for a preview of very many months that shows no job: the plan has named them all."""
    number = PLAN.months_to_make()
    if left_out := RUN.shows_no_job(number):
        logger.info(
            f"Jobs of the {number} months to make are left out of this preview; --quiet host plans and shows them all."
        )
    return left_out
