"""What libyaml reads in files, as JSON: Kubernetes' own parser is a port of it.

Arguments: files. Prints an object with an entry for each file: `{"events": […]}`, or `{"error": …}` if it is not
YAML. Anchors are numbered in the order in which they come, so that their names do not count.
"""

import json
import sys

import yaml


def events(file):
    with open(file, "rb") as stream:
        data = stream.read()
    found, anchors, count = [], {}, 0
    for event in yaml.parse(data, yaml.CLoader):
        kind = type(event).__name__.removesuffix("Event")
        if kind == "DocumentStart":
            anchors = {}
        if kind in ("StreamStart", "StreamEnd", "DocumentStart", "DocumentEnd"):
            found.append([kind])
            continue
        if kind in ("MappingEnd", "SequenceEnd"):
            found.append([kind])
            continue
        if kind == "Alias":
            found.append([kind, anchors[event.anchor]])
            continue
        anchor = 0
        if event.anchor is not None:
            count += 1
            anchor = anchors[event.anchor] = count
        if kind == "Scalar":
            found.append([kind, anchor, event.tag, event.style or ":", event.value])
        else:
            found.append([kind, anchor, event.tag, bool(event.flow_style)])
    return [event for event in found if event[0] not in ("StreamStart", "StreamEnd", "DocumentEnd")]


def main(files):
    answers = {}
    for file in files:
        try:
            answers[file] = {"events": events(file)}
        except (yaml.YAMLError, KeyError, ValueError) as error:
            answers[file] = {"error": str(error)}
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
