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
