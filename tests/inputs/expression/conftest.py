"""Fixture of the tests of tables."""

import pytest


@pytest.fixture
def write(tmp_path):
    """Write a table."""

    def write(text, name="sample.tsv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write
