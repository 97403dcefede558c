"""The index of blocks against a file that htslib packs, block by block."""

import gzip
import io
import itertools
import struct

import numpy as np
import pysam
import pytest

from epigept_batch.browser.block_index import with_end
from epigept_batch.errors import InputError
from epigept_batch.sequence.genome import Genome


@pytest.mark.parametrize("bases", [50, 200_000])
def test_every_block_lies_between_two_entries(tmp_path, bases):
    plain, packed = tmp_path / "g.fa", tmp_path / "g.fa.gz"
    plain.write_text(">one\n" + "".join(np.random.default_rng(1).choice(list("ACGT"), bases)) + "\n")
    pysam.tabix_compress(str(plain), str(packed))
    with Genome(packed) as genome:
        _, _, index = genome.files
    content = with_end(index, packed)
    (number,) = struct.unpack_from("<Q", content)
    entries = [(0, 0), *struct.iter_unpack("<QQ", content[8:])]
    assert len(entries) == number + 1 >= 2
    text, file = plain.read_bytes(), packed.read_bytes()
    for (start, first), (end, last) in itertools.pairwise(entries):
        assert gzip.GzipFile(fileobj=io.BytesIO(file[start:end])).read() == text[first:last]
    assert entries[-1][1] == len(text)


def test_an_index_of_another_file(tmp_path):
    packed, index = tmp_path / "g.fa.gz", tmp_path / "g.fa.gz.gzi"
    packed.write_bytes(gzip.compress(b">one\nACGT\n"))  # not bgzip
    for content in (b"", b"\1" + b"\0" * 7, b"\0" * 8):
        index.write_bytes(content)
        with pytest.raises(InputError, match="delete it, and rerun"):
            with_end(index, packed)
