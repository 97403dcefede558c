"""Print the size of the program and its imports between modules, for one or more source trees.

    python benchmarks/house.py [TREE ...]

A tree is a folder that contains `epigept_batch/`, for example from `git archive REV | tar -x -C DIR`. Prints Markdown.
"""

from __future__ import annotations

import argparse
import ast
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = "epigept_batch"


def main() -> None:
    """Print a row per figure, a column per tree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trees", nargs="*", type=Path, default=[ROOT])
    trees = [figures(tree) for tree in parser.parse_args().trees]
    print(f"| |{' |' * len(trees)}\n|---|{'---|' * len(trees)}")
    for name in trees[0]:
        print(f"| {name} | {' | '.join(tree[name] for tree in trees)} |")


def figures(tree: Path) -> dict[str, str]:
    """Return the figures of a tree by name."""
    package, export = tree / PACKAGE, tree / "export/epigept_export"
    modules = sorted(package.rglob("*.py"))
    rooms = {path.parent for path in modules} - {package}
    edges = {(module, other) for path in modules for module, other in imports(path, package)}
    between = {(room_of(one), room_of(other)) for one, other in edges if room_of(one) != room_of(other)}
    lengths = sorted(n for path in (*modules, *export.rglob("*.py")) for n in function_lengths(path))
    return {
        "modules at the top": str(len(list(package.glob("*.py")))),
        "folders": str(len(rooms)),
        "modules": str(len(modules)),
        "imports between modules": str(len(edges)),
        "imports between rooms (a module at the top is one)": str(len(between)),
        "pairs of rooms that import each other": str(sum((b, a) in between for a, b in between) // 2),
        "lines: runtime": f"{lines(package):,}",
        "lines: exporter": f"{lines(export):,}",
        "lines: tests": f"{lines(tree / 'tests'):,}",
        "lines: benchmarks": f"{lines(tree / 'benchmarks'):,}",
        "lines of a function: median, p90, most": f"{median(lengths):.0f}, {quantiles(lengths, n=10)[-1]:.0f}, "
        f"{lengths[-1]}",
    }


def lines(folder: Path) -> int:
    """Count the lines of Python below a folder."""
    return sum(path.read_text().count("\n") for path in folder.rglob("*.py"))


def room_of(module: str) -> str:
    """Return the folder of a module, or the name of a module at the top."""
    return module.partition(".")[0]


def imports(path: Path, package: Path) -> Iterator[tuple[str, str]]:
    """Yield pairs of this module and a module that it imports, without the package's name."""
    mine = ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for name in (f"{node.module}.{alias.name}" for alias in node.names):
                if other := module_of(name, package):
                    yield mine, other


def module_of(name: str, package: Path) -> str | None:
    """Return the module of the package that a dotted name is or lies in; None for other names."""
    first, *parts = name.split(".")
    if first != PACKAGE:
        return None
    for count in range(len(parts), 0, -1):
        place = package.joinpath(*parts[:count])
        if place.with_suffix(".py").exists():
            return ".".join(parts[:count])
        if (place / "__init__.py").exists():
            return ".".join(parts[:count])
    return None


def function_lengths(path: Path) -> Iterator[int]:
    """Yield the lines of each function, without decorators and docstring."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None
            begin = node.body[0].end_lineno if documented and len(node.body) > 1 else node.lineno
            yield (node.end_lineno or node.lineno) - (begin or node.lineno) + 1


if __name__ == "__main__":
    main()
