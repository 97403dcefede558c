#!/usr/bin/env python3
"""Pack what the check on a bare GPU machine needs into a folder of some 60 MB; `bash FOLDER/check.sh` does the rest.

    python benchmarks/gpu_check/kit.py .gpu          # from the project's root; 3 to 4 minutes
    python benchmarks/gpu_check/kit.py .gpu --source # after a change of the code: seconds

The GPU machine needs x86-64, Python 3.12, PyTorch for CUDA 13 with NVIDIA's libraries as pip packages, numba and
numba-cuda, but no registry. It gets:

runtime.tar.xz   onnxruntime-gpu, whose CUDA provider keeps only code for Hopper (H100, H200), and of that only kernels
                 that this network may call. `--whole` keeps every kernel for Hopper.
packages.tar.xz  what PyTorch's environment lacks
source.tar.xz    the project with uncommitted changes
data/            real inputs, golden windows, and HOMER's scores

The steps `torch` and `variants` of the check need two more scripts, which lie beside the data; without them they are
left out.
"""

from __future__ import annotations

import argparse
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[2] / "shared/data"
TOOLS = HERE.parents[2] / "shared/tools/gpu"
FURTHER = ("torch_baseline.py", "ort_variants.py")
RUNTIME = "onnxruntime-gpu==1.31.1"
PACKAGES = (
    *(
        "polars==1.30.0",
        "pyfaidx",
        "biopython",
        "pyBigWig",
        "pybigtools",
        "zarr",
        "numcodecs",
        "platformdirs",
        "donfig",
    ),
    *("google-crc32c", "msgspec", "typing_extensions", "click", "tqdm"),
)
NEEDED = (
    "genome/hg38_chr2_1-2333275.fa.gz",
    "genome/hg19_chr22_1-22000000.fa.gz",
    "motifs/all_motif_rmdup",
    "motifs/MotifMatch_human_rmdup.mat",
    "motifs/tf_list_711.txt",
    "expression/encode_rsem.tsv.gz",
    "expression/reference_expression.tsv",
    "golden/hg38_chr2_1792000_encode.npz",
    "golden/hg38_chr2_2304000_encode.npz",
    *(
        f"homer/epigept_motifscore.{name}.size_{size}.npy"
        for name in ("small", "chr22gap_hg19")
        for size in ("given", 200)
    ),
)
UNUSED = re.compile(
    rb"GroupProblemShape|flash_fwd_splitkv|MoeFC|fpA_intB|moe_gemv|AttentionKernelIN7cutlass10bfloat16_t|weight_only|"
    rb"flash_fwd_kernelINS0_23Flash_fwd_kernel_traitsILi(32|64|96|192|256)E|cutlass_kernels"
)
"""Names of kernels that the network does not call: mixtures of experts, paged attention, other sizes of heads."""
PLATFORMS = tuple(
    word
    for tag in ("_2_28", "_2_27", "_2_24", "_2_17", "2014", "1")
    for word in ("--platform", f"manylinux{tag}_x86_64")
)
FAT_BINARY, HOPPER = 0xBA55ED50, 90  # magic number of a fat binary, and the architecture that is kept
UNUSED_FOLDERS = ("onnxruntime/tools", "onnxruntime/datasets")


def main() -> None:
    """Pack the kit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of the kit; git ignores it from then on")
    parser.add_argument("--data", type=Path, default=DATA, help="real data")
    parser.add_argument("--source", action="store_true", help="pack the project, the scripts and the data alone")
    parser.add_argument("--whole", action="store_true", help="keep all CUDA code for Hopper")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["git", "check-ignore", "-q", options.out], check=False).returncode:
        ask = ["git", "rev-parse", "--git-path", "info/exclude"]
        excluded = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
        with excluded.open("a") as stream:
            stream.write(f"/{options.out.name}/\n")
    if not options.source:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "zstandard"], check=True)
        pack_runtime(options.out, whole=options.whole)
        pack_packages(options.out)
    pack_source(options.out, options.data)
    total = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{options.out}: {total / 2**20:.1f} MiB")


def download(names: tuple[str, ...], folder: Path) -> None:
    """Download wheels for the GPU machine."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", "3.12", "--implementation", "cp", *PLATFORMS]
    for name in names:
        subprocess.run([*command, "-d", folder, name], check=True, stderr=subprocess.DEVNULL)


def unpack(folder: Path, target: Path) -> None:
    """Unpack all wheels of a folder into one tree."""
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)


def pack(folder: Path, archive: Path) -> None:
    """Pack a tree, and print the archive's size."""
    subprocess.run(["tar", "-C", folder, "-I", "xz -6 -T0", "-cf", archive, "."], check=True)
    print(f"{archive.name}: {archive.stat().st_size / 2**20:.1f} MiB", flush=True)


def slim(library: Path, *, whole: bool) -> None:
    """Overwrite with zeros the CUDA code that a Hopper card does not take or this network does not call."""
    headers = subprocess.run(["readelf", "-SW", library], capture_output=True, text=True, check=True).stdout
    at, size = (int(word, 16) for word in re.search(r"\.nv_fatbin\s+PROGBITS\s+\w+\s+(\w+)\s+(\w+)", headers).groups())
    data, end, kept = bytearray(library.read_bytes()), at + size, 0
    while at < end - 16:
        magic, _, header, length = struct.unpack_from("<IHHQ", data, at)
        if magic != FAT_BINARY:
            at += 8
            continue
        entry, stop = at + header, at + header + length
        while entry < stop:
            _, _, skip, payload = struct.unpack_from("<HHIQ", data, entry)
            (architecture,) = struct.unpack_from("<I", data, entry + 28)
            first, last = entry + skip, entry + skip + payload
            if architecture != HOPPER or not (whole or is_used(bytes(data[first:last]))):
                data[first:last] = bytes(payload)
            else:
                kept += payload
            entry = last
        at = stop
    library.write_bytes(data)
    print(f"CUDA code kept: {kept / 2**20:.0f} of {size / 2**20:.0f} MiB", flush=True)


def is_used(code: bytes) -> bool:
    """Whether the network may call a kernel of a piece of CUDA code."""
    import zstandard

    with suppress(zstandard.ZstdError):  # some of it is not compressed
        code = zstandard.ZstdDecompressor().decompressobj().decompress(code)
    return not UNUSED.search(b" ".join(re.findall(rb"\.text\.\w+", code)))


def pack_runtime(out: Path, *, whole: bool) -> None:
    """Pack ONNX Runtime without what the check does not use."""
    with tempfile.TemporaryDirectory() as temporary:
        wheels, tree = Path(temporary, "wheels"), Path(temporary, "tree")
        download((RUNTIME,), wheels)
        unpack(wheels, tree)
        for name in UNUSED_FOLDERS:
            shutil.rmtree(tree / name, ignore_errors=True)
        libraries = tree / "onnxruntime/capi"
        for path in [*libraries.glob("libonnxruntime_providers_tensorrt.so"), *libraries.glob("libonnxruntime.so*")]:
            path.unlink()
        slim(libraries / "libonnxruntime_providers_cuda.so", whole=whole)
        pack(tree, out / "runtime.tar.xz")


def pack_packages(out: Path) -> None:
    """Pack the packages; of Biopython only bgzip and what it imports."""
    with tempfile.TemporaryDirectory() as temporary:
        wheels, tree = Path(temporary, "wheels"), Path(temporary, "tree")
        download(PACKAGES, wheels)
        unpack(wheels, tree)
        for path in (tree / "Bio").iterdir():
            if path.is_dir() and path.name[0].isupper():
                shutil.rmtree(path)
        shutil.rmtree(tree / "BioSQL", ignore_errors=True)
        pack(tree, out / "packages.tar.xz")


def pack_source(out: Path, data: Path) -> None:
    """Pack the project, and copy the data and the scripts."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "--null", "-T", "-", "-I", "xz -6", "-cf", out / "source.tar.xz"], input=names, check=True)
    for name in NEEDED:
        (out / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data / name, out / "data" / name)
    for path in (HERE / "check.sh", *(TOOLS / name for name in FURTHER)):
        if path.exists():
            shutil.copyfile(path, out / path.name)


if __name__ == "__main__":
    main()
