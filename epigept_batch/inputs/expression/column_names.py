"""What the name of a column of values says that they are, where it is no sample's name."""

from __future__ import annotations

import re

GENERIC = frozenset(
    {"tpm", "fpkm", "rpkm", "value", "values", "val", "expression", "expr", "abundance", "sample", "gene", "level"}
)
"""Words that name no sample."""
BETWEEN = r"[\W_]*"
UNIT = "(?:tpm|fpkm|rpkm|cpm|rpm|counts?|expression|expr)"
LOG = "(?:log(?:2|10|1p|e)?|ln|rlog|vst)"
LOGARITHMS = re.compile(
    rf"log(?:2|10|1p|e)?|rlog|vst|{LOG}{BETWEEN}(?:[\d.]+{BETWEEN})?{UNIT}.*|{UNIT}{BETWEEN}{LOG}(?![a-z]).*"
)
"""log2, logTPM, log2(TPM+1), ln(1+TPM), TPM_log2, …; not LN229, which is a cell line."""
COUNTS = re.compile(
    rf"(?:(?:raw|read|gene|fragment|umi|expected|est|estimated|num|n|normali[sz]ed|norm){BETWEEN})*"
    r"(?:counts?|reads|cpm|rpm)"
)
FPKM = re.compile(rf"[fr]pkms?(?:{BETWEEN}(?:values?|expression|unstranded|\d+))*")
NEAR_TPM = re.compile(r"(?:t+m+p+|p+t+m+|t+p+m+)s?")
"""Two letters exchanged, some doubled, or in the plural."""


def names_no_sample(name: str) -> bool:
    """Whether a name says no more than that there are values: `TPM`, `value`, `gene TPM`."""
    return GENERIC.issuperset(filter(None, re.split(r"[\W_]+", name.lower())))


def is_near_tpm(name: str) -> bool:
    """Whether it is TPM misspelt, as `tmp` and `TPPM` are."""
    letters = re.sub(r"[\W_]", "", name.lower())
    return letters != "tpm" and NEAR_TPM.fullmatch(letters) is not None


def why_no_tpm(name: str) -> str | None:
    """Why the only column of values cannot be taken for TPM, by its name; None where that says nothing against it.

    Args:
        name: Of the column, as the header has it.
    """
    lower = name.strip().lower()
    if LOGARITHMS.fullmatch(lower):
        return f"has no column TPM, but '{name}': logarithms, by its name; give TPM themselves, in a column TPM"
    if COUNTS.fullmatch(lower):
        return f"has counts ({name}) and no column TPM; give TPM, for counts depend on the genes' lengths"
    if FPKM.fullmatch(lower):
        return f"has no column TPM, but '{name}'; call a column of FPKM just FPKM to have it scaled to TPM, or give TPM"
    if is_near_tpm(name):
        return f"has no column TPM, but '{name}': did you mean TPM? Then call it that"
    return None
