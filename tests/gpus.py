"""A GPU of host memory: what speaks to a GPU, with the processor and its memory in place of one."""

from __future__ import annotations

import ctypes
from mmap import PAGESIZE
from types import SimpleNamespace

import numpy as np
import onnxruntime

from epigept_batch.errors import DeviceError
from epigept_batch.inference.gpu import load
from epigept_batch.inference.runtime import CPU_PROVIDER, CUDA_PROVIDER
from epigept_batch.motifs.gpu.maker import GpuScanMaker
from epigept_batch.motifs.scan import MotifScanner
from epigept_batch.sequence.stretch import Stretch
from epigept_batch.tiling import Contig


class Driver:
    """Keeps account of locked pages, and refuses to lock one twice; or refuses everything, if asked to."""

    def __init__(self, *, refuses=False):
        self.locked = set()
        self.refuses = refuses

    def lock_pages(self, array, index):
        assert index == 0
        pages = self.pages(array)
        if self.refuses or pages & self.locked:
            raise DeviceError("not permitted, or already registered")
        self.locked |= pages

    def unlock_pages(self, array, index):
        assert index == 0
        assert self.pages(array) <= self.locked
        array.sum()  # reads every page: they are still there
        self.locked -= self.pages(array)

    @staticmethod
    def pages(array):
        first = array.ctypes.data
        return set(range(first // PAGESIZE, -(-(first + array.nbytes) // PAGESIZE)))


def take_the_processor_for_a_gpu(monkeypatch):
    """Make a runtime and a driver of it; return the driver, and a list that receives the arguments of each session."""
    driver, opened = Driver(), []
    driver.device_count, driver.device_name = lambda: 1, lambda _: "H100"
    driver.memory = lambda _: SimpleNamespace(free=1 << 34, total=1 << 35)
    real, value = onnxruntime.InferenceSession, onnxruntime.OrtValue.ortvalue_from_shape_and_type

    def open_on_the_cpu(path, **arguments):
        opened.append(arguments)
        session = real(path, arguments["sess_options"], providers=[CPU_PROVIDER])
        session.get_providers = lambda: [CUDA_PROVIDER]
        session.get_provider_graph_assignment_info = list
        return session

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA_PROVIDER, CPU_PROVIDER])
    monkeypatch.setattr(onnxruntime, "InferenceSession", open_on_the_cpu)
    monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_shape_and_type", lambda *words: value(*words[:2]))
    monkeypatch.setattr(load, "CudaDriver", lambda: driver)
    return driver, opened


def write_to_device(buffer, values):
    """Write uint16 values (windows, factors, bins) to the first windows of a buffer, by its CUDA array interface."""
    about = buffer.__cuda_array_interface__
    assert about["typestr"] == "<u2"
    assert about["strides"] is None
    assert about["shape"][1:] == values.shape[1:]
    assert about["shape"][0] >= len(values)
    assert values.dtype == np.uint16
    ctypes.memmove(about["data"][0], np.ascontiguousarray(values).ctypes.data, values.nbytes)


class ScanOfTheCpu:
    """In place of a GPU's scan: the CPU's, for the same windows."""

    def __init__(self, maker, spec):
        self.geometry = spec.motif_set.window.geometry(spec.geometry.bins, spec.geometry.bin_bp)
        self.scanner = MotifScanner(spec.motif_set, spec.factors, bin_bp=spec.geometry.bin_bp)
        assert maker.reach_bp == self.geometry.before + self.geometry.window_bp + self.geometry.after

    def __call__(self, reach, inside, scores):
        found = [
            self.scanner.scores(
                Stretch(Contig("c", int(number) * self.geometry.bin_bp), 0, self.geometry.bins, row, self.geometry)
            )
            for row, number in zip(reach, inside, strict=True)
        ]
        write_to_device(scores, np.stack(found).view(np.uint16))


def scan_on_the_processor(monkeypatch, spec):
    """Let scans of that GPU be the processor's; return the list of GPUs that were proven."""
    proven = []

    def memory(_, index, windows):
        assert index == 0
        values = np.zeros((windows, len(spec.factors), spec.geometry.bins), dtype=np.uint16)
        about = {"shape": values.shape, "typestr": "<u2", "data": (values.ctypes.data, False), "strides": None}
        return SimpleNamespace(__cuda_array_interface__=about, values=values)

    monkeypatch.setattr(GpuScanMaker, "prove", lambda _, index: proven.append(index))
    monkeypatch.setattr(GpuScanMaker, "make", lambda maker, *_: ScanOfTheCpu(maker, spec))
    monkeypatch.setattr(GpuScanMaker, "memory", memory)
    return proven
