"""What a column name says: the column holds ids, describes genes, identifies samples, or holds values of a unit."""

from __future__ import annotations

import re

GENERIC = frozenset(
    {"tpm", "fpkm", "rpkm", "value", "values", "val", "expression", "expr", "abundance", "sample", "gene", "level"}
)
"""Words that do not name a sample."""
BETWEEN = r"[\W_]*"
UNIT = "(?:tpm|fpkm|rpkm|cpm|rpm|counts?|expression|expr)"
LOG = "(?:log(?:2|10|1p|e)?|ln|rlog|vst)"
LOGARITHMS = re.compile(
    rf"log(?:2|10|1p|e)?|rlog|vst|{LOG}{BETWEEN}(?:[\d.]+{BETWEEN})?{UNIT}.*|{UNIT}{BETWEEN}{LOG}(?![a-z]).*"
)
"""Names of log-transformed values: log2, logTPM, log2(TPM+1), ln(1+TPM), TPM_log2, …; not LN229, a cell line."""
COUNTS = re.compile(
    rf"(?:(?:raw|read|gene|fragment|umi|expected|est|estimated|num|n|normali[sz]ed|norm){BETWEEN})*"
    r"(?:counts?|reads|cpm|rpm)"
)
COUNTS_BEHIND = re.compile(r".*[\W_](?:counts?|reads|numreads|cpm)")
FPKM = re.compile(rf"[fr]pkms?(?:{BETWEEN}(?:values?|expression|unstranded|\d+))*")
NEAR_TPM = re.compile(r"(?:t+m+p+|p+t+m+|t+p+m+)s?")
"""Misspellings of TPM: letters swapped, letters doubled, or a plural."""

ID_CORE = frozenset(
    re.findall(
        r"\w+",
        "ensembl ensg enst hgnc hugo entrez refseq gene genes transcript transcripts isoform target feature "
        "tracking probe probeset probes locus symbol symbols name names id ids identifier identifiers "
        "accession rownames index unnamed factor factors x",
    )
)
ID_WORDS = ID_CORE | frozenset(
    re.findall(
        r"\w+",
        "ens ncbi ucsc gencode havana uniprot swissprot tx loci tag row key official approved stable short "
        "external ext display nearest ref reference tss cds protein version versions with without no base hs "
        "human set the",
    )
)
"""Words that make up the name of an id column, at least one of them from `ID_CORE`: Ensembl, Hugo_Symbol, Unnamed: 0,
Gene stable ID version, X."""
LONGEST_NAME = 80
"""Longest column name, in characters, that the patterns are applied to; longer ones describe samples."""
OF = r"(?:gene|transcript|tx|exon|exonic|cds|intron|intronic|merged|union|total|effective|eff|mean|median|max|feature)*"
DESCRIBES = re.compile(
    rf"{OF}(?:length|len|width|size)(?:in)?(?:bp|kb|nt|bases)?"
    rf"|{OF}(?:start|end|stop)s?(?:site|position|pos|coordinate|coord)?(?:bp|hg19|hg38)?"
    rf"|{OF}(?:position|pos|midpoint|tss|tes)(?:bp)?"
    rf"|{OF}(?:chr|chrom|chromosome|seqname|seqnames|seqid|contig|scaffold|chromosomescaffold)(?:name|id|no|number)?"
    rf"|{OF}strand"
    rf"|(?:gene|transcript|percent|percentage|pct|perc)*gc(?:content|percent|percentage|pct|fraction|frac)?"
    rf"|{OF}(?:percent|pct)?gccontent"
    rf"|(?:n|num|no|number|of)*{OF}(?:exon|transcript|isoform|intron|gene)s?(?:count|counts|number|num)"
    rf"|(?:n|num|number|of)+(?:exon|transcript|isoform|intron)s"
    r"|(?:entrez|ncbi|hgnc|omim|mim|taxon|tax|havana)(?:gene)?(?:id|ids|number|no)?|geneid|genesetid"
    r"|tsl|transcriptsupportlevel|geneversion|transcriptversion|biotype|genetype|genebiotype|source|status|locus|classcode"
)
"""Names, reduced to letters and digits, of columns that describe genes: Transcript_Length(bp), Gene % GC content."""
STATISTIC = re.compile(
    r"(?:.*(?:conflo|confhi|confidencelow|confidencehigh|cilow|cihigh|cilower|ciupper))"
    r"|sd|se|sem|std|stdev|stddev|stderr|standarddeviation|standarderror|var|variance|cv|mad|iqr|sdtpm|tpmsd|tpmse"
    r"|pval|pvalue|pvalues|padj|adjp|adjpval|adjpvalue|qval|qvalue|fdr|stat|statistic|tstat|zscore"
    r"|(?:log|log2|log10|ln)?(?:fc|foldchange)|lfc|lfcse|basemean|aveexpr|logcpm|tau|rank|fitresiduals|lowmapqualfrags"
    r"|(?:un)?splicedfragments|coverage|isopct|fold"
)
"""Names of columns with statistics on the values in other columns."""
SAMPLES = re.compile(
    r"(?:the)?(?:rna|seq|bio)?(?:sample|samples|tissue|cellline|celltype|cell|singlecelltype|immunecell|bloodcell|brainregion|"
    r"organ|variable|run|library|replicate|barcode|patient|donor|individual|subject|specimen|experiment|dataset|condition|group|"
    r"cluster|cohort|cancer|region|biosample)(?:id|ids|name|names|type|term|termname|accession|label|number|no)?"
)
"""Names, reduced to letters and digits, of the column of a long table that names each row's sample."""
UNITS = {
    "TPM": r"(?:adj|raw|gene|mean)?tpms?|transcripts per million",
    "FPKM": r"[fr]pkms?",
    "other": r"(?:raw|read|expected|est|norm|normali[sz]ed|unique)?[\W_]*(?:counts?|reads)|cpm|rpm|[np]tpm|numreads|"
    r"coverage|cov|conf[\W_]?(?:lo|hi)|length|eff(?:ective)?[\W_]?length|status|sd|se|detection|pval(?:ue)?",
}
"""Units that may stand before or after a sample's name: `A_tpm`, `FPKM.A`, `A (TPM)`."""


def names_ids(name: str) -> bool:
    """Whether a name consists only of words for ids."""
    spaced = _spaced(name)
    words = [word for token in re.findall(r"[^\W\d_]+", spaced) for word in _words(token)]
    numbered = any(letter.isdigit() for letter in spaced) and "unnamed" not in words
    return not numbered and ID_WORDS.issuperset(words) and not ID_CORE.isdisjoint(words)


OTHER_VALUES = frozenset(
    re.findall(
        r"\w+",
        "fpkm rpkm count counts expectedcount estcounts numreads reads readcount readcounts rawcount rawcounts",
    )
)
"""Names, reduced to letters and digits, of columns with values other than TPM."""


def describes_genes(name: str) -> bool:
    """Whether a numeric column of this name describes genes or other columns, and is therefore not a sample."""
    letters = _letters(name)
    return bool(letters) and (
        letters in OTHER_VALUES
        or DESCRIBES.fullmatch(letters) is not None
        or STATISTIC.fullmatch(letters) is not None
        or (names_ids(name) and letters != "x")
    )


def tells_samples_apart(name: str) -> bool:
    """Whether a column of this name holds the name of each row's sample."""
    return SAMPLES.fullmatch(_letters(name)) is not None


def unit_and_sample(name: str) -> tuple[str, str] | None:
    """Split a column name into its unit (a key of `UNITS`), which precedes or follows, and the sample's name."""
    text = name.strip().rstrip(")]}")
    if len(text) > LONGEST_NAME:
        return None
    for unit, pattern in UNITS.items():
        for form in (rf"(?P<sample>.+?)[\W_]+(?:{pattern})", rf"(?:{pattern})[\W_]+(?P<sample>.+)"):
            found = re.fullmatch(form, text, re.IGNORECASE)
            sample = found["sample"].strip(" _-.:([{") if found else ""
            if sample and not names_no_sample(sample) and not describes_genes(sample):
                return unit, sample
    return None


def _words(token: str) -> tuple[str, ...]:
    """Split letters into two words for ids if possible: geneid, genesymbol."""
    if token not in ID_WORDS:
        for place in range(1, len(token)):
            if token[:place] in ID_WORDS and token[place:] in ID_WORDS:
                return token[:place], token[place:]
    return (token,)


def _spaced(name: str) -> str:
    """Return the name in lower case, with joined words separated: GeneName, ENSEMBL_GeneID."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.strip()[: LONGEST_NAME + 1]).lower()


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower()) if len(name) <= LONGEST_NAME else ""


def names_no_sample(name: str) -> bool:
    """Whether a name says only that the column has values: `TPM`, `value`, `gene TPM`."""
    return GENERIC.issuperset(filter(None, re.split(r"[\W_]+", name.lower())))


def is_near_tpm(name: str) -> bool:
    """Whether a name is a misspelling of TPM, such as `tmp` or `TPPM`."""
    letters = re.sub(r"[\W_]", "", name.lower())
    return letters != "tpm" and NEAR_TPM.fullmatch(letters) is not None


def why_no_tpm(name: str) -> str | None:
    """Return why the name of the only value column rules out TPM; None if the name allows it.

    Args:
        name: The column's name, as in the header.
    """
    lower = name.strip().lower()
    if LOGARITHMS.fullmatch(lower):
        return f"no TPM column, and '{name}' looks log-transformed; provide untransformed TPM in a column named TPM"
    if COUNTS.fullmatch(lower):
        return f"counts ({name}) but no TPM column; provide TPM, because counts depend on gene length"
    if FPKM.fullmatch(lower):
        return f"no TPM column, but '{name}'; rename an FPKM column to FPKM to have it scaled to TPM, or provide TPM"
    if is_near_tpm(name):
        return f"no TPM column, but '{name}'; if it holds TPM, rename it to TPM"
    return None


def is_of_counts(name: str) -> bool:
    """Whether a name is a general name for counts, and not a sample's: `Raw Counts`, `NumReads`."""
    return _letters(name) in OTHER_VALUES - {"fpkm", "rpkm"}


def names_counts(name: str) -> bool:
    """Whether the end of a column's name says that it holds counts: `A_count`, `liver.counts`, `B_reads`."""
    return COUNTS_BEHIND.fullmatch(name.strip().lower()) is not None
