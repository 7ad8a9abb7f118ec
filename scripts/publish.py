"""Rule publish: read a month back from the cube; write its STAC Item, and its COG and preview if wanted.

Removes an older COG or preview that is no longer wanted, because it may show other values.
"""

from pathlib import Path

import light_imports  # noqa: F401
from s1monthly.catalog.assets import asset_file, preview_file
from s1monthly.catalog.item import item, write_document
from s1monthly.records.month import read_record
from s1monthly.stages.publish import remove_stale, write_pictures
from s1monthly.workflow import jobs


def main(argv=None):
    job, log = jobs.read_arguments(__doc__, argv, "record", "cube", "block_size", "item", optional=("cog", "preview"))
    record, folder = read_record(job.record), Path(job.item).parent
    layout = job.settings.layout.of(record.key)
    unwanted = None if job.cog else Path(layout.cog), None if job.preview else Path(layout.preview)
    for path in remove_stale(record, *unwanted):
        log.info("%s: removed %s, which is no longer wanted (output.formats)", record.key, path)
    block_size, compression = int(job.block_size), job.settings.cog_compression
    checksum = write_pictures(record, job.cube, job.cog, job.preview, block_size, job.threads, compression)
    files = {"zarr": asset_file(job.cube, folder), "record": asset_file(job.record, folder)}
    if job.cog:
        files["cog"] = asset_file(job.cog, folder, checksum)
    if job.preview:
        files["preview"] = preview_file(job.preview, folder, record.grid)
    write_document(job.item, item(record, files))
    log.info("%s: %d bands, %d valid pixels; %s", record.key, len(record.bands), record.valid, ", ".join(files))


if __name__ == "__main__":
    jobs.run(main)
