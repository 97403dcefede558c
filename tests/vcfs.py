"""Write VCFs with genotypes."""

from __future__ import annotations

FORMATS = {
    "GT": '##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">',
    "PS": '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="phase set">',
}


def write_vcf(path, records, *, samples=("NA1",), contigs=("one", "two", "three")):
    """Write records (contig, position from 0, ref, alt, genotypes); a genotype with a colon has a phase set."""
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={name}>" for name in contigs), *FORMATS.values()]
    lines.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]))
    for contig, position, ref, alt, *genotypes in records:
        form = "GT:PS" if ":" in genotypes[0] else "GT"
        lines.append("\t".join([contig, str(position + 1), ".", ref, alt, ".", "q10", ".", form, *genotypes]))
    path.write_text("\n".join(lines) + "\n")
    return path
