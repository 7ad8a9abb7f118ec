"""Rule preview: read a month back from the cube and draw it."""

from s1monthly import logs
from s1monthly.cube import read_month
from s1monthly.rasters import write_preview
from s1monthly.records import read_record, verified


def main(snakemake):
    log = logs.start(snakemake.log[0], **snakemake.config["logging"])
    record = read_record(snakemake.input.record)
    names = (*(f"{layer}_dB" for layer in record.polarization.layers), "Ratio")
    shown = ((name, read_month(snakemake.params.cube, record.key.month, name)) for name in names)
    write_preview(snakemake.output.preview, *(values for _, values in verified(record, shown)), record.grid)
    log.info("%s", snakemake.output.preview)


if "snakemake" in globals():
    main(snakemake)
