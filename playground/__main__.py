"""Prints the map of the code: each file with the first line of its docstring.

`python -m playground` runs it. The README holds the same map; a test fails when it is stale.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAPPED = ("app.py", "playground", "benchmarks")
CAPTION_COLUMN = 24  # characters from the left


def code_map(root: Path = ROOT) -> str:
    """The map as text: files before folders, both by name."""
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
    """The first line of the file's docstring; "" when there is no file or no docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) if path.is_file() else None
    return (docstring or "").partition("\n")[0].rstrip(".")


if __name__ == "__main__":
    print(code_map())
