"""Files made to do harm: each is refused with one line, in seconds and little memory, and nothing of it is run.

Readers run in a process with 6 GB of address space, libraries included, so that nothing is allocated by a file's word.
"""

import json
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from epigept_batch.errors import InputError, ModelError
from epigept_batch.inference.model_file import read_spec
from epigept_batch.motifs.store import ScoreKey, ScoreStore
from epigept_batch.names import can_be_file_name
from epigept_batch.tiling import Contig
from epigept_export.load import ARCHITECTURE_KEY, load_network
from epigept_export.pickles import check_pickle

ADDRESS_SPACE = 6 << 30
SECONDS = 60
READERS = {
    "model": "from epigept_batch.inference.model_file import read_spec as read",
    "checkpoint": "from epigept_export.load import load_network as read",
    "h5ad": "from epigept_batch.expression.pseudobulk import Pseudobulk\ndef read(path): Pseudobulk(path, None)",
    "pairs": "from epigept_batch.motifs.motif_set import read_factor_pairs as read",
}
SCRIPT = """
import resource, sys
sys.path[:0] = sys.argv[3:]
from pathlib import Path
from epigept_batch.errors import EpiGePTError
{reader}
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
try:
    read(Path(sys.argv[1]))
except EpiGePTError as error:
    print(error)
"""


def refusal(reader, path):
    """What a reader says of a file, with little memory to say it in."""
    words = [sys.executable, "-c", SCRIPT.format(reader=READERS[reader]), path, ADDRESS_SPACE, *sys.path]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("\n") == 1, done.stdout
    return done.stdout.rstrip("\n").removeprefix(f"{path}: ")


def changed(model, change):
    """A model file after a change."""
    document = onnx.load(model)
    change(document)
    return document.SerializeToString()


def external_weights(document):
    weights = document.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../../../etc/passwd")


def external_without_location(document):
    document.graph.initializer[0].external_data.add(key="location", value="weights.bin")


def external_constant(document):
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL, name="x")
    tensor.external_data.add(key="location", value="/etc/passwd")
    node = document.graph.node.add(op_type="Constant", output=["secret"])
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR, t=tensor)


def node(domain, operator):
    return lambda document: document.graph.node.add(op_type=operator, domain=domain, output=["x"])


def graph_attribute(document):
    body = helper.make_graph([], "body", [], [])
    added = document.graph.node.add(op_type="Sneaky", output=["x"])
    added.attribute.add(name="body", type=onnx.AttributeProto.GRAPH, g=body)


def function(document):
    document.functions.add(name="f", domain="com.microsoft")


def sparse(document):
    document.graph.sparse_initializer.add()


def declared_larger(document):
    document.graph.initializer[0].dims[:] = [1 << 20, 1 << 20]


def declared_negative(document):
    document.graph.initializer[0].dims[0] = -1


def declared_without_data(document):
    weights = document.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.dims[:] = [1 << 40]


def many_dimensions(document):
    document.graph.initializer[0].dims[:] = [1] * 100_000


def other_shape(document):
    document.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1 << 40


def spec_of(**changes):
    def change(document):
        spec = json.loads(document.metadata_props[0].value) | changes
        document.metadata_props[0].value = json.dumps(spec)

    return change


def spec_text(text):
    def change(document):
        document.metadata_props[0].value = text

    return change


MODELS = {
    "weights in another file": (external_weights, "model file has weights in another file; they must all be"),
    "weights said to be elsewhere": (external_without_location, "model file has weights in another file"),
    "a constant in another file": (
        external_constant,
        "model file has an operator with values in another file (Constant)",
    ),
    "an operator of somebody's library": (
        node("evil.ops", "Run"),
        "model file has the operator evil.ops::Run, which is not",
    ),
    "an operator that loads a binary": (
        node("com.microsoft", "EPContext"),
        "model file has the operator com.microsoft::EPContext",
    ),
    "a loop": (node("", "Loop"), "model file has the operator ai.onnx::Loop"),
    "a graph in an operator": (graph_attribute, "model file has an operator with its own graph (Sneaky), which is not"),
    "functions": (function, "model file defines its own functions, which is not supported"),
    "sparse weights": (sparse, "model file has sparse weights, which are not supported"),
    "weights declared larger than they are": (declared_larger, "not an ONNX model, or truncated"),
    "weights of a negative size": (declared_negative, "not an ONNX model, or truncated"),
    "weights of terabytes that are not there": (declared_without_data, "not an ONNX model, or truncated"),
    "weights of many dimensions": (many_dimensions, "not an ONNX model, or truncated"),
    "inputs of terabytes": (other_shape, "the model's graph takes tokens in another shape than its spec says"),
    "tracks outside the folder": (spec_of(tracks=["../../a", "b", "c"]), "the spec in the model file is damaged"),
    "a window of terabytes": (spec_of(bins=1 << 40), "the spec in the model file is damaged"),
    "nested metadata": (spec_text("[" * 1_000_000), "the spec in the model file is damaged"),
    "metadata of a long number": (spec_text('{"format_version": ' + "9" * 100_000 + "}"), "the spec in the model file"),
    "metadata of 100 MB": (spec_text("[" + "0," * 50_000_000 + "0]"), "not an ONNX model, or truncated"),
    "a later format": (spec_of(format_version=99), "the model file has format 99, but this version reads format 1"),
}


@pytest.mark.parametrize("name", MODELS)
def test_model_files(small_model, tmp_path, name):
    change, said = MODELS[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(changed(small_model, change))
    assert refusal("model", path).startswith(said)
    with pytest.raises(ModelError):
        read_spec(path)


def test_a_model_file_of_a_great_many_parts(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x72\x00" * 2_000_000)
    assert refusal("model", path).startswith("not an ONNX model, or truncated")


PICKLES = {
    "a memo of gigabytes": (b"\x80\x02Nr\xff\xff\xff\x7f.", "its pickle numbers more objects than it has bytes"),
    "a text memo of gigabytes": (b"\x80\x02Np2147483647\n.", "its pickle numbers more objects than it has bytes"),
    "a byte array of terabytes": (b"\x80\x05\x96" + struct.pack("<Q", 1 << 42) + b".", "its pickle"),
    "bytes of terabytes": (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 42) + b".", "its pickle is damaged"),
    "tuples in tuples": (b"\x80\x02)" + b"\x85" * 300_000 + b".", "its pickle is nested too deeply"),
    "a key of tuples in tuples": (b"\x80\x02})" + b"\x85" * 300_000 + b"Ns.", "its pickle is nested too deeply"),
    "lists in lists": (b"\x80\x02]" * 200_000 + b"a" * 199_999 + b".", "its pickle is nested too deeply"),
    "an empty stack": (b"\x80\x02ttt.", "its pickle is damaged"),
    "a long number": (b"\x80\x02I" + b"9" * 100_000 + b"\n.", "its pickle is damaged"),
    "no end": (b"\x80\x02N", "its pickle is damaged"),
}


@pytest.mark.parametrize("name", PICKLES)
def test_pickles(tmp_path, name):
    content, said = PICKLES[name]
    path = tmp_path / "x.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3")
    assert refusal("checkpoint", path).startswith(f"damaged checkpoint ({said}")


def test_pickles_that_torch_writes_are_let_through():
    for document in ({"a": (1, 2.5, "x", None, True, [b"y"], {"z": {1, 2}})}, [[[[]]]], {i: (i,) for i in range(5000)}):
        for protocol in range(6):
            check_pickle(pickle.dumps(document, protocol=protocol))


def test_an_archive_that_is_a_bomb(tmp_path):
    path = tmp_path / "bomb.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 28))
    assert refusal("checkpoint", path).startswith("a compressed archive, which torch.save does not write")


def test_an_archive_whose_parts_overlap(tmp_path):
    path = tmp_path / "bomb.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 20))
        for number in range(100):
            archive.filelist.append(archive.filelist[0])
            archive.NameToInfo[str(number)] = archive.filelist[0]
    assert refusal("checkpoint", path).startswith("damaged checkpoint (its parts overlap)")


def saved(path, state):
    torch.save(state, path)
    return path


def test_weights_that_are_larger_than_the_file(tmp_path, small_state):
    key = "fc1.weight"
    vast = torch.zeros(1).expand(1 << 20, 1 << 20)
    path = saved(tmp_path / "x.ckpt", small_state | {key: vast})
    assert refusal("checkpoint", path).startswith(f"{key} has shape (1048576, 1048576), but the file has too few")


DESCRIPTIONS = {
    "of layers without end": {"layers": 10**9},
    "of a window of terabytes": {"bins": 1 << 16, "pools": [1 << 16] * 5},
    "below 0": {"heads": -1},
    "of no number": {"heads": "8"},
    "outside the folder": {"tracks": ["../x"]},
    "of windows in another file": {"training_windows": "../../x"},
    "of no convolutions": {"channels": [4], "kernels": [], "pools": []},
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_what_a_checkpoint_says_of_its_network(tmp_path, small_state, name):
    from dataclasses import asdict

    from small import SMALL

    text = json.dumps(asdict(SMALL) | DESCRIPTIONS[name]).encode()
    carried = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    path = saved(tmp_path / "x.ckpt", small_state | {ARCHITECTURE_KEY: carried})
    assert refusal("checkpoint", path).startswith("contains a damaged architecture (")


@pytest.mark.parametrize(
    "carried", [torch.tensor(1 << 40), torch.zeros(5), torch.zeros((2, 2), dtype=torch.uint8), torch.tensor([300])]
)
def test_a_description_that_is_no_text(tmp_path, small_state, carried):
    path = saved(tmp_path / "x.ckpt", small_state | {ARCHITECTURE_KEY: carried})
    with pytest.raises(ModelError, match="contains a damaged architecture"):
        load_network(path)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1 << 40]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "X", "shape": [1], "data_offsets": [0, 4]}},
        {"a": 5},
    ],
    ids=lambda header: str(header)[:60],
)
def test_safetensors_that_declare_what_is_not_there(tmp_path, header):
    text = json.dumps(header).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    assert refusal("checkpoint", path).startswith("damaged checkpoint (")


def mat_of(*parts):
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"".join(parts)


def mat_part(kind, content):
    return struct.pack("<II", kind, len(content)) + content


def test_a_matlab_file_that_is_a_bomb(tmp_path):
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 24)) for _ in range(8)) + packer.flush()
    path = tmp_path / "bomb.mat"
    path.write_bytes(mat_of(mat_part(15, packed)))
    assert (
        refusal("pairs", path) == "unpacks to more than 64 MB, more than any motif set; check that it is the right file"
    )


def test_a_matlab_file_that_declares_terabytes(tmp_path):
    flags, dims = mat_part(6, struct.pack("<II", 1, 0)), mat_part(5, struct.pack("<II", 1 << 30, 1 << 30))
    path = tmp_path / "vast.mat"
    path.write_bytes(mat_of(mat_part(14, flags + dims + struct.pack("<II", 1, 6) + b"Match2\0\0")))
    assert refusal("pairs", path).startswith("damaged or truncated (")


def hdf5(path, fill):
    import anndata
    import h5py

    anndata.AnnData(np.ones((3, 2), np.float32)).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        fill(file, h5py)
    return path


def vast_index(file, _):
    del file["obs/_index"]
    file["obs"].create_dataset("_index", shape=(1 << 40,), dtype="S8", chunks=(1024,))


def external_link(file, h5py):
    del file["obs"]
    file["obs"] = h5py.ExternalLink("/etc/passwd", "/")


def soft_link(file, h5py):
    file["obs/again"] = h5py.SoftLink("/")


def hard_link(file, _):
    file["obs/again"] = file["obs"]


def external_data(file, _):
    file.create_dataset("x", shape=(4,), dtype="u1", external=[("/etc/passwd", 0, 4)])


def no_index(file, _):
    del file["obs/_index"]


ANNDATA = {
    "cells without end": (vast_index, "declares more values than a file of its size can hold"),
    "cells in another file": (
        external_link,
        "'obs' is stored outside the file or is a link; provide a self-contained file",
    ),
    "a group in itself": (soft_link, "'again' is stored outside the file or is a link"),
    "a group that holds itself": (hard_link, "more than 10,000 HDF5 groups, which no .h5ad has"),
    "values in another file": (external_data, "'x' is stored outside the file or is a link"),
    "no index": (no_index, "a damaged .h5ad, or a form that anndata cannot read ("),
}


@pytest.mark.parametrize("name", ANNDATA)
def test_single_cell_files(tmp_path, name):
    fill, said = ANNDATA[name]
    assert refusal("h5ad", hdf5(tmp_path / "x.h5ad", fill)).startswith(said)


STORES = {
    "chunks of terabytes": {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1 << 20, 1 << 20]}}},
    "an array of terabytes": {"shape": [1 << 20, 1 << 40]},
    "another type": {"data_type": "float64"},
    "more bins than the contig": {"shape": [1, 2000]},
}


@pytest.mark.parametrize("name", STORES)
def test_stores_of_scores(tmp_path, name):
    contig = Contig("c", 128_000)
    store = ScoreStore.create(tmp_path / "store", ScoreKey(1, "m", "0,128", 128, ("f",)))
    store.add(contig, "md5")
    store.write(contig, 0, np.ones((1, 1000), np.float16))
    metadata = tmp_path / "store/c/zarr.json"
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | STORES[name]))
    with pytest.raises(
        InputError, match="store/c: (array has another shape or type|damaged array); delete this folder"
    ):
        ScoreStore.open(tmp_path / "store").read(contig, 0, 1000)


def test_metadata_of_a_store_that_is_too_large(tmp_path):
    ScoreStore.create(tmp_path / "store", ScoreKey(1, "m", "0,128", 128, ("f",)))
    (tmp_path / "store/zarr.json").write_text("[" + " " * (1 << 25) + "]")
    with pytest.raises(InputError, match="not an epigept-batch score store: its zarr.json is too large"):
        ScoreStore.open(tmp_path / "store")


NAMES = ["..", ".", "", "../x", "/x", "a/b", ".hidden", "a\0b", "a\nb", "a\x1b[31m", "\ud800", "x" * 151, "é" * 76]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names_that_would_leave_the_folder_or_be_no_files(name):
    assert not can_be_file_name(name)


@pytest.mark.parametrize("name", ["liver", "liver 2", "a..b", "x" * 150, "Leber-ß", "a=b", "-x"])
def test_names_of_files(name, tmp_path):
    assert can_be_file_name(name)
    (tmp_path / f".{name}.{'t' * 64}.bw.12345678.part").touch()


CONTIGS = ["..", ".", "../x", "/x", "a/b", "zarr.json", "__x", "x" * 5000, "a\\b", "é" * 200]


@pytest.mark.parametrize("name", CONTIGS, ids=lambda name: ascii(name)[:20])
def test_contigs_of_any_name_stay_in_the_store(tmp_path, name):
    store = ScoreStore.create(tmp_path / "deep/store", ScoreKey(1, "m", "0,128", 128, ("f",)))
    contig, other = Contig(name, 1000), Contig(name + "y", 1000)
    for number, one in enumerate((contig, other)):
        store.add(one, "md5")
        store.write(one, 0, np.full((1, 8), number + 1, np.float16))
    again = ScoreStore.open(tmp_path / "deep/store")
    assert again.read(contig, 0, 8).tolist() == [[1] * 8]
    assert again.read(other, 0, 8).tolist() == [[2] * 8]
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["store"]


def test_what_a_file_says_cannot_speak_to_the_terminal():
    assert str(InputError("a\x1b[2Jb\nc\r", "x\x07")) == r"x\x07: a\x1b[2Jb\nc"
    assert "\n" not in str(ModelError("a\u2028b"))
