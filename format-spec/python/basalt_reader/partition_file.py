"""A partition's file: superblocks, allocation map, tree. `superblock.md`, `extent.md`, `page.md`."""

import os
import zlib

import xxhash

from .cursor import Cursor, Damage, require, require_zeros
from .tables import layout, names, numbers, one_of

BLOCK = 4096
SUPERBLOCK = layout("superblock.md", "superblock")
SUPERBLOCK_NUMBERS = numbers("superblock.md", "superblock_constants")
POINTER = layout("extent.md", "pointer")
KINDS = names("extent.md", "extent_kinds")
ALLOCATION = layout("extent.md", "allocation_header")
CLASSES = names("extent.md", "block_classes")
PAGE = layout("page.md", "page_header")
SLOT = layout("page.md", "slot", big_endian=False)
LEAF_CELL = layout("page.md", "leaf_cell")
OVERFLOW = layout("page.md", "overflow_payload")
PAGE_NUMBERS = numbers("page.md", "page_constants")
TAGS = numbers("key_encoding.md", "key_tags")
ALLOCATION_MAGIC = int.from_bytes(b"BALM", "little")


class Pointer:
    """Where an extent lies, and what its bytes must add up to."""

    def __init__(self, raw):
        fields = POINTER.read(raw)
        place = fields["place"]
        self.block, place = place & ((1 << 40) - 1), place >> 40
        self.blocks, place = place & 0xFFF, place >> 12
        codec, kind, reserved = place & 15, place >> 4 & 15, place >> 8
        self.birth, self.checksum = fields["birth_generation"], fields["checksum"]
        require(codec == 0 and reserved == 0 and self.blocks >= 1, "a pointer has an impossible place")
        self.kind = one_of(KINDS, kind, "kind of extent")
        require(self.kind != "KIND_IN_MEMORY", "a pointer names memory")

    @classmethod
    def optional(cls, raw):
        return cls(raw) if any(raw) else None


class PartitionFile:
    """One file as of its newest superblock. `rows` maps each key to its value and the time of its last write."""

    def __init__(self, path, cluster_uuid, partition):
        self.path, self.partition = path, partition
        with open(path, "rb") as file:
            self.file = file
            self.bytes = os.fstat(file.fileno()).st_size
            self.superblock = self._newest(cluster_uuid)
            self.reached = {}
            self.reach(0, SUPERBLOCK_NUMBERS["SUPERBLOCK_AREA_BLOCKS"], "the superblocks")
            self.rows = {}
            self._walk_tree()
            self._check_allocation()
        self._check_counts()

    def _newest(self, cluster_uuid):
        valid, reasons = [], []
        for place in ("A", "B"):
            raw = self.read(SUPERBLOCK_NUMBERS[f"SUPERBLOCK_{place}_BLOCK"], 1)
            if not any(raw):
                continue
            try:
                superblock = read_superblock(raw)
                require(superblock["generation"] % 2 == (place == "A"), "a superblock stands in the other's place")
                valid.append(superblock)
            except Damage as damage:
                reasons.append(f"{place}: {damage}")
        require(valid, f"{self.path} has no valid superblock {reasons}")
        newest = max(valid, key=lambda superblock: superblock["generation"])
        require(newest["cluster_uuid"] == cluster_uuid, f"{self.path} belongs to another cluster")
        require(newest["partition"] == self.partition, f"{self.path} is partition {newest['partition']}")
        require(newest["features_incompatible"] == 0, f"{self.path} has unknown features")
        require(newest["file_blocks"] * BLOCK <= self.bytes, f"{self.path} is shorter than its map")
        return newest

    def read(self, block, blocks):
        self.file.seek(block * BLOCK)
        raw = self.file.read(blocks * BLOCK)
        require(len(raw) == blocks * BLOCK, f"{self.path} ends before block {block + blocks}")
        return raw

    def reach(self, block, blocks, what):
        for reached in range(block, block + blocks):
            other = self.reached.setdefault(reached, what)
            require(other is what, f"{self.path}: block {reached} belongs to {other} and to {what}")

    def extent(self, pointer, what, birth_max):
        """The stored bytes of an extent, which are what the pointer says."""
        where = f"{self.path}: {what} at block {pointer.block}"
        end = pointer.block + pointer.blocks
        require(end <= self.superblock["file_blocks"], f"{where} lies behind the file's end")
        require(1 <= pointer.birth <= birth_max, f"{where} is younger than what names it")
        raw = self.read(pointer.block, pointer.blocks)
        seed = (self.superblock["salt"] + pointer.block) % (1 << 64)
        require(xxhash.xxh3_64_intdigest(raw, seed=seed) == pointer.checksum, f"{where}: the checksum does not hold")
        self.reach(pointer.block, pointer.blocks, f"{what} at block {pointer.block}")
        return raw

    def _walk_tree(self):
        root = Pointer.optional(self.superblock["root"])
        if root is not None:
            self._walk_page(root, None, b"", None, self.superblock["generation"])

    def _walk_page(self, pointer, level, lower, upper, birth_max):
        page = Page(self.extent(pointer, "a page", birth_max), f"{self.path}: page at block {pointer.block}")
        page.check(self.partition, pointer, level, lower, upper)
        if page.level == 0:
            for key, value, last_write in page.rows(self):
                self.rows[key] = (value, last_write)
            return
        children = list(page.children())
        for place, (child, separator) in enumerate(children):
            end = children[place + 1][1] if place + 1 < len(children) else upper
            self._walk_page(child, page.level - 1, separator, end, pointer.birth)

    def _check_allocation(self):
        """The map says of every block what the walk found."""
        pointer, at = Pointer.optional(self.superblock["allocation"]), 0
        allocated = set()
        before = None
        while pointer is not None:
            require(pointer.kind == "Allocation", "the allocation map is of another kind")
            raw = self.extent(pointer, "the allocation map", self.superblock["generation"])
            header, runs = ALLOCATION.split(raw)
            where = f"{self.path}: allocation map at block {pointer.block}"
            require(header["magic"] == ALLOCATION_MAGIC, f"{where} has no magic")
            require(header["partition"] == self.partition, f"{where} is another partition's")
            require(header["generation"] == pointer.birth, f"{where} was born at another time")
            require(header["first_block"] == at, f"{where} does not follow the part before")
            require_zeros(runs[header["run_bytes"] :], where)
            cursor, class_before = Cursor(runs[: header["run_bytes"]], where), None
            while not cursor.is_done():
                run = cursor.varint()
                count, kind = run >> 2, one_of(CLASSES, run & 3, f"{where}: class")
                require(count > 0 and kind != class_before, f"{where}: a run is empty or like the one before")
                require(before or (kind == "Allocated" and count >= 8), f"{where}: the superblocks are free")
                if kind == "Allocated":
                    allocated.update(range(at, at + count))
                at, class_before, before = at + count, kind, True
            pointer = Pointer.optional(header["next"])
        require(at == self.superblock["file_blocks"], f"{self.path}: the allocation map ends at block {at}")
        unmapped = sorted(set(self.reached) - allocated)
        require(not unmapped, f"{self.path}: blocks {unmapped[:9]} are reached, and the map says that they are free")
        leaked = sorted(allocated - set(self.reached))
        require(not leaked, f"{self.path}: blocks {leaked[:9]} are allocated, and nothing reaches them")

    def _check_counts(self):
        """The superblock counts its rows."""
        sizes = {key: len(key) + len(value) for key, (value, _) in self.rows.items()}
        item_tags = (TAGS["TAG_ITEM"], TAGS["TAG_GLOBAL_INDEX"])
        items = [key for key in sizes if key[0] in item_tags]
        counted = {
            "row_count": len(sizes),
            "row_bytes": sum(sizes.values()),
            "item_count": len(items),
            "item_bytes": sum(sizes[key] for key in items),
        }
        local = [[0, 0] for _ in self.superblock["local_index_rows"]]
        for key, size in sizes.items():
            if TAGS["TAG_LOCAL_INDEX_FIRST"] <= key[0] <= TAGS["TAG_LOCAL_INDEX_LAST"]:
                local[key[0] - TAGS["TAG_LOCAL_INDEX_FIRST"]][0] += 1
                local[key[0] - TAGS["TAG_LOCAL_INDEX_FIRST"]][1] += size
        counted["local_index_rows"] = [tuple(pair) for pair in local]
        for name, value in counted.items():
            stored = self.superblock[name]
            require(stored == value, f"{self.path}: the superblock says {name} {stored}, the tree has {value}")


def read_superblock(raw):
    crc_at, hash_at = SUPERBLOCK.offset("crc32"), SUPERBLOCK.offset("xxh3_128")
    superblock = SUPERBLOCK.read(raw)
    require(superblock["magic"] == SUPERBLOCK_NUMBERS["SUPERBLOCK_MAGIC"], "a superblock has no magic")
    require(superblock["version"] == SUPERBLOCK_NUMBERS["SUPERBLOCK_VERSION"], "a superblock has another version")
    require(zlib.crc32(raw[:crc_at]) == superblock["crc32"], "a superblock's CRC does not hold")
    computed = xxhash.xxh3_128_intdigest(raw[:hash_at], seed=superblock["salt"])
    require(computed == superblock["xxh3_128"], "a superblock's hash does not hold")
    require(superblock["generation"] >= 1, "a superblock has no generation")
    require(superblock["hash_first"] <= superblock["hash_last"], "a superblock owns no hash")
    for absent in ("snapshots", "transactions", "to_free"):
        require(not any(superblock[absent]), f"a superblock names {absent}")
    return superblock


class Page:
    """A node of the tree, as it stands in a file."""

    def __init__(self, raw, where):
        self.where = where
        header = PAGE.read(raw)
        require(header["magic"] == PAGE_NUMBERS["PAGE_MAGIC"], f"{where} has no magic")
        self.level, self.flags, self.slot_count = header["level"], header["flags"], header["slot_count"]
        self.header = header
        self.slots_end = PAGE.size + SLOT.size * self.slot_count
        length = self.slots_end + header["heap_bytes"]
        require(self.level <= PAGE_NUMBERS["LEVEL_MAX"], f"{where} is too high above the leaves")
        require(self.flags & ~3 == 0, f"{where} has unknown flags")
        require(header["heap_bytes"] <= 65535 and length <= len(raw), f"{where} is longer than its extent")
        require(len(raw) - length < BLOCK, f"{where} has a block that nothing needs")
        require_zeros(raw[length:], where)
        require(header["garbage_bytes"] == 0, f"{where} has garbage")
        self.raw = raw[:length]
        self.below = 0
        self.lower = self._from_heap(header["lower_fence_bytes"])
        self.upper = self._from_heap(header["upper_fence_bytes"])
        if self.flags & PAGE_NUMBERS["FLAG_UNBOUNDED"]:
            require(self.upper == b"", f"{where} has an upper fence and none")
            self.upper = None
        shared = os.path.commonprefix([self.lower, self.upper]) if self.upper is not None else b""
        require(len(shared) == header["prefix_bytes"], f"{where}: the fences share other bytes than its prefix")
        self.prefix = shared

    def _from_heap(self, count):
        """The next bytes of the heap, which grows down from the page's end."""
        self.below += count
        start = len(self.raw) - self.below
        require(start >= self.slots_end, f"{self.where}: the heap runs into the slots")
        return self.raw[start : start + count]

    def check(self, partition, pointer, level, lower, upper):
        where = self.where
        require(self.header["partition"] == partition, f"{where} is another partition's")
        require(self.header["birth_generation"] == pointer.birth, f"{where} was born at another time")
        require(level is None or self.level == level, f"{where} is {self.level} above the leaves, not {level}")
        require((self.lower, self.upper) == (lower, upper), f"{where} has other fences than its parent says")
        owns = "LeafWithOverflow" if self.flags & PAGE_NUMBERS["FLAG_OWNS_OVERFLOW"] else "Leaf"
        require(pointer.kind == (owns if self.level == 0 else "Inner"), f"{where} is a {pointer.kind}")
        require(self.level == 0 or self.slot_count >= 1, f"{where} has no child")

    def _cells(self):
        """Each slot's cell, with the length of its key: straight below each other, in the order of the slots."""
        before = None
        for slot in range(self.slot_count):
            fields = SLOT.read(self.raw[PAGE.size + SLOT.size * slot :])
            yield slot, fields, before
            before = fields

    def _cell(self, fields, header_bytes, payload_of):
        start = len(self.raw) - fields["cell_offset"]
        require(start >= self.slots_end, f"{self.where}: a cell stands among the slots")
        header = self.raw[start : start + header_bytes]
        suffix = self.raw[start + header_bytes : start + header_bytes + fields["key_bytes"]]
        payload = payload_of(header)
        cell = self._from_heap(header_bytes + fields["key_bytes"] + payload)
        require(self.below == fields["cell_offset"], f"{self.where}: cells do not follow each other")
        head = int.from_bytes(suffix[:4].ljust(4, b"\0"), "big")
        require(head == fields["head"], f"{self.where}: a slot's head is not its key's")
        key = self.prefix + suffix
        require(len(key) <= PAGE_NUMBERS["KEY_BYTES_MAX"], f"{self.where}: a key is too long")
        return header, key, cell[header_bytes + fields["key_bytes"] :]

    def rows(self, file):
        """The rows of a leaf: key, value, hybrid time of the last write."""
        last, owns = None, False
        for _, fields, _ in self._cells():
            payload_at = LEAF_CELL.offset("payload_bytes")
            header, key, payload = self._cell(
                fields, LEAF_CELL.size, lambda header: int.from_bytes(header[payload_at : payload_at + 2], "little")
            )
            cell = LEAF_CELL.read(header)
            self._check_order(key, last)
            require(cell["flags"] in (0, PAGE_NUMBERS["CELL_FLAG_OVERFLOW"]), f"{self.where}: a cell has other flags")
            if cell["flags"]:
                payload, owns = self._overflow(file, payload), True
            yield key, payload, cell["last_write"]
            last = key
        flagged = bool(self.flags & PAGE_NUMBERS["FLAG_OWNS_OVERFLOW"])
        require(owns == flagged, f"{self.where}: its flag about large values is wrong")
        require(self.below == self.header["heap_bytes"], f"{self.where}: the heap holds more than its cells")

    def _overflow(self, file, payload):
        described, first = OVERFLOW.split(payload)
        pointer, length = Pointer(described["pointer"]), described["value_bytes"]
        where = f"{self.where}: a large value"
        require(pointer.kind == "Overflow", f"{where} is of another kind")
        require(1 <= length <= PAGE_NUMBERS["VALUE_BYTES_MAX"], f"{where} has {length} bytes")
        require(pointer.blocks == -(-length // BLOCK), f"{where} has more blocks than it needs")
        raw = file.extent(pointer, "a value", self.header["birth_generation"])
        require_zeros(raw[length:], where)
        value = raw[:length]
        require(first == value[: PAGE_NUMBERS["OVERFLOW_FIRST_BYTES"]], f"{where} begins otherwise in its cell")
        return value

    def children(self):
        """The children of an inner page, each with the least key that it may hold."""
        last = None
        for slot, fields, _ in self._cells():
            header, key, payload = self._cell(fields, POINTER.size, lambda header: 0)
            require(payload == b"", f"{self.where}: a child has a payload")
            pointer = Pointer(header)
            is_leaf = pointer.kind in ("Leaf", "LeafWithOverflow")
            fits = is_leaf if self.level == 1 else pointer.kind == "Inner"
            require(fits, f"{self.where}: a child is a {pointer.kind}")
            if slot == 0:
                require(fields["key_bytes"] == 0, f"{self.where}: the first child has a separator")
                key = self.lower
            else:
                self._check_order(key, last)
            yield pointer, key
            last = key
        require(self.below == self.header["heap_bytes"], f"{self.where}: the heap holds more than its cells")

    def _check_order(self, key, last):
        require(last is None or last < key, f"{self.where}: keys do not ascend")
        require(self.lower <= key, f"{self.where}: a key is below the lower fence")
        require(self.upper is None or key < self.upper, f"{self.where}: a key is at or above the upper fence")
