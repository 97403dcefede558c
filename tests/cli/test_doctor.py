"""A checklist of the installation and the inputs."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import onnx
import pytest

from conftest import runner_of
from epigept_batch.commands import doctor as doctor_pipeline
from epigept_batch.commands.doctor import FAILED, OK, WARNING
from epigept_batch.errors import DeviceError
from epigept_batch.inference import installation
from epigept_batch.inference.check import check_limit
from epigept_batch.inference.gpu.about import GpuAccount
from epigept_batch.inference.installation import Driver
from epigept_batch.inference.model_file import read_spec
from epigept_batch.inference.runtime import CPU_PROVIDER, CUDA_PROVIDER, OPENVINO_PROVIDER
from epigept_batch.motifs.gpu.maker import GpuScanMaker
from epigept_batch.spec import Check, Spec
from gpus import scan_on_the_processor


@pytest.fixture
def doctor(tmp_path):
    """Run the command without inputs; its findings by their checks, and its exit code."""
    run = runner_of("doctor", {"out": tmp_path / "out", "device": "cpu"})

    def findings(**options):
        outcome = run("--json", **options)
        return {found["check"]: found for found in json.loads(outcome.out)}, outcome.code

    return findings


def with_spec(model, path, **changes):
    """A copy of a model file that says something else of itself."""
    document = onnx.load(model)
    spec = Spec.from_json(document.metadata_props[0].value)
    document.metadata_props[0].value = replace(spec, **changes).to_json()
    onnx.save(document, path)
    return path


def test_where_nothing_is_set_up_that_fails_and_the_packaged_network_proves_the_installation(doctor, home):
    found, code = doctor()
    assert code == 1
    assert [check for check, one in found.items() if one["state"] == FAILED] == ["model", "FASTA"]
    assert found["model"]["said"] == f"no --model given and {home}/model.onnx does not exist"
    assert found["model"]["advice"] == "run `epigept-batch setup`, or pass --model FILE"
    assert found["FASTA"]["said"] == f"no --fasta given and {home}/genome.fa does not exist"
    assert found["FASTA"]["advice"] == "run `epigept-batch setup`, or pass --fasta FILE"
    assert set(found) - {"model", "FASTA"} == {
        *("program", "home", "open files", "ONNX Runtime", "driver", "device", "check", "disk")
    }
    assert found["device"]["said"].startswith("cpu with CPUExecutionProvider, fp32")
    assert found["check"]["state"] == OK
    assert float(found["check"]["said"].split("is off by at most ")[1].split()[0]) < 1e-3


def test_what_is_set_up_is_looked_at_and_what_is_missing_is_said_as_genome_says_it(
    doctor, home, small_model, synthetic, tpm
):
    shutil.copy(small_model, home / "model.onnx")
    found, code = doctor()
    assert (code, found["model"]["state"], found["FASTA"]["state"]) == (1, OK, FAILED)
    run = runner_of("genome", {"tpm": tpm})()
    assert run.code == 2
    assert run.err == f"epigept-batch: {found['FASTA']['said']}; {found['FASTA']['advice']}\n"
    shutil.copy(synthetic / "synthetic.fa", home / "genome.fa")
    found, code = doctor()
    assert (code, found["FASTA"]["state"]) == (0, OK)


def test_tables_without_what_normalises_them_fail(doctor, small_model, fasta, tpm, tmp_path):
    model = with_spec(small_model, tmp_path / "m.onnx", reference=None)
    found, code = doctor(model=model, fasta=fasta, tpm=tpm)
    assert (code, found["model"]["state"], found["table"]["state"]) == (1, WARNING, FAILED)
    assert "--normalised" in found["table"]["advice"]
    run = runner_of("genome", {"tpm": tpm, "model": model, "fasta": fasta, "out": tmp_path / "out"})()
    assert (run.code, "has no expression reference" in run.err) == (2, True)


def test_sound_inputs(doctor, small_model, fasta, tpm, tmp_path):
    model = with_spec(small_model, tmp_path / "m.onnx", training_windows={"one": ((0, 3),), "two": ((0, 1),)})
    found, code = doctor(model=model, fasta=fasta, tpm=tpm)
    assert code == 0
    assert {check: one["state"] for check, one in found.items() if check in {"model", "FASTA", "contigs", "disk"}} == {
        "model": OK,
        "FASTA": OK,
        "contigs": OK,
        "disk": OK,
    }
    assert found["FASTA"]["said"] == f"{fasta}: contigs 3, bp 20,790; the index matches"
    assert found["contigs"]["said"] == "2 of 2 contigs of the training windows are present"
    assert found["table"]["said"].startswith(
        "sample: table with TPM, too few to judge, 15 of 15 factors, nearest training cell "
    )
    bins = 157 + 6 + 1
    assert bins * 3 * 10 == 4_920
    assert found["disk"]["said"].endswith(f" free; {bins} bins of 3 tracks take about 5 kB")


def test_a_table_of_signs_for_people_and_exit_1(tmp_path, fasta):
    outcome = runner_of("doctor", {"out": tmp_path, "device": "cpu"})(fasta=fasta, tpm=tmp_path / "absent.tsv")
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    assert f"FAILED   table: {tmp_path}/absent.tsv: TPM table cannot be read: No such file or directory" in lines
    assert f"ok       FASTA: {fasta}: contigs 3, bp 20,790; the index matches" in lines


def test_what_is_wrong_with_each_input_is_a_failure_and_the_others_are_checked_all_the_same(doctor, tmp_path):
    for name in ("bad.onnx", "bad.fa", "bad.tsv", "file"):
        (tmp_path / name).write_text("x\n")
    found, code = doctor(
        model=tmp_path / "bad.onnx", fasta=tmp_path / "bad.fa", tpm=tmp_path / "bad.tsv", out=tmp_path / "file" / "out"
    )
    assert code == 1
    failed = {check: one["said"] for check, one in found.items() if one["state"] == FAILED}
    assert set(failed) == {"model", "FASTA", "table", "disk"}
    assert failed["model"] == f"{tmp_path}/bad.onnx: not an ONNX model"
    assert found["model"]["advice"] == "make one with `epigept-export convert`"
    assert failed["FASTA"] == f"{tmp_path}/bad.fa:1: not a FASTA header"
    assert failed["disk"] == f"{tmp_path}/file/out cannot be written"


def test_tables_are_looked_at_with_the_options_that_genome_has(doctor, small_model, fasta, tmp_path):
    """The advice of the first try is what the second does."""
    table, genes = tmp_path / "quant.sf", tmp_path / "tx2gene.csv"
    ids = [f"ENST{number:011d}" for number in range(12)]
    rows = "".join(f"{name}\t900\t800\t{number + 1}\t5\n" for number, name in enumerate(ids))
    table.write_text("Name\tLength\tEffectiveLength\tTPM\tNumReads\n" + rows)
    genes.write_text("".join(f"{name},F{number:02d}\n" for number, name in enumerate(ids)))
    given = {"model": small_model, "fasta": fasta, "tpm": table}
    found, code = doctor(**given)
    assert (code, found["table"]["state"]) == (1, FAILED)
    assert found["table"]["advice"] == "provide a GTF, GFF3 or table of transcripts and genes with --tx2gene"
    found, code = doctor(**given, tx2gene=genes)
    assert (code, found["table"]["state"]) == (1, FAILED)
    assert found["table"]["advice"].endswith("or allow more with --max-missing 0.2")
    found, code = doctor(**given, **{"tx2gene": genes, "max-missing": 0.2, "merge": "liver"})
    assert code == 0
    assert found["table"]["said"].startswith("liver: salmon, ")
    assert ", 12 of 15 factors" in found["table"]["said"]


def test_room_is_needed_for_every_sample_of_the_tables(doctor, small_model, fasta, tmp_path):
    table = tmp_path / "matrix.tsv"
    rows = "".join(f"F{number:02d}\t{number + 1}\t{number + 2}\t{number + 3}\n" for number in range(15))
    table.write_text("gene_id\ta\tb\tc\n" + rows)
    given = {"model": small_model, "fasta": fasta, "tpm": table}
    for options, size in (({}, "15 kB"), ({"sample": "b"}, "5 kB"), ({"merge": "all"}, "5 kB")):
        found, code = doctor(**given, **options)
        assert code == 0
        assert found["disk"]["said"].endswith(f" take about {size}")


def test_options_of_tables_without_a_table_are_refused(tmp_path):
    outcome = runner_of("doctor", {"out": tmp_path, "device": "cpu"})(tx2gene="genes.gtf")
    assert outcome.code == 2
    assert outcome.err == (
        "epigept-batch: options select samples, but there is no table to select from; add --tpm FILE or "
        "--samples SHEET\n"
    )


def test_a_device_that_cannot_be_had_is_a_failure(doctor, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    found, code = doctor(device="cuda")
    assert code == 1
    assert found["device"]["state"] == FAILED
    assert found["device"]["said"] == "this ONNX Runtime has no CUDA support"
    assert "check" not in found


def test_a_network_that_does_not_give_here_what_it_gave_is_a_failure(doctor, small_model, tmp_path):
    spec = Spec.from_json(onnx.load(small_model).metadata_props[0].value)
    signal = spec.check.signal.copy()
    signal[0, 0, 3, 1] += np.float32(0.5)
    model = with_spec(small_model, tmp_path / "other.onnx", check=Check(spec.check.seed, signal))
    found, code = doctor(model=model)
    assert code == 1
    assert found["check"]["state"] == FAILED
    assert "model is off by at most 5.0e-01 (limit 0.001)" in found["check"]["said"]
    assert found["check"]["said"].endswith(": CTCF")


class AnotherDevice:
    """A session that says of itself that it is another, and whose signal is changed."""

    gpu = None

    def __init__(self, session, provider, arithmetic, change):
        self._session, self._change = session, change
        self.provider, self.arithmetic = provider, arithmetic
        self.device, self.runtime = "elsewhere", session.runtime

    def run(self, inputs):
        return {"signal": self._change(self._session.signal(inputs))}


@pytest.mark.parametrize(
    ("provider", "arithmetic", "change", "state"),
    [
        (OPENVINO_PROVIDER, "bf16", lambda signal: signal * 1.01, OK),
        (OPENVINO_PROVIDER, "fp32", lambda signal: signal + 0.002, OK),
        (CPU_PROVIDER, "fp32", lambda signal: signal + 0.002, FAILED),
        (OPENVINO_PROVIDER, "fp32", lambda signal: signal * 1.01, FAILED),
        (OPENVINO_PROVIDER, "bf16", lambda signal: signal * 1.1, FAILED),
        (OPENVINO_PROVIDER, "bf16", lambda signal: signal[:, :, ::-1], FAILED),
        (OPENVINO_PROVIDER, "bf16", lambda signal: signal * [1, 0, 1], FAILED),
        (CUDA_PROVIDER, "fp32", lambda signal: signal, OK),
        (CUDA_PROVIDER, "fp32", lambda signal: signal * 1.1, FAILED),
    ],
)
def test_the_limit_of_the_check_is_the_devices(doctor, small_model, monkeypatch, provider, arithmetic, change, state):
    honest = doctor_pipeline.open_session
    monkeypatch.setattr(
        doctor_pipeline,
        "open_session",
        lambda *what, **how: AnotherDevice(honest(*what, **how), provider, arithmetic, change),
    )
    found, _ = doctor(model=small_model)
    assert found["check"]["state"] == state, found["check"]
    assert ("the limits are assumed, not measured" in found["check"]["said"]) == (provider == CUDA_PROVIDER)
    limit = check_limit("fp32", arithmetic, provider)
    assert f" (limit {limit.error:g}), least r " in found["check"]["said"]


@pytest.mark.parametrize("scans", [True, False])
def test_a_gpu_is_named_and_its_scan_is_proven(doctor, small_model, gpu_of_host_memory, monkeypatch, scans):
    del gpu_of_host_memory
    proven = scan_on_the_processor(monkeypatch, read_spec(small_model))
    account = GpuAccount("NVIDIA H100", "580.65.06", 80 * 10**9, ("FLASH_ATTENTION",))
    monkeypatch.setattr(doctor_pipeline, "describe_gpu", lambda model, index: (model == small_model, index) and account)
    if not scans:

        def fail(*_):
            raise DeviceError("GPU 0 cannot scan (no NVVM); install it")

        monkeypatch.setattr(GpuScanMaker, "prove", fail)
    findings, _ = doctor(model=small_model, device="cuda")
    assert findings["device"]["said"] == f"cuda:0 with {CUDA_PROVIDER}, fp32"
    assert findings["check"]["state"] == OK
    assert findings["GPU"]["said"] == "NVIDIA H100, driver 580.65.06, 80.0 GB; attention: FLASH_ATTENTION"
    scan = findings["motif scan"]
    if scans:
        assert (scan["state"], scan["said"]) == (OK, "GPU 0 scores a window as the CPU does, to the bit")
        assert proven == [0]
    else:
        said = "GPU 0 cannot scan (no NVVM), so runs scan on the CPU"
        assert (scan["state"], scan["said"], scan["advice"]) == (WARNING, said, "install it")


def test_a_genome_of_other_names_and_of_another_assembly(doctor, small_model, fasta, tmp_path):
    windows = {"chr1": ((0, 3),), "chr2": ((5, 6),)}
    model = with_spec(small_model, tmp_path / "m.onnx", training_windows=windows)
    found, code = doctor(model=model, fasta=fasta)
    assert (code, found["contigs"]["state"], found["assembly"]["state"]) == (0, WARNING, WARNING)
    assert found["contigs"]["said"].startswith("none of the 2 contigs that the network was trained on (chr1, chr2) ")
    assert found["contigs"]["advice"] == "use the FASTA of hg38, with contigs named chr1 or 1"
    other = tmp_path / "part.fa"
    other.write_text(">1\n" + "ACGT" * 5000 + "\n")
    found, code = doctor(model=model, fasta=other)
    assert (code, found["contigs"]["state"]) == (0, WARNING)
    assert found["contigs"]["advice"] == "missing: chr2"
    other.write_text(">1\n" + "ACGT" * 1000 + "\n")
    found, code = doctor(model=model, fasta=other)
    assert found["assembly"]["said"] == (
        "the network was trained on hg38, but this is another assembly or only a part of one: 1 has 4,000 bp instead "
        "of 248,956,422"
    )
    assert found["assembly"]["advice"] == "use the FASTA of hg38"


def test_a_genome_that_a_network_of_ones_own_has_not_seen_is_no_failure(doctor, small_model, fasta, tmp_path):
    windows = {f"sim{number}": ((0, 3),) for number in range(1, 26)}
    model = with_spec(small_model, tmp_path / "m.onnx", architecture="trained", training_windows=windows)
    found, code = doctor(model=model, fasta=fasta)
    assert (code, found["contigs"]["state"], found["contigs"]["advice"]) == (0, OK, "")
    assert found["contigs"]["said"] == (
        "none of the 25 contigs that the network was trained on (sim1, sim2, sim3, sim4, sim5, …) is in the FASTA: "
        "the network has not seen this genome"
    )
    model = with_spec(small_model, tmp_path / "m.onnx", architecture="trained", training_windows={"two": ((0, 3),)})
    found, code = doctor(model=model, fasta=fasta)
    assert (code, found["contigs"]["state"]) == (0, WARNING)
    assert found["contigs"]["said"].startswith("some contigs are shorter than the contigs of the same names")


def test_an_index_that_does_not_fit_is_found_before_a_run(doctor, fasta):
    doctor(fasta=fasta)
    state = fasta.stat()
    fasta.write_text(fasta.read_text().replace(">one", ">one of another text", 1))
    os.utime(fasta, ns=(state.st_atime_ns, state.st_mtime_ns))
    found, code = doctor(fasta=fasta)
    assert code == 1
    assert "does not fit its index: one does not begin where the index says" in found["FASTA"]["said"]
    assert found["FASTA"]["advice"] == f"delete {fasta}.fai and rerun"


@pytest.mark.parametrize(
    ("installed", "state", "said"),
    [
        ({}, FAILED, "not installed"),
        (
            {"onnxruntime": "1.22", "onnxruntime-gpu": "1.27"},
            FAILED,
            "are installed together and overwrite each other's files",
        ),
        ({"onnxruntime-gpu": "1.27"}, OK, "onnxruntime-gpu 1.27"),
    ],
    ids=["none", "two", "one"],
)
def test_flavours_of_the_runtime(doctor, monkeypatch, small_model, fasta, installed, state, said):
    monkeypatch.setattr(doctor_pipeline, "installed_runtimes", lambda: installed)
    found, code = doctor(model=small_model, fasta=fasta)
    assert code == (state == FAILED)
    assert found["ONNX Runtime"]["state"] == state
    assert said in found["ONNX Runtime"]["said"]


GPU = {"onnxruntime-gpu": "1.27"}
DRIVERS = {
    "no driver": (None, GPU, WARNING, "no NVIDIA driver, so the CPU is used"),
    "old driver": (Driver("550.54", (12, 4), ("H100",)), GPU, WARNING, "550.54, CUDA 12.4, H100: older than CUDA 13"),
    "no device": (Driver("580.65", (13, 0), ()), GPU, WARNING, "580.65, CUDA 13.0, no GPU"),
    "not used": (Driver("580.65", (13, 0), ("H100",)), {"onnxruntime": "1.27"}, WARNING, "H100: not used"),
    "good": (Driver("580.65", (13, 0), ("H100", "H100")), GPU, OK, "580.65, CUDA 13.0, H100, H100"),
    "silent": (Driver("", None, ("H100",)), GPU, OK, "unknown version, CUDA unknown, H100"),
}


@pytest.mark.parametrize("name", DRIVERS)
def test_drivers(doctor, monkeypatch, name):
    driver, installed, state, said = DRIVERS[name]
    monkeypatch.setattr(doctor_pipeline, "find_driver", lambda: driver)
    monkeypatch.setattr(doctor_pipeline, "installed_runtimes", lambda: installed)
    monkeypatch.setattr(doctor_pipeline, "missing_libraries", lambda: ["libcudnn.so"])
    found, _ = doctor()
    assert found["driver"]["state"] == state
    assert said in found["driver"]["said"]
    libraries = found.get("CUDA libraries", {"said": ""})["said"]
    assert libraries == ("not found: libcudnn.so" if driver and installed is GPU else "")


def test_libraries_are_found_in_the_packages_of_pip_and_in_the_system(tmp_path, monkeypatch):
    monkeypatch.setattr(installation.site, "getsitepackages", lambda: [str(tmp_path)])
    monkeypatch.setattr(installation, "_loads", lambda name: name == "libcufft.so")
    (tmp_path / "nvidia/cudnn/lib").mkdir(parents=True)
    (tmp_path / "nvidia/cudnn/lib/libcudnn.so.9").touch()
    assert installation.missing_libraries() == ["libcudart.so", "libcublas.so", "libcublasLt.so", "libcurand.so"]


def test_a_disk_without_room_and_few_open_files(doctor, monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(doctor_pipeline.shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    monkeypatch.setattr(doctor_pipeline.resource, "getrlimit", lambda _: (64, 1024))
    found, code = doctor()
    assert code == 1
    assert found["disk"]["state"] == FAILED
    assert found["disk"]["said"].endswith("24,000,000 bins of 8 tracks take about 1.9 GB")
    assert found["home"]["state"] == WARNING
    assert found["open files"] == {
        "check": "open files",
        "state": WARNING,
        "said": "at most 64, too few for many samples",
        "advice": "ulimit -n 1024",
    }
    assert not (tmp_path / "out").exists()
