"""Writes the parts of README.md that are made from the code: the settings, the endpoints, their reference and the map.

    python -m playground.readme      writes them anew

A test fails when they are stale. It knows nothing of the words between them.
"""

import ast
import re
from pathlib import Path

from playground import flags
from playground.settings import Settings

ROOT = Path(__file__).parent.parent
MAPPED = ("app.py", "playground", "training", "benchmarks")
CAPTION_COLUMN = 24  # characters from the left


def written_anew(text: str, root: Path = ROOT) -> str:
    """The README's text with each made part up to date.

    Raises:
        ValueError: a part has lost its markers.
    """
    from playground.api import reference  # late: it brings Gradio

    parts = {
        "settings": flags.table(Settings),
        "endpoints": endpoints(root),
        "reference": f"\n{reference.TOOLS}\n\n{reference.markdown()}\n",
        "map": f"```\n{code_map(root)}\n```\n",
    }
    for name, made in parts.items():
        part = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
        if not part.search(text):
            raise ValueError(f"README.md has no <!-- {name} --> followed by <!-- /{name} -->")
        text = part.sub(lambda _, made=made: made, text)
    return text


def endpoints(root: Path = ROOT) -> str:
    """Each endpoint with its arguments and the first sentence of its docstring, file by file."""
    rows = ["| Endpoint | Arguments | What it gives |", "|---|---|---|"]
    for file in sorted((root / "playground" / "api").glob("*.py")):
        rows += _endpoints_of(ast.parse(file.read_text("utf-8")))
    return "\n".join(rows) + "\n"


def _endpoints_of(tree: ast.Module) -> list[str]:
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    names = {
        call.args[0].id: keyword.value.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "gr.api"
        for keyword in call.keywords
        if keyword.arg == "api_name"
    }
    rows = []
    for function in sorted(names, key=lambda name: functions[name].lineno):
        arguments = ", ".join(argument.arg for argument in functions[function].args.args)
        caption = ast.get_docstring(functions[function]).partition("\n")[0].rstrip(".")
        rows.append(f"| `/{names[function]}` | `{arguments}` | {caption} |".replace("| `` |", "| none |"))
    return rows


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
    before = readme.read_text("utf-8")
    after = written_anew(before)
    readme.write_text(after, "utf-8")
    print("README.md is as it was." if after == before else "README.md was written anew.")
