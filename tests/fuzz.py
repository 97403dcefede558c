"""Give every reader damaged files: it must succeed, or say in one line what is wrong.

    python tests/fuzz.py --seconds 60 [--seed 1] [--reader table …] [--keep FOLDER]

Prints how many inputs were tried and refused. Exits with 1 after a crash, and keeps its input. The same seed tries the
same inputs.
"""

from __future__ import annotations

import argparse
import gzip
import io
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from epigept_batch.demo import linear
from epigept_batch.errors import EpiGePTError
from epigept_batch.expression.request import SampleRequest
from epigept_batch.expression.samples import read_samples
from epigept_batch.expression.transcripts import read_transcript_map
from epigept_batch.inference.model_file import read_spec
from epigept_batch.motifs.motif_set import read_factor_pairs, read_motifs
from epigept_batch.sequence.genome import Genome
from epigept_batch.sequence.regions import parse_region, read_bed
from epigept_batch.tiling import Contig
from epigept_batch.tracks.records import TrackRecords
from epigept_batch.tracks.signal import SignalTrack
from epigept_export.checkpoint import read_state_dict
from epigept_export.convert import read_expression_reference
from epigept_export.load import embedded, load_network
from epigept_export.model import EpiGePT
from epigept_export.training.config import read_config
from small import SMALL

FACTORS = tuple(f"F{number:02d}" for number in range(15))
CONTIGS = {name: Contig(name, length) for name, length in (("chr1", 5000), ("HLA:1-2", 80))}
LEFT_OUT = ("h5ad", "bigWig")
"""Left out by default: the HDF5 library loops endlessly on some damaged files, and libBigWig ends the interpreter."""
ADDRESS_SPACE = 24 << 30
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1)
WORDS = (
    b"\t",
    b"\n",
    b"\r\n",
    b"\0",
    b",",
    b'"',
    b">",
    b"-1",
    b"NaN",
    b"inf",
    b"1e999",
    b"9" * 5000,
    b"\xff\xfe",
    b"#1.2",
)
"""Bytes that have a meaning in some format."""


@dataclass(frozen=True)
class Target:
    """A reader and good files for it.

    Attributes:
        read: Function that reads a file.
        ending: Ending of the file names.
        seeds: Contents that it reads without an error.
    """

    read: object
    ending: str
    seeds: tuple[bytes, ...]


def mutate(content, seeds, rng):
    """Return the content after a few changes like those of damage or malice."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        place, size = rng.randrange(len(data) + 1), 1 + min(int(rng.expovariate(1 / 8)), 200)
        kind = rng.randrange(9)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place : place + size] = rng.randbytes(size)
        elif kind == 2:
            del data[place : place + size]
        elif kind == 3:
            data[place:place] = data[place : place + size] * rng.choice((1, 2, 50))
        elif kind == 4:
            del data[place:]
        elif kind == 5:
            width = rng.choice((1, 2, 4, 8))
            number = (rng.choice(NUMBERS) % (1 << 8 * width)).to_bytes(width, rng.choice(("little", "big")))
            data[place : place + width] = number
        elif kind == 6:
            other = rng.choice(seeds)
            begin = rng.randrange(len(other) + 1)
            data[place : place + size] = other[begin : begin + size]
        elif kind == 7:
            data[place : place + rng.choice((0, 1, size))] = rng.choice(WORDS)
        else:
            begin = rng.randrange(len(data) + 1)
            here, there = slice(place, place + size), slice(begin, begin + size)
            data[here], data[there] = data[there], data[here]
    return bytes(data)


def saved(write, name="seed"):
    """Return what a function writes to the path that it receives."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def torch_bytes(document):
    stream = io.BytesIO()
    torch.save(document, stream)
    return stream.getvalue()


def h5ad_bytes():
    import anndata
    import scipy.sparse

    def write(path, *, sparse):
        counts = np.arange(60, dtype=np.float32).reshape(4, 15)
        data = anndata.AnnData(scipy.sparse.csr_matrix(counts) if sparse else counts)
        data.var_names = list(FACTORS)
        data.obs["kind"] = ["a", "b", "a", "b"]
        data.write_h5ad(path)

    return tuple(saved(lambda path, sparse=sparse: write(path, sparse=sparse)) for sparse in (False, True))


def bigwig_bytes():
    import pybigtools

    def write(path):
        writer = pybigtools.open(str(path), "w")
        writer.write({"chr1": 5000}, [("chr1", n * 10, n * 10 + 10, float(n)) for n in range(100)])

    return (saved(write, "seed.bw"),)


def mat_bytes():
    from scipy.io import savemat

    pairs = np.array([[f"m{n}", f"F{n:02d}"] for n in range(9)], dtype=object)
    return tuple(
        saved(lambda path, packed=packed: savemat(path, {"Match2": pairs}, appendmat=False, do_compression=packed))
        for packed in (False, True)
    )


def model_bytes():
    """Return the packaged model file, with one small tensor as its weights."""
    import onnx

    model = onnx.load(Path(linear.__file__).parent / "model.onnx")
    del model.graph.initializer[1:], model.graph.node[3:], model.graph.value_info[:]
    return (model.SerializeToString(),)


def read_table(path):
    request = SampleRequest(((None, path),), max_missing=0.5)
    read_samples(request, FACTORS, None)


def read_h5ad(path):
    read_samples(SampleRequest(((None, path),), max_missing=0.5, group_by="kind"), FACTORS, None)


def read_fasta(path):
    for place in path.parent.glob(f"{path.name}.*"):
        place.unlink()
    genome = Genome(path)
    for contig in genome.contigs[:5]:
        genome.tokens(contig, -5, min(contig.length, 100))
        genome.md5(contig)


def read_track(path):
    SignalTrack(path).bins(CONTIGS["chr1"], 0, 10, bin_bp=128)


def read_records(path):
    with TrackRecords(path) as track:
        for contig in CONTIGS.values():
            list(track.read(contig, np.array([0]), np.array([contig.length])))


def read_regions(path):
    for text in path.read_bytes().decode("utf-8", "replace").split("\n"):
        parse_region(text, CONTIGS)


def tables():
    values = [f"{name}\t{number + 0.5}" for number, name in enumerate(FACTORS)]
    plain = "gene_id\tTPM\n" + "\n".join(values) + "\n"
    described = "".join(row.replace("\t", "\tx\t") + "\n" for row in values)
    gct = f"#1.2\n15\t1\nName\tDescription\tliver\n{described}"
    counts = "Geneid\tChr\tStart\tEnd\tStrand\tLength\ta.bam\n" + "".join(f"{n}\tc\t1\t2\t+\t9\t5\n" for n in FACTORS)
    quoted = plain.replace("\t", '","').replace("\n", '"\n"')
    texts = (plain, gct, counts, f'"{quoted}', plain.replace("\t", ","), plain.replace("\n", "\r\n"))
    return (*(text.encode() for text in texts), gzip.compress(plain.encode()))


MOTIFS = (
    b">ACGT\tm1\t4.5\n" + b"0.7\t0.1\t0.1\t0.1\n" * 4,
    (
        b"MEME version 4\n\nALPHABET= ACGT\n\nMOTIF m1 x\nletter-probability matrix: alength= 4 w= 2\n"
        b" 0.7 0.1 0.1 0.1\n 0.1 0.7 0.1 0.1\n"
    ),
    b">MA1.1\tm1\nA [ 1 2 3 ]\nC [ 4 5 6 ]\nG [ 7 8 9 ]\nT [ 1 1 1 ]\n",
)
CONFIG = b"""genome = "g.fa"
motifs = "m"
[size]
layers = 2
"""


def targets():
    """Return every reader with its seeds."""
    torch.manual_seed(0)
    state = EpiGePT(SMALL).state_dict()
    lightning = {"epoch": 1, "state_dict": state, "hyper_parameters": {"rate": 0.1}, "optimizer": [{"a": [1, 2]}]}
    own = state | embedded(replace(SMALL, name="trained"))
    tensors = saved(lambda path: safetensors.torch.save_file(state, path))
    fasta = b">chr1 x\nACGTNacgt\nRYKM\n>two\nAC\n\n>HLA:1-2\nGG\n"
    transcripts = (
        b'c\tx\ttranscript\t1\t9\t.\t+\t.\tgene_id "F00"; transcript_id "ENST00000000001.2";\n' * 3,
        b"transcript_id\tgene_id\nENST00000000001\tF00\nENST00000000002\tF01\n",
    )
    return {
        "model": Target(read_spec, ".onnx", model_bytes()),
        "checkpoint": Target(load_network, ".ckpt", (torch_bytes(own), torch_bytes(lightning), torch_bytes(state))),
        "weights": Target(read_state_dict, ".ckpt", (torch_bytes({"a": torch.ones(3), "b": (1, [2])}),)),
        "safetensors": Target(read_state_dict, ".safetensors", (tensors,)),
        "table": Target(read_table, ".tsv", tables()),
        "h5ad": Target(read_h5ad, ".h5ad", h5ad_bytes()),
        "transcripts": Target(read_transcript_map, ".gtf", transcripts),
        "motifs": Target(read_motifs, ".motifs", MOTIFS),
        "pairs": Target(read_factor_pairs, ".tsv", (b"motif\tfactor\nm1\tF00\nm2\tF01\n", MOTIFS[0])),
        "mat": Target(read_factor_pairs, ".mat", mat_bytes()),
        "bed": Target(lambda path: read_bed(path, CONTIGS), ".bed", (b"chr1\t0\t50\n#x\nchr1\t60\t70\tname\n",)),
        "regions": Target(read_regions, ".txt", (b"chr1:1-50", b"HLA:1-2:3", b"chr1:1,000-2,000")),
        "FASTA": Target(read_fasta, ".fa", (fasta,)),
        "reference": Target(
            lambda path: read_expression_reference(path, FACTORS[:2]), ".tsv", (b"\ta\tb\nF00\t1\t2\nF01\t3\t4\n",)
        ),
        "bigWig": Target(read_track, ".bw", bigwig_bytes()),
        "records": Target(read_records, ".bw", bigwig_bytes()),
        "training": Target(read_config, ".toml", (CONFIG,)),
    }


def fuzz(names, *, seconds, seed, keep, limit=None):
    """Try inputs for each reader in turn; print and keep each crash; return (tried, refused) by reader."""
    everything = targets()
    counts, crashes = {}, 0
    names = names or [name for name in everything if name not in LEFT_OUT]
    for name in names:
        target = everything[name]
        rng = random.Random(f"{seed} {name}")
        tried = refused = 0
        until = time.monotonic() + seconds / len(names)
        while time.monotonic() < until and (limit is None or tried < limit):
            path = keep / f"input{target.ending}"
            content = mutate(rng.choice(target.seeds), target.seeds, rng)
            path.write_bytes(content)
            tried += 1
            try:
                target.read(path)
            except EpiGePTError as error:
                refused += 1
                crashed = "\n" in str(error)
            except Exception:  # noqa: BLE001 - the crashes to find
                traceback.print_exc()
                crashed = True
            else:
                crashed = False
            if crashed:
                crashes += 1
                shutil.copy(path, keep / f"crash.{name}.{tried}{target.ending}")
        counts[name] = (tried, refused)
        print(f"{name:12} tried {tried:8,}  refused {refused:8,}", flush=True)
    return counts, crashes


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--reader", action="append", default=[])
    parser.add_argument("--keep", type=Path, default=Path("fuzz"))
    given = parser.parse_args()
    given.keep.mkdir(parents=True, exist_ok=True)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    warnings.simplefilter("ignore")
    counts, crashes = fuzz(given.reader, seconds=given.seconds, seed=given.seed, keep=given.keep)
    print(f"{sum(tried for tried, _ in counts.values()):,} inputs tried, {crashes} crashes")
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
