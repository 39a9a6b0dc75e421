#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
check_schema.py SCHEMA: reads lines "NAME JSON" and checks each JSON against $defs/NAME. A key that the
schema does not name is an error here, though the schema itself lets clients meet such keys.
check_schema.py --keys SCHEMA: prints every key that the schema names.
"""
import json
import sys

import jsonschema


def schemas(node):
    """Every part that is a schema of its own."""
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            for part in value.values() if key in ("properties", "$defs") else [value]:
                yield from schemas(part)
    elif isinstance(node, list):
        for item in node:
            yield from schemas(item)


def main():
    with open(sys.argv[-1]) as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    if sys.argv[1] == "--keys":
        print("\n".join(sorted({key for part in schemas(schema) for key in part.get("properties", {})})))
        return 0
    for part in schemas(schema):
        if "properties" in part:
            part.setdefault("additionalProperties", False)
    bad = 0
    for line in sys.stdin:
        name, text = line.rstrip("\n").split(" ", 1)
        if name not in schema["$defs"]:
            print("the schema has no", name)
            bad += 1
            continue
        root = {"$ref": "#/$defs/" + name, "$defs": schema["$defs"]}
        for error in jsonschema.Draft202012Validator(root).iter_errors(json.loads(text)):
            print("%s: %s: %s" % (name, "/".join(map(str, error.absolute_path)), error.message[:300]))
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
