"""Rule publish: read a month back from the cube; write its COG and preview, where wanted, and its STAC Item."""

from pathlib import Path

from s1monthly import logs
from s1monthly.assets import asset_file, preview_file
from s1monthly.job_settings import JobSettings
from s1monthly.publishing import write_pictures
from s1monthly.records import read_record
from s1monthly.stac import item, write_document


def main(snakemake):
    log = logs.start(snakemake.log[0], **JobSettings.of(snakemake.config).logging)
    record, params, made = read_record(snakemake.input.record), snakemake.params, dict(snakemake.output.items())
    cog, preview, folder = made.get("cog"), made.get("preview"), Path(made["item"]).parent
    write_pictures(record, params.cube, cog, preview, params.block_size, snakemake.threads)
    files = {"zarr": asset_file(params.cube, folder), "record": asset_file(snakemake.input.record, folder)}
    if cog:
        files["cog"] = asset_file(cog, folder)
    if preview:
        files["preview"] = preview_file(preview, folder, record.grid)
    write_document(made["item"], item(record, files))
    log.info("%s: %d bands, %d valid pixels; %s", record.key, len(record.bands), record.valid, ", ".join(files))


if "snakemake" in globals():
    main(snakemake)
