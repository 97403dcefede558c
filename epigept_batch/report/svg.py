"""Make the SVG of a plotting library a part of an HTML page: with ids of its own, colours of the page, and a name."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

NAMESPACE = "http://www.w3.org/2000/svg"
LINK = "{http://www.w3.org/1999/xlink}href"
REFERENCE = re.compile(r"#([\w.-]+)")
COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")
COLOURED = ("style", "fill", "stroke")
DECIMALS = 1
"""Of a pixel, of 360 that a plot is wide."""
UNUSED = {"metadata", "style"}
"""Elements that are left out: facts about the library, and a style sheet that would hold for the whole page."""


def inline_svg(text: str, *, key: str, title: str, description: str, colours: dict[str, str]) -> str:
    """Return an SVG document as an element of an HTML page.

    Args:
        text: The document, from this program.
        key: Begins every id, so that ids of several plots differ; letters, digits and hyphens.
        title: What the plot is, for readers who do not see it.
        description: What it shows, in a sentence.
        colours: What replaces a colour of the document, such as `currentColor`, by `#rrggbb` in lower case.
    """
    root = ET.fromstring(text)  # noqa: S314 - written by this program
    _remove_unused(root)
    _rename(root, key)
    for element in root.iter():
        for name in COLOURED:
            if name in element.attrib:
                element.set(
                    name, COLOUR.sub(lambda found: colours.get(found[0].lower(), found[0]), element.get(name, ""))
                )
        if "d" in element.attrib:
            element.set("d", short_path(element.get("d", "")))
    for name in ("width", "height"):
        del root.attrib[name]
    title_id, description_id = f"{key}-title", f"{key}-desc"
    root.set("role", "img")
    root.set("aria-labelledby", f"{title_id} {description_id}")
    for number, (tag, name, said) in enumerate((("title", title_id, title), ("desc", description_id, description))):
        element = ET.Element(f"{{{NAMESPACE}}}{tag}", {"id": name})
        element.text = said
        root.insert(number, element)
    ET.register_namespace("", NAMESPACE)
    return ET.tostring(root, encoding="unicode")


def _remove_unused(root: ET.Element) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.removeprefix(f"{{{NAMESPACE}}}") in UNUSED:
                parent.remove(child)


def _rename(root: ET.Element, key: str) -> None:
    """Give ids that are referred to a name of this plot, and remove the others."""
    names: set[str] = set()
    for element in root.iter():
        if (target := element.attrib.pop(LINK, None)) is not None:
            element.set("href", target)
        for name in ("href", "clip-path"):
            names.update(REFERENCE.findall(element.get(name, "")))
    for element in root.iter():
        if (own := element.attrib.pop("id", None)) in names:
            element.set("id", f"{key}-{own}")
        for name in ("href", "clip-path"):
            if name in element.attrib:
                element.set(name, REFERENCE.sub(rf"#{key}-\1", element.get(name, "")))


def short_path(path: str) -> str:
    """Return a path with rounded coordinates, and with `H` and `V` for horizontal and vertical lines.

    Args:
        path: A path of absolute commands. Only those of straight lines become shorter.
    """
    found, at = [], ("", "")
    for letter, numbers in COMMAND.findall(path):
        values = [_rounded(number) for number in numbers.split()]
        here = (values[-2], values[-1]) if len(values) > 1 else at
        if letter != "L":
            found.append(letter + " ".join(values))
        elif here[0] != at[0] and here[1] != at[1]:
            found.append("L" + " ".join(values))
        elif here[0] != at[0]:
            found.append(f"H{here[0]}")
        elif here[1] != at[1]:
            found.append(f"V{here[1]}")
        at = here
    return "".join(found)


def _rounded(number: str) -> str:
    text = f"{float(number):.{DECIMALS}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
