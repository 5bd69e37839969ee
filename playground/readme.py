"""Writes the parts of README.md that are made from the code: the settings and the map.

    python -m playground.readme      writes them anew

A test fails when they are stale. It knows nothing of the words between them.
"""

import ast
import re
from pathlib import Path

from playground import settings

ROOT = Path(__file__).parent.parent
MAPPED = ("app.py", "playground", "benchmarks")
CAPTION_COLUMN = 24  # characters from the left


def written_anew(text: str, root: Path = ROOT) -> str:
    """The README's text with each made part up to date.

    Raises:
        ValueError: a part has lost its markers.
    """
    for name, made in {"settings": settings.table(), "map": f"```\n{code_map(root)}\n```\n"}.items():
        part = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
        if not part.search(text):
            raise ValueError(f"README.md has no <!-- {name} --> followed by <!-- /{name} -->")
        text = part.sub(lambda _, made=made: made, text)
    return text


def code_map(root: Path = ROOT) -> str:
    """Each file of code with the first sentence of its docstring; files before folders, both by name."""
    return "\n".join(line for name in MAPPED if (root / name).exists() for line in _lines(root / name, 0))


def _lines(path: Path, depth: int) -> list[str]:
    """The lines of one file or folder. A folder's caption is that of its __init__.py; one without code has no line."""
    if path.is_file():
        return [_line(path.name, _caption(path), depth)]
    inside = [
        line
        for child in sorted(path.iterdir(), key=lambda child: (child.is_dir(), child.name))
        if child.is_dir() or (child.suffix == ".py" and child.name != "__init__.py")
        for line in _lines(child, depth + 1)
    ]
    return [_line(f"{path.name}/", _caption(path / "__init__.py"), depth), *inside] if inside else []


def _line(name: str, caption: str, depth: int) -> str:
    return f"{'  ' * depth + name:<{CAPTION_COLUMN - 1}} {caption}".rstrip()


def _caption(path: Path) -> str:
    """The first sentence of the file's docstring, or its first line; "" when there is no file or no docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) if path.is_file() else None
    return (docstring or "").partition("\n")[0].partition(". ")[0].rstrip(".")


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(written_anew(readme.read_text("utf-8")), "utf-8")
