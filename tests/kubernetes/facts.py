"""Holds facts about Kubernetes against its schemas.

Arguments: kinds.json and pod-security.json. Ends with 1 and what is wrong.
"""

import functools
import json
import sys

import kubernetes_validate

NEVER_MADE = {"DeleteOptions", "WatchEvent", "Status"}


@functools.cache
def definitions(version):
    path = f"kubernetes-json-schema/v{version}-local/_definitions.json"
    content = kubernetes_validate.utils.schema_contents(path, version)
    return content.get("$defs") or content["definitions"]


def names(node):
    """The definitions that a part of a schema refers to."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].split("/")[-1]
        for value in node.values():
            yield from names(value)
    elif isinstance(node, list):
        for value in node:
            yield from names(value)


def has_pods(known, name):
    seen, waiting = set(), [name]
    while waiting:
        name = waiting.pop()
        if name.endswith(".PodSpec"):
            return True
        if name not in seen:
            seen.add(name)
            waiting.extend(names(known.get(name, {})))
    return False


def kinds(known):
    for name, schema in known.items():
        for of in schema.get("x-kubernetes-group-version-kind") or [] if isinstance(schema, dict) else []:
            yield of["group"], of["kind"], name


def fields(known, kind):
    return set(known[f"io.k8s.api.core.v1.{kind}"]["properties"])


def main(kinds_file, standard_file):
    table = json.load(open(kinds_file))
    standard = json.load(open(standard_file))
    number = lambda version: int(version.split(".")[1])
    versions = sorted(set(kubernetes_validate.utils.all_versions()), key=number)
    wrong = []

    def expect(so, text):
        if not so:
            wrong.append(text)

    expect(number(versions[-1]) == number(standard["newest"]), f"the newest version is {versions[-1]}")
    expect(number(versions[0]) == number(standard["oldest"]), f"the oldest version is {versions[0]}")
    there, with_pods = set(), set()
    for version in versions:
        known = definitions(version)
        for group, kind, name in kinds(known):
            there.add((group, kind))
            if has_pods(known, name):
                with_pods.add((group, kind))
    for entry in table["no_pods"]:
        for group in entry["groups"]:
            for kind in entry["kinds"].split():
                expect((group, kind) not in with_pods, f"{group}/{kind} has pods")
                expect(not entry.get("tested") or (group, kind) in there, f"{group}/{kind} is unknown")
    for entry in table["elsewhere"] + table["patterns"]:
        for group in entry["groups"]:
            for kind in entry["kinds"].split():
                expect((group, kind) not in there, f"{group}/{kind} is Kubernetes' own")
    allowed = {name for entry in standard["restricted"]["volume_types"] for name in entry["names"].split()}
    for version in versions:
        known, minor = definitions(version), number(version)
        for kind in ("PodSecurityContext", "SecurityContext"):
            has = "appArmorProfile" in fields(known, kind)
            expect(has == (minor >= number(standard["baseline"]["apparmor_fields_since"])), f"AppArmor in {version}")
        for field in ("hostUsers", "hostNetwork", "hostPID", "hostIPC", "volumes", "os"):
            expect(field in fields(known, "PodSpec"), f"{field} in {version}")
        for field in ("procMount", "privileged", "runAsUser", "runAsNonRoot", "seLinuxOptions", "windowsOptions"):
            expect(field in fields(known, "SecurityContext"), f"{field} in {version}")
        # What is allowed has to exist; `image` came two versions before it was.
        missing = allowed - fields(known, "Volume") - ({"image"} if minor < 31 else set())
        expect(not missing, f"volumes of {version} lack {missing}")
    print(f"{len(there)} kinds of {len(versions)} versions")
    if wrong:
        sys.exit("\n".join(sorted(set(wrong))))


if __name__ == "__main__":
    main(*sys.argv[1:])
