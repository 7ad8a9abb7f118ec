"""Rule search: ask the source which granules the months of a tile and direction have."""

import json
from datetime import UTC, datetime

import light_imports  # noqa: F401
from s1monthly.files import write_text
from s1monthly.model import Month, Stack, Tile
from s1monthly.stages.search import search_tile
from s1monthly.workflow import jobs


def main(argv=None):
    required = ("tile", "direction", "months", "listings", "stamp")
    job, _ = jobs.read_arguments(__doc__, argv, *required, optional=("tracks",))
    months = [Month.parse(month) for month in job.months.split(",") if month]
    tracks = [int(track) for track in (job.tracks or "").split(",") if track]
    moment = datetime.now(UTC)
    place = Tile(job.tile), Stack.parse(job.direction)
    search_tile(job.settings, *place, months, tracks, json.loads(job.listings), moment)
    write_text(job.stamp, f"answered {moment:%Y-%m-%dT%H:%M:%SZ}\n")


if __name__ == "__main__":
    jobs.run(main)
