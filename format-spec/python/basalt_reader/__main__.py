"""Prints what a data directory holds: one JSON document a line.

    python -m basalt_reader DIR                      every item: {"Table": ..., "Item": {...}}
    python -m basalt_reader DIR --indexes            also the entries of indexes: {"Table", "Index", "Item"}
    python -m basalt_reader DIR --streams            also stream records, in their order in each partition; those of
                                                     deleted tables last
    python -m basalt_reader DIR --verify             checks everything, prints nothing but a summary

Needs `xxhash` (requirements.txt). The directory must not be in use. Exit code 1 tells damage, on standard error.
"""

import argparse
import json
import sys

from .cursor import Damage
from .database import deleted_tables, tables
from .directory import Directory


def main():
    as_written = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(prog="basalt_reader", description=__doc__, formatter_class=as_written)
    parser.add_argument("directory")
    parser.add_argument("--indexes", action="store_true")
    parser.add_argument("--streams", action="store_true")
    parser.add_argument("--verify", action="store_true")
    arguments = parser.parse_args()
    try:
        print_directory(arguments)
    except Damage as damage:
        print(f"damaged: {damage}", file=sys.stderr)
        return 1
    return 0


def print_directory(arguments):
    directory = Directory(arguments.directory)
    found, deleted = tables(directory), deleted_tables(directory)
    for table in [*found.values(), *deleted]:
        table.check()
    if arguments.verify:
        items = sum(len(table.items) for table in found.values())
        print(f"{len(found)} tables, {items} items, {len(directory.superblocks)} files, no damage")
        return
    for name, table in found.items():
        for item in table.items.values():
            tell({"Table": name, "Item": item})
        if arguments.indexes:
            print_indexes(name, table)
        if arguments.streams:
            print_streams(name, table)
    for table in deleted if arguments.streams else []:
        print_streams(table.name, table, deleted=True)


def print_indexes(name, table):
    for place, index in enumerate(table.definition["local_indexes"]):
        for item in table.local_index(place).values():
            tell({"Table": name, "Index": index["name"], "Item": item})
    for index in table.definition["global_indexes"]:
        for item in table.global_index(index).values():
            tell({"Table": name, "Index": index["name"], "Item": item})


def print_streams(name, table, **further):
    for stream, partition, (entry, change), _, record in table.records():
        told = {"eventName": record["event"].upper(), "Keys": record["keys"]}
        told |= {"NewImage": record["new_image"]} if record["new_image"] is not None else {}
        told |= {"OldImage": record["old_image"]} if record["old_image"] is not None else {}
        told |= {"userIdentity": "dynamodb.amazonaws.com"} if record["cause"] == "TimeToLive" else {}
        tell({"Table": name, "Stream": stream, "Partition": partition, "Position": [entry, change], "Record": told, **further})


def tell(document):
    print(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    sys.exit(main())
