"""Partition 0: which tables and partitions there are. `catalog.md`."""

from .cursor import Cursor, require, utf8
from .tables import layout, names, numbers, one_of

KINDS = numbers("catalog.md", "catalog_kinds")
KEY_TAG = numbers("key_encoding.md", "key_tags")["TAG_CATALOG"]
COUNTERS = layout("catalog.md", "counters_row")
TABLE = layout("catalog.md", "table_row")
PARTITION = layout("catalog.md", "partition_row")
TABLE_STATUSES = names("catalog.md", "table_statuses")
PROJECTIONS = names("catalog.md", "projection_kinds")
INDEX_STATUSES = names("catalog.md", "index_statuses")
VIEWS = names("catalog.md", "stream_views")
TIME_TO_LIVE_STATES = names("catalog.md", "time_to_live_states")
PARTITION_STATES = names("catalog.md", "partition_states")


class Catalog:
    """What the rows of partition 0 say."""

    def __init__(self, rows):
        self.tables, self.deleted_tables, self.partitions, self.next_number = {}, {}, {}, None
        for key, (value, _) in rows.items():
            require(key[0] == KEY_TAG and len(key) >= 2, f"row {key.hex()} is no row of the catalog")
            kind, name = key[1], key[2:]
            if kind == KINDS["KIND_COUNTERS"]:
                require(name == b"", "the counters have a name")
                counters, rest = COUNTERS.split(value)
                require(counters["version"] == 1 and not rest, "the counters have another form")
                self.next_number = counters["next_number"]
            elif kind == KINDS["KIND_TABLE"]:
                self.tables[utf8(name, "a table's name")] = read_table(value)
            elif kind == KINDS["KIND_DELETED_TABLE"]:
                require(len(name) > 8, "a deleted table has no name")
                self.deleted_tables[int.from_bytes(name[:8], "big")] = read_deleted_table(name[8:], value)
            else:
                require(kind == KINDS["KIND_PARTITION"], f"kind {kind:#x} of a catalog row is not known")
                require(len(name) == 8, "a partition's number has 8 bytes")
                self.partitions[int.from_bytes(name, "big")] = read_partition(value)

    def partitions_of(self, number):
        """The partitions of a table or index, by number."""
        return {
            partition: row for partition, row in sorted(self.partitions.items()) if row["table_number"] == number
        }


def read_partition(raw):
    row, rest = PARTITION.split(raw)
    require(row["version"] == 1 and not rest, "a partition's row has another form")
    require(row["hash_first"] <= row["hash_last"], "a partition owns no hash")
    row["state"] = one_of(PARTITION_STATES, row["state"], "state of a partition")
    return row


def read_table(raw):
    table, rest = TABLE.split(raw)
    require(table["version"] == 1, f"a table's row has version {table['version']}")
    table["status"] = one_of(TABLE_STATUSES, table["status"], "status of a table")
    cursor = Cursor(rest, "a table's row")
    definitions = [(chr(cursor.u8()), cursor.text()) for _ in range(_count(cursor, 255))]
    attributes = [(name, kind) for kind, name in definitions]
    table["partition_key"] = _attribute(attributes, cursor.varint())
    sort = cursor.varint()
    table["sort_key"] = _attribute(attributes, sort - 1) if sort else None
    table["tags"] = {cursor.text(): cursor.text() for _ in range(_count(cursor, 255))}
    table["local_indexes"] = [_local_index(cursor, attributes) for _ in range(_count(cursor, 16))]
    table["global_indexes"] = [_global_index(cursor, attributes) for _ in range(_count(cursor, 255))]
    table["streams"] = [_stream(cursor) for _ in range(_count(cursor, 255))]
    table["time_to_live"] = _time_to_live(cursor)
    cursor.finish()
    return table


def read_deleted_table(name, raw):
    """A table of which only streams and tokens are left."""
    table = read_table(raw)
    table["name"] = utf8(name, "a deleted table's name")
    require(table["status"] == "Deleting", "a deleted table has another status")
    rest = table["local_indexes"] or table["global_indexes"] or table["time_to_live"]
    require(not rest, "a deleted table has more than streams")
    require(all(stream["disabled_unix_us"] for stream in table["streams"]), "a deleted table's stream takes records")
    return table


def _local_index(cursor, attributes):
    name = cursor.text()
    sort = [_attribute(attributes, cursor.varint())]
    return {"name": name, "sort": sort, "projection": _projection(cursor)}


def _global_index(cursor, attributes):
    index = {"name": cursor.text(), "number": cursor.u64()}
    index["status"] = one_of(INDEX_STATUSES, cursor.u8(), "status of an index")
    index["partition"] = [_attribute(attributes, cursor.varint()) for _ in range(_count(cursor, 4))]
    index["sort"] = [_attribute(attributes, cursor.varint()) for _ in range(_count(cursor, 4))]
    require(index["partition"], "an index has no partition key")
    index["projection"] = _projection(cursor)
    index["throughput"] = [cursor.u64() for _ in range(6)]
    return index


def _projection(cursor):
    """The names of the attributes that are projected besides keys; `None`: all."""
    kind = one_of(PROJECTIONS, cursor.u8(), "kind of projection")
    if kind == "Include":
        return [cursor.text() for _ in range(_count(cursor, 255))]
    return None if kind == "All" else []


def _stream(cursor):
    stream = {"number": cursor.u32(), "enabled_unix_us": cursor.u64()}
    stream["view"] = one_of(VIEWS, cursor.u8(), "view of a stream")
    stream["disabled_unix_us"] = cursor.u64()
    return stream


def _time_to_live(cursor):
    attribute = cursor.text()
    if not attribute:
        return None
    state = one_of(TIME_TO_LIVE_STATES, cursor.u8(), "state of time to live")
    return {"attribute": attribute, "state": state, "enabled_unix_us": cursor.u64()}


def _count(cursor, most):
    count = cursor.varint()
    require(count <= most, f"{cursor.what} has {count} of something, more than {most}")
    return count


def _attribute(attributes, place):
    require(place < len(attributes), "a key attribute is not defined")
    return attributes[place]
