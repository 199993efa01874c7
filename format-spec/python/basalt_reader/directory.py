"""A data directory as a whole: what each partition's rows are once the log is replayed. `data_directory.md`."""

import pathlib

from .catalog import Catalog
from .cursor import require
from .log import Stream, effects_of
from .node import read_node
from .partition_file import PartitionFile

CATALOG_PARTITION = 0


class Directory:
    """A directory that no daemon uses now. Opening it checks all of its files."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.node = read_node(self.path)
        self.entries = {}
        for known in self.node["streams"]:
            self._take_entries(Stream(self.path, self.node, known))
        self.superblocks = {}
        self.catalog = Catalog(self._recover(CATALOG_PARTITION, self.node["catalog_file_uuid"]))
        # What a split was filling when it was cut short counts for nothing.
        there = {number: row for number, row in self.catalog.partitions.items() if row["state"] != "Filling"}
        self.partitions = {number: self._recover(number, row["file_uuid"]) for number, row in there.items()}
        self._check_superblocks()

    def _take_entries(self, stream):
        for record in stream.records:
            if record["kind"] != "Effects":
                require(record["index"] == 0, f"{stream.name}: a {record['kind']} has an index")
                continue
            entries = self.entries.setdefault(record["partition"], {})
            index = record["index"]
            require(index >= 1 and index not in entries, f"partition {record['partition']}: entry {index} twice")
            entries[index] = record

    def _recover(self, partition, file_uuid):
        """The partition's rows: its tree's, changed by the entries that the tree lacks."""
        path = self.path / "part" / f"{partition & 0xFF:02x}" / f"{partition:016x}.pt"
        rows, applied = {}, 0
        require(path.exists() or not any(file_uuid), f"{path} is missing")
        if path.exists() and path.stat().st_size > 0:
            file = PartitionFile(path, self.node["cluster_uuid"], partition)
            self.superblocks[partition] = file.superblock
            named = not any(file_uuid) or file.superblock["file_uuid"] == file_uuid
            require(named, f"{path} is another file than the catalog names")
            rows, applied = file.rows, file.superblock["applied_index"]
        entries = self.entries.get(partition, {})
        for index in sorted(index for index in entries if index > applied):
            require(index == applied + 1, f"partition {partition}: entry {applied + 1} is missing")
            apply(rows, entries[index])
            applied = index
        return rows

    def _check_superblocks(self):
        for partition, row in self.catalog.partitions.items():
            superblock = self.superblocks.get(partition)
            if superblock is not None:
                said = {"table": row["table_number"], "hash_first": row["hash_first"], "hash_last": row["hash_last"]}
                for name, known in said.items():
                    differs = f"partition {partition}: the catalog says {name} {known}, its file {superblock[name]}"
                    require(superblock[name] == known, differs)


def apply(rows, entry):
    """Changes rows as an entry tells."""
    time = entry["hybrid_time"]
    for kind, key, content in effects_of(entry["body"]):
        if kind == "Put":
            rows[key] = (content, time)
        elif kind == "Delete":
            rows.pop(key, None)
        elif kind == "DeleteRange":
            require(key[0] == content[0] or content == bytes([key[0] + 1]), "a range is of several tags")
            for gone in [other for other in rows if key <= other < content]:
                del rows[gone]
        else:
            rows[key] = (_spliced(rows, key, *content), time)


def _spliced(rows, key, base, parts):
    value, last_write = rows.get(key, (None, None))
    require(value is not None and last_write == base, f"row {key.hex()} is not what an entry changes a part of")
    result, at = bytearray(), 0
    for offset, removed, inserted in parts:
        require(offset + removed <= len(value), f"a part of row {key.hex()} lies behind its end")
        result += value[at:offset] + inserted
        at = offset + removed
    return bytes(result + value[at:])
