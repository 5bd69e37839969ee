"""The header of a GGUF file: what it holds, and whether all of it is there.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. It does not know how tensors are unpacked. The gguf
package has a reader too; this one takes 0.1 s where that takes 5 s for a real vocabulary, and tells what is wrong.
"""

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from playground.errors import PlaygroundError

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True)
class Header:
    """What a GGUF file says of itself."""

    architecture: str
    n_parts: int  # more than 1: the model is spread over several files
    n_tensors: int
    n_parameters: int


def read(path: Path, name: str) -> Header:
    """Reads the header and checks that every tensor lies inside the file.

    Raises:
        PlaygroundError: it is no GGUF file, it is cut short, or it is of a kind that is not read here.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
            if not start.startswith(b"GGUF"):
                raise _not_gguf(start, name)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _read(data, name)
    except FileNotFoundError:
        raise PlaygroundError(f"There is no file {name}. Check the path.") from None
    except (struct.error, IndexError):
        raise _cut_short(name, path.stat().st_size, None) from None
    except (KeyError, UnicodeDecodeError, OverflowError, RecursionError) as error:
        raise PlaygroundError(f"{name} is damaged: its header makes no sense ({error!r}). Fetch it again.") from None
    except OSError as error:
        raise PlaygroundError(f"{name} cannot be read: {error.strerror}. Check its permissions.") from None


class _Cursor:
    """Reads values one after the other; struct.error past the end."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, 0

    def number(self, form: str) -> int | float:
        (value,) = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return value

    def whole(self, form: str) -> int:
        return int(self.number(form))

    def string(self) -> str:
        length = self.whole("Q")
        self.skip(length)
        return self.data[self.at - length : self.at].decode("utf-8", "replace")

    def skip(self, n_bytes: int) -> None:
        self.at += n_bytes
        if self.at > len(self.data):
            raise struct.error("past the end")

    def value(self, kind: int) -> int | float | str | None:
        """A metadata value; arrays are only passed over."""
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.number(_SCALARS[kind])
        inner, length = self.whole("I"), self.whole("Q")
        if inner in _SCALARS:
            self.skip(length * struct.calcsize(f"<{_SCALARS[inner]}"))
        else:
            for _ in range(length):
                self.skip(self.whole("Q")) if inner == _STRING else self.value(inner)
        return None


def _whole(facts: Mapping[str, object], key: str, usual: int, name: str) -> int:
    found = facts.get(key) or usual
    if not isinstance(found, int):
        raise PlaygroundError(f"{name} is damaged: its header says that {key} is {found!r:.60}. Fetch it again.")
    return found


def _read(data: mmap.mmap, name: str) -> Header:
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    cursor = _Cursor(data)
    cursor.skip(4)
    version, n_tensors, n_facts = cursor.whole("I"), cursor.whole("Q"), cursor.whole("Q")
    if version not in (2, 3):
        raise PlaygroundError(
            f"{name} is GGUF in version {version}, and only versions 2 and 3 are read. Convert it anew."
        )
    facts: dict[str, int | float | str | None] = {}
    for _ in range(n_facts):
        key = cursor.string()
        facts[key] = cursor.value(cursor.whole("I"))
    architecture = facts.get("general.architecture")
    if not isinstance(architecture, str):
        raise PlaygroundError(
            f"{name} does not say which architecture it is (no general.architecture): no whole model."
        )

    n_parameters, ends = 0, []
    for _ in range(n_tensors):
        cursor.string()
        shape = [cursor.whole("Q") for _ in range(cursor.whole("I"))]
        kind, offset = cursor.whole("I"), cursor.whole("Q")
        if kind not in list(GGMLQuantizationType):
            raise PlaygroundError(
                f"{name} is packed in a way (GGML type {kind}) that is not known here. Try Q8_0 or F16."
            )
        per_block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        n_parameters += prod(shape)
        ends.append(offset + prod(shape) // per_block * block_bytes)
    alignment = _whole(facts, "general.alignment", 32, name)
    promised = -(-cursor.at // alignment) * alignment + max(ends, default=0)
    if len(data) < promised:
        raise _cut_short(name, len(data), promised)
    return Header(architecture, _whole(facts, "split.count", 1, name), n_tensors, n_parameters)


def _not_gguf(start: bytes, name: str) -> PlaygroundError:
    if start.startswith(b"version "):
        return PlaygroundError(f"{name} is a Git LFS pointer, not the model. Run `git lfs pull` in its folder.")
    return PlaygroundError(f"{name} is not a GGUF file, whatever its name says. Fetch it again or pick another file.")


def _cut_short(name: str, size: int, promised: int | None) -> PlaygroundError:
    amount = (
        f"its header promises {promised:,} bytes and it has {size:,}" if promised else f"it ends after {size:,} bytes"
    )
    return PlaygroundError(f"{name} is cut short: {amount}. The download was not finished: fetch it again.")
