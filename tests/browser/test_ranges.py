"""Which part of a file a Range header asks for, by the rules and examples of RFC 9110, section 14."""

import pytest

from epigept_batch.browser.ranges import heeded_range

SIZE = 10_000
BEYOND = f"bytes={SIZE}-"


@pytest.mark.parametrize(
    ("header", "heeded"),
    [
        ("bytes=0-499", "bytes=0-499"),
        ("bytes=500-999", "bytes=500-999"),
        ("bytes=-500", "bytes=-500"),
        ("bytes=9500-", "bytes=9500-"),
        ("bytes=0-0,-1", "bytes=0-0,-1"),
        ("bytes= 0-999, 4500-5499, -1000", "bytes=0-999,4500-5499,-1000"),
        ("BYTES=0-1", "bytes=0-1"),
        ("bytes=0-1,", "bytes=0-1"),
        ("bytes=-20000", "bytes=-20000"),  # longer than the file: all of it
        ("bytes=9999-20000", "bytes=9999-20000"),
        ("bytes=0-1,10000-", "bytes=0-1"),  # one of them lies beyond the end
        ("bytes=10000-", BEYOND),
        ("bytes=10000-10001,20000-", BEYOND),
        ("bytes=-0", BEYOND),
        ("bytes=2-1", BEYOND),
        ("bytes=0-1,2-1", BEYOND),
        ("bytes=a-b", BEYOND),
        ("bytes=", BEYOND),
        ("bytes=-", BEYOND),
        ("bytes=1", BEYOND),
        ("bytes=+1-2", BEYOND),
        ("bytes=1_0-20", BEYOND),
        ("bytes=--1", BEYOND),
        ("bytes=" + "9" * 5000 + "-", BEYOND),
        ("lines=0-1", None),  # a unit that the server does not know
        ("bytes", None),
        (None, None),
    ],
)
def test_ranges(header, heeded):
    assert heeded_range(header, "GET", SIZE) == heeded


def test_no_more_than_a_hundred():
    ranges = [f"{n}-{n}" for n in range(0, 202, 2)]
    assert heeded_range(f"bytes={','.join(ranges[:100])}", "GET", SIZE) is not None
    assert heeded_range(f"bytes={','.join(ranges)}", "GET", SIZE) is None


def test_only_get_has_ranges():
    assert heeded_range("bytes=0-1", "HEAD", SIZE) is None


def test_an_empty_file_has_none():
    assert heeded_range("bytes=0-", "GET", 0) == heeded_range("bytes=-5", "GET", 0) == "bytes=0-"
