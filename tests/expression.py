"""Read tables in tests."""

from epigept_batch.expression.gene_ids import published_factors
from epigept_batch.expression.request import SampleRequest
from epigept_batch.expression.samples import read_samples

FACTORS = ("AHR", "ARNTL", "T", "GTF2I", "CTCF")


def read_all(*paths, factors=FACTORS, reference=None, **options):
    """Return every sample of tables by name; a path may be (name, path)."""
    tables = tuple(path if isinstance(path, tuple) else (None, path) for path in paths)
    request = SampleRequest(tables, **options)
    return {sample.name: sample for sample in read_samples(request, factors, reference)}


def read_one(path, factors=FACTORS, reference=None, **options):
    """Return the one sample of a table."""
    (sample,) = read_all(path, factors=factors, reference=reference, **options).values()
    return sample


def read_tpm(path, factors=FACTORS, **options):
    """Return the TPM of the factors in the one sample of a table."""
    return read_one(path, factors, **options).tpm


PUBLISHED = published_factors()
