//! The project's table of the Docker default against Docker's own files, read independently. They come from Debian's
//! packages of Docker's source, which `cargo xtask setup` fetches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use strait_generator::policy::baseline::{Baseline, KernelVersion, Treatment};
use strait_generator::policy::{Capability, Errno, Predicate};

/// All but riscv64, whose calls came one by one; the history has what changed for all machines.
const MACHINES: [&str; 8] = ["amd64", "x86", "x32", "arm", "arm64", "ppc64le", "s390", "s390x"];

fn strings(value: &Value) -> BTreeSet<String> {
    let items = value.as_array().into_iter().flatten();
    items.map(|item| item.as_str().unwrap().to_owned()).collect()
}

fn predicates(arg: &Value) -> (usize, Vec<Predicate>) {
    let value = arg["value"].as_u64().unwrap();
    let index = usize::try_from(arg["index"].as_u64().unwrap()).unwrap();
    let predicate = match arg["op"].as_str().unwrap() {
        "SCMP_CMP_LT" => Predicate::Less(value),
        "SCMP_CMP_EQ" => Predicate::Equal(value),
        "SCMP_CMP_NE" => return (index, vec![Predicate::Less(value), Predicate::Greater(value)]),
        "SCMP_CMP_GT" => Predicate::Greater(value),
        "SCMP_CMP_MASKED_EQ" => {
            Predicate::MaskedEqual { mask: value, value: arg["valueTwo"].as_u64().unwrap_or(0) }
        }
        other => panic!("{other}"),
    };
    (index, vec![predicate])
}

/// Docker's dialect: `includes` needs all of its capabilities, `excludes` any of them.
fn applies(
    entry: &Value,
    machine: &str,
    capabilities: &BTreeSet<String>,
    kernel: Option<KernelVersion>,
) -> bool {
    let (includes, excludes) = (&entry["includes"], &entry["excludes"]);
    let arches = strings(&includes["arches"]);
    let since = includes["minKernel"].as_str().map(|text| {
        let (major, minor) = text.split_once('.').unwrap();
        (major.parse().unwrap(), minor.parse().unwrap())
    });
    (arches.is_empty() || arches.contains(machine))
        && !strings(&excludes["arches"]).contains(machine)
        && strings(&includes["caps"]).is_subset(capabilities)
        && strings(&excludes["caps"]).is_disjoint(capabilities)
        && since.is_none_or(|since| kernel.is_none_or(|kernel| kernel >= since))
}

fn resolved(
    file: &Value,
    machine: &str,
    capabilities: &BTreeSet<String>,
    kernel: Option<KernelVersion>,
) -> BTreeMap<String, Treatment> {
    let mut table: BTreeMap<String, Treatment> = BTreeMap::new();
    let entries = file["syscalls"].as_array().unwrap();
    let applying = entries.iter().filter(|entry| applies(entry, machine, capabilities, kernel));
    for entry in applying {
        for name in strings(&entry["names"]) {
            let args: Vec<_> =
                entry["args"].as_array().into_iter().flatten().map(predicates).collect();
            match (entry["action"].as_str().unwrap(), args.as_slice()) {
                ("SCMP_ACT_ALLOW", []) => {
                    table.insert(name, Treatment::Allow);
                }
                ("SCMP_ACT_ALLOW", [(argument, predicates)]) => {
                    let treatment = table.entry(name).or_insert_with(|| Treatment::AllowIf {
                        argument: *argument,
                        any: Vec::new(),
                    });
                    if let Treatment::AllowIf { any, .. } = treatment {
                        any.extend_from_slice(predicates);
                    }
                }
                ("SCMP_ACT_ERRNO", []) => {
                    let number = u16::try_from(entry["errnoRet"].as_u64().unwrap()).unwrap();
                    table.insert(name, Treatment::Refuse(Errno::new(number).unwrap()));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    table
}

fn capability_sets() -> Vec<BTreeSet<Capability>> {
    let mut sets: Vec<BTreeSet<Capability>> =
        vec![BTreeSet::new(), Capability::docker_default(), Capability::all()];
    sets.extend(Capability::all().into_iter().map(|capability| [capability].into()));
    sets
}

/// Docker's own files, by their versions: of Debian's packages of its source, which `cargo xtask setup` fetches.
fn dockers_own() -> Vec<((u32, u32), Value)> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools").join("profiles");
    let files = folder.read_dir().into_iter().flatten().map(|entry| entry.unwrap().path());
    let versioned = files.filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        let version = version(name.strip_prefix("docker-")?.strip_suffix(".json")?);
        Some((version, serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()))
    });
    let versioned: Vec<_> = versioned.collect();
    assert!(!versioned.is_empty(), "no profile in {}: run `cargo xtask setup`", folder.display());
    versioned
}

fn version(text: &str) -> (u32, u32) {
    let (major, minor) = text.split_once('.').unwrap();
    (major.parse().unwrap(), minor.parse().unwrap())
}

/// Each difference is a change since that version, and each change since then is a difference.
#[test]
fn the_table_is_dockers_own_file_and_what_changed_since() {
    let history = strait_profiles::baselines::DOCKER_DEFAULT_HISTORY;
    let history: Value = serde_json::from_str(history).unwrap();
    for (own, file) in dockers_own() {
        // Docker before 23 has no field for it, and refuses with EPERM.
        let errno = file["defaultErrnoRet"].as_u64().unwrap_or(1);
        assert_eq!(errno, u64::from(Baseline::docker_default().refuse_with().number()));
        let changes = history["changes"].as_array().unwrap().iter();
        let later = changes.filter(|change| version(change["since"].as_str().unwrap()) > own);
        let later = later.flat_map(|change| change["calls"].as_str().unwrap().split(' '));
        let later: BTreeSet<&str> = later.collect();
        let mut differ = BTreeSet::new();
        for name in MACHINES {
            for capabilities in capability_sets() {
                for kernel in [None, Some((4, 7)), Some((4, 8)), Some((5, 8)), Some((6, 12))] {
                    let names = capabilities.iter().map(Capability::to_string).collect();
                    let theirs = resolved(&file, name, &names, kernel);
                    let ours: BTreeMap<String, Treatment> = Baseline::docker_default()
                        .treatments(name, &capabilities, kernel)
                        .into_iter()
                        .map(|(name, treatment)| (name.to_owned(), treatment))
                        .collect();
                    let all = ours.keys().chain(theirs.keys());
                    let other = all.filter(|call| ours.get(*call) != theirs.get(*call)).cloned();
                    differ.extend(other);
                }
            }
        }
        let differ: BTreeSet<&str> = differ.iter().map(String::as_str).collect();
        assert_eq!(differ, later, "of Docker {own:?}");
    }
}
