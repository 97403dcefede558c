"""Write VCFs with genotypes."""

from __future__ import annotations

HEADER = (
    '##FILTER=<ID=q10,Description="low quality">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">',
    '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="phase set">',
)


def write_vcf(path, records, *, samples=("NA1",), contigs=("one", "two", "three")):
    """Write records (contig, position from 0, ref, alt, genotypes); a genotype with a colon has a phase set.

    No record passes the filter.
    """
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={name}>" for name in contigs), *HEADER]
    columns = [
        "#CHROM",
        "POS",
        "ID",
        "REF",
        "ALT",
        "QUAL",
        "FILTER",
        "INFO",
        *(("FORMAT", *samples) if samples else ()),
    ]
    lines.append("\t".join(columns))
    for contig, position, ref, alt, *genotypes in records:
        form = "GT:PS" if ":" in genotypes[0] else "GT"
        lines.append("\t".join([contig, str(position + 1), ".", ref, alt, ".", "q10", ".", form, *genotypes]))
    path.write_text("\n".join(lines) + "\n")
    return path
