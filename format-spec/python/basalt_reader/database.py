"""Tables, items, indexes and streams, put together from the rows of partitions, and held against each other."""

from .cursor import require
from .keys import TAGS, encode_hashed, read_hashed
from .rows import (
    check_tokens,
    collection_sizes,
    decisions,
    expiries,
    outbox_changes,
    prepared_items,
    received,
    stream_records,
    tagged,
)
from .values import read_item


class Table:
    """One table of a directory."""

    def __init__(self, directory, name, definition):
        self.directory, self.name, self.definition = directory, name, definition
        self.partitions = directory.catalog.partitions_of(definition["number"])
        require(definition["sort_key"] != definition["partition_key"], f"{name} has one attribute twice in its key")
        self.key = [part for part in (definition["partition_key"], definition["sort_key"]) if part]
        self.settled, self.unsettled = self._transactions()
        self.items = self._items()

    def _open_rows(self, number):
        """The rows of the partitions that serve a table or index."""
        for partition, row in self.directory.catalog.partitions_of(number).items():
            if row["state"] == "Open":
                yield partition, row, self.directory.partitions[partition]

    def _transactions(self):
        """What becomes of the items of transactions that were under way: only of those that are decided."""
        settled, unsettled = {}, set()
        for _, _, rows in self._open_rows(self.definition["number"]):
            for transaction, item_key, ledger, outcome, item in prepared_items(rows):
                committed = transaction in set(decisions(self.directory.partitions.get(ledger, {})))
                if committed and outcome != "Keep":
                    settled[item_key] = item if outcome == "Put" else None
                unsettled.add(item_key)
        return settled, unsettled

    def _items(self):
        """Every item by its key, as the next start would serve it."""
        items = {}
        for partition, row, rows in self._open_rows(self.definition["number"]):
            check_tokens(rows)
            found = {key: value for key, value, _ in tagged(rows, "TAG_ITEM")}
            owned = [key for key in self.settled if row["hash_first"] <= _hash(key) <= row["hash_last"]]
            for key in owned:
                found.pop(key, None)
                if self.settled[key] is not None:
                    found[key] = self.settled[key]
            for key in sorted(found):
                item = read_item(found[key])
                self._check_key(key, item, row)
                require(key not in items, f"{self.name}: an item is in two partitions")
                items[key] = item
        return items

    def _check_key(self, key, item, row):
        types = [kind for _, kind in self.key]
        digest, values = read_hashed(key, TAGS["TAG_ITEM"], types, 1, self.definition["hash_secret"])
        require(row["hash_first"] <= digest <= row["hash_last"], f"{self.name}: an item is in another's partition")
        for (name, _), value in zip(self.key, values):
            require(item.get(name) == value, f"{self.name}: an item has another {name} than its key")

    def local_index(self, place):
        """The entries of a local index, by their keys, which must be those that its items give."""
        index = self.definition["local_indexes"][place]
        tag = TAGS["TAG_LOCAL_INDEX_FIRST"] + place
        stored = {}
        for _, _, rows in self._open_rows(self.definition["number"]):
            stored |= {key: read_item(value) for key, (value, _) in rows.items() if key[0] == tag}
        own = [self.definition["partition_key"], *index["sort"]]
        return self._compared(index, stored, tag, own, self.key[1:], 1)

    def global_index(self, index):
        """The entries of a global index, by their keys, with what is still on its way to them."""
        stored, told = {}, {}
        for partition, row, rows in self._open_rows(index["number"]):
            stored |= {key: value for key, value, _ in tagged(rows, "TAG_GLOBAL_INDEX")}
            told[row["hash_first"], row["hash_last"]] = received(rows)
        for base, _, rows in self._open_rows(self.definition["number"]):
            for entry, number, key, value in outbox_changes(rows):
                if number == index["number"] and entry > _known(told, key).get(base, 0):
                    stored.pop(key, None)
                    if value is not None:
                        stored[key] = value
        entries = {key: read_item(stored[key]) for key in sorted(stored)}
        if index["status"] == "Deleting":
            return entries
        own, partial = [*index["partition"], *index["sort"]], index["status"] != "Active"
        return self._compared(index, entries, TAGS["TAG_GLOBAL_INDEX"], own, self.key, len(index["partition"]), partial)

    def _compared(self, index, stored, tag, own, suffix, hashed_count, partial=False):
        """The entries of an index, which are those that the table's items give and no other.

        Those of items that a start still has to settle are as they will be then.
        """
        expected = {}
        for item_key, item in self.items.items():
            if all(kind in item.get(name, {}) and item[name][kind] != "" for name, kind in own):
                values = [item[name] for name, _ in [*own, *suffix]]
                key = encode_hashed(tag, values, hashed_count, self.definition["hash_secret"])
                expected[key] = (item_key, self._projected(item, index, own))
        entries = {key: entry for key, entry in stored.items() if self._item_key(entry) not in self.unsettled}
        entries |= {key: entry for key, (item_key, entry) in expected.items() if item_key in self.unsettled}
        for key in entries.keys() | expected.keys():
            agrees = key in expected and entries.get(key) == expected[key][1]
            missing = partial and key not in entries
            require(agrees or missing, f"{self.name}/{index['name']}: entry {key.hex()} is not what its item gives")
        return entries

    def _item_key(self, item):
        values = [item[name] for name, _ in self.key]
        return encode_hashed(TAGS["TAG_ITEM"], values, 1, self.definition["hash_secret"])

    def _projected(self, item, index, own):
        if index["projection"] is None:
            return item
        held = {name for name, _ in [*own, *self.key]} | set(index["projection"])
        return {name: value for name, value in item.items() if name in held}

    def records(self):
        """The records of all streams: stream, partition, position, hybrid time, record."""
        return _records(self.directory, self.partitions)

    def check(self):
        """Everything that can be held against the items."""
        for place in range(len(self.definition["local_indexes"])):
            self.local_index(place)
        for index in self.definition["global_indexes"]:
            self.global_index(index)
        for _ in self.records():
            pass
        for _, _, rows in self._open_rows(self.definition["number"]):
            for prefix, _ in collection_sizes(rows):
                there = any(key.startswith(prefix) for key in [*rows, *self.unsettled])
                require(there, f"{self.name}: a collection has a size and no item")
            for _, item_key in expiries(rows):
                there = item_key in rows or item_key in self.unsettled
                require(there, f"{self.name}: an item that is not there has an expiry")


def tables(directory):
    """Every table of a directory, by name."""
    return {name: Table(directory, name, row) for name, row in sorted(directory.catalog.tables.items())}


class DeletedTable:
    """What is left of a table that was deleted: stream records, and tokens of transactions."""

    def __init__(self, directory, definition):
        self.directory, self.name = directory, definition["name"]
        self.partitions = directory.catalog.partitions_of(definition["number"])
        closed = all(row["state"] == "Closed" for row in self.partitions.values())
        require(closed, f"deleted table {self.name} has a partition that serves")

    def records(self):
        """The records of all streams: stream, partition, position, hybrid time, record."""
        return _records(self.directory, self.partitions)

    def check(self):
        """Everything that can be checked without items."""
        for partition in self.partitions.keys() & self.directory.partitions.keys():
            check_tokens(self.directory.partitions[partition])
        for _ in self.records():
            pass


def deleted_tables(directory):
    """Every deleted table that has left something, in the order of their numbers."""
    return [DeletedTable(directory, row) for _, row in sorted(directory.catalog.deleted_tables.items())]


def _records(directory, partitions):
    for partition in partitions.keys() & directory.partitions.keys():
        for stream, position, time, record in stream_records(directory.partitions[partition]):
            yield stream, partition, position, time, record


def _hash(key):
    return int.from_bytes(key[1:9], "big")


def _known(told, key):
    """What the index partition that owns a row's hash has received."""
    for (first, last), entries in told.items():
        if first <= _hash(key) <= last:
            return entries
    return {}
