"""Validates manifests with the schemas of several versions of Kubernetes.

Arguments: the oldest version, then files. Prints a line for each object that no version knows, and ends
with 1 and a message if a schema refuses one. Kinds of others (CRDs) have no schema here.
"""

import functools
import json
import sys

import yaml

import kubernetes_validate

# A megabyte each, and otherwise read again for every object.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)


def documents(file):
    """As kubectl: JSON if it is that, which may be indented by tabs, else YAML, read by libyaml."""
    with open(file, encoding="utf-8-sig", newline="") as stream:
        text = stream.read()
    return [json.loads(text)] if file.endswith(".json") else yaml.load_all(text, yaml.CSafeLoader)


def objects(document):
    if not isinstance(document, dict):
        return
    if str(document.get("kind", "")).endswith("List") and "items" in document:
        for item in document["items"] or []:
            yield from objects(item)
    elif "kind" in document:
        yield document


def main(oldest, files):
    number = lambda version: tuple(int(part) for part in version.split(".")[:2])
    versions = {v for v in kubernetes_validate.utils.all_versions() if number(v) >= number(oldest)}
    versions = sorted(versions, key=number)
    validated = 0
    for file in files:
        for document in documents(file):
            for item in objects(document):
                for version in versions:
                    try:
                        kubernetes_validate.validate(item, version, strict=True)
                        validated += 1
                    except kubernetes_validate.utils.SchemaNotFoundError:
                        print(f"no schema: {item['apiVersion']} {item['kind']} {version}")
                    except kubernetes_validate.ValidationError as error:
                        path = ".".join(str(part) for part in error.path)
                        sys.exit(f"{file}: {item['kind']} {version}: {path}: {error.message}")
    print(f"validated {validated} with {versions[0]} to {versions[-1]}")


main(sys.argv[1], sys.argv[2:])
