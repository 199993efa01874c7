"""The byte tables of the specification, as readers of bytes.

A table with the columns offset, size, field and type becomes a `Layout`; one with value and name becomes a
dictionary of numbers. Which table is meant is said by page and by the name in the comment above it.
"""

import functools
import pathlib
import re

from .cursor import Damage

PAGES = pathlib.Path(__file__).resolve().parents[2] / "spec"
MARKER = re.compile(r"<!-- table: (\w+) -->")


class Field:
    """One row of a byte table."""

    def __init__(self, offset, size, name, kind):
        self.offset, self.size, self.name = offset, size, name
        self._read = _zeros if name.startswith("reserved") else _reader_of(kind)

    def read(self, raw):
        return self._read(raw)


def _reader_of(kind):
    """What turns the bytes of a field of a type into its value."""
    if kind in ("uuid", "bytes", "pointer"):
        return bytes
    if re.fullmatch(r"\(u64, u64\) × \d+", kind):
        return lambda raw: list(zip(_numbers(raw)[::2], _numbers(raw)[1::2]))
    if re.fullmatch(r"u64(, u64)+", kind):
        return lambda raw: tuple(_numbers(raw))
    if kind.endswith("big-endian"):
        return lambda raw: int.from_bytes(raw, "big")
    if kind == "bits" or re.fullmatch(r"u(8|16|32|64|128)", kind):
        return lambda raw: int.from_bytes(raw, "little")
    raise ValueError(f"the tables have a type that this reader does not know: {kind}")


def _zeros(raw):
    if any(raw):
        raise Damage("a reserved field is not zero")


class Layout:
    """The fixed part of a structure."""

    def __init__(self, name, fields):
        self.name, self.fields = name, fields
        self.size = fields[-1].offset + fields[-1].size

    def read(self, raw):
        """The fields of the structure that `raw` begins with, by name."""
        if len(raw) < self.size:
            raise Damage(f"{self.name} has {len(raw)} bytes, not {self.size}")
        values = {}
        for field in self.fields:
            try:
                values[field.name] = field.read(raw[field.offset : field.offset + field.size])
            except Damage as damage:
                raise Damage(f"{self.name}: {damage}") from None
        return values

    def split(self, raw):
        """The fields, and the bytes behind them."""
        return self.read(raw), raw[self.size :]

    def offset(self, name):
        return next(field.offset for field in self.fields if field.name == name)


def layout(page, name, big_endian=False):
    """The byte table `name` of a page. Keys of the tree are big-endian whatever the column says."""
    fields = []
    for row in _table(page, name):
        kind = row.get("type", "")
        if big_endian and re.fullmatch(r"u\d+", kind):
            kind += ", big-endian"
        fields.append(Field(_number(row["offset"]), _number(row["size"]), row["field"].strip("`"), kind))
    return Layout(name, fields)


def numbers(page, name):
    """The table of named numbers `name` of a page."""
    return {row["name"].strip("`"): _number(row["value"]) for row in _table(page, name)}


def names(page, name):
    """The same, from number to name."""
    return {value: key for key, value in numbers(page, name).items()}


def one_of(known, value, what):
    """The name of a number, which must have one."""
    if value not in known:
        raise Damage(f"{what} {value} is not known")
    return known[value]


@functools.cache
def _table(page, name):
    lines = iter((PAGES / page).read_text(encoding="utf-8").splitlines())
    for line in lines:
        match = MARKER.match(line)
        if match and match[1] == name:
            header = _cells(next(lines))
            next(lines)
            rows = []
            for row in lines:
                if not row.startswith("|"):
                    break
                rows.append(dict(zip(header, _cells(row))))
            return rows
    raise ValueError(f"{page} has no table {name}")


def _cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _number(text):
    return int(text.strip("`").replace(",", "").replace("_", ""), 0)


def _numbers(raw):
    return [int.from_bytes(raw[at : at + 8], "little") for at in range(0, len(raw), 8)]
