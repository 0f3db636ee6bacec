//! Requests to create a container, and the profile in them.
//!
//! Pure: a path, a query and a body in, a body out, or the reason why it is not passed on. The body that
//! comes out has each field on which the profile depends once, in its own spelling, so that it does not
//! matter how an engine reads bodies that have it several times.
//!
//! - [`target`]: is it the creation of a container?
//! - [`json`]: bodies as Go reads them
//! - `query`: parameters

pub mod json;
mod query;
mod target;

use std::path::PathBuf;

use thiserror::Error;

use crate::record::engine::{Identity, Only, display_name};
use json::{Ambiguous, Json, Members};
use strait_generator::recording::Container;

pub use target::{Target, parts, target};

/// A profile, as containers are given it.
#[derive(Clone, Debug)]
pub struct Profile {
    /// JSON, as Docker takes it.
    pub text: String,
    /// A file with the same, as podman takes it.
    pub file: PathBuf,
}

/// Whose words a request is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Docker's, for Docker: the profile itself.
    Docker,
    /// Docker's, for podman: the path of a file.
    Compatible,
    /// podman's own.
    Libpod,
}

/// What was done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The container gets the profile.
    Given,
    /// It has one of its own.
    HasItsOwn,
    /// `--only` does not name it.
    NotChosen,
}

/// A request that is passed on.
#[derive(Clone, Debug)]
pub struct Passed {
    /// The body, in which each field on which the profile depends comes once.
    pub body: Vec<u8>,
    /// What was done.
    pub done: Done,
    /// What the container is called, or else its image.
    pub name: String,
}

/// Why a request is not passed on.
#[derive(Debug, Error)]
pub enum Refused {
    /// The body is no JSON.
    #[error("the body is not JSON: {0}. Send one JSON object")]
    NotJson(#[source] serde_json::Error),
    /// JSON, but no object.
    #[error("the body is not a JSON object. Send one")]
    NoObject,
    /// A field that engines read in different ways.
    #[error(
        "`{field}` {why}, which engines read in different ways, so that it is not known which profile the \
         container would get. Send the field once",
        field = .0.field,
        why = .0.why
    )]
    Ambiguous(Ambiguous),
    /// A field of `HostConfig` beside it, as before API 1.18.
    #[error(
        "`{0}` is not in `HostConfig`, which only engines before API 1.18 ask for, and later ones take \
         or ignore. Put it into `HostConfig`"
    )]
    Outside(String),
    /// A query that Go does not read.
    #[error("the query cannot be decoded. Escape what is in it")]
    Query,
    /// Several names.
    #[error("`name` comes several times, with different values. Send it once")]
    Names,
}

impl From<Ambiguous> for Refused {
    fn from(ambiguous: Ambiguous) -> Self {
        Self::Ambiguous(ambiguous)
    }
}

/// Puts the profile into a request that creates a container, if `only` chooses that and it has none of
/// its own.
///
/// # Errors
///
/// [`Refused`] if an engine could read the request in another way.
pub fn give(
    query: &str,
    body: &[u8],
    dialect: Dialect,
    profile: &Profile,
    only: &[Only],
) -> Result<Passed, Refused> {
    let json = serde_json::from_slice(body).map_err(Refused::NotJson)?;
    let Json::Object(mut members) = json else { return Err(Refused::NoObject) };
    let container = container(query, &mut members, dialect)?;
    let chosen = is_chosen(&container, only);
    let done = match dialect {
        Dialect::Libpod => in_libpod(&mut members, chosen, profile)?,
        Dialect::Docker => in_docker(&mut members, chosen, &profile.text)?,
        Dialect::Compatible => in_docker(&mut members, chosen, &profile.file.to_string_lossy())?,
    };
    let body = serde_json::to_vec(&Json::Object(members)).map_err(Refused::NotJson)?;
    let name = [container.name, container.image].into_iter().find(|name| !name.is_empty());
    Ok(Passed { body, done, name: name.unwrap_or_else(|| "a container".to_owned()) })
}

/// What is known of a container before there is one. The fields for it are written once from here on.
fn container(query: &str, members: &mut Members, dialect: Dialect) -> Result<Container, Refused> {
    // podman `pkg/specgen/specgen.go`; moby `api/types/container/config.go`
    let (image, labels) = match dialect {
        Dialect::Libpod => ("image", "labels"),
        Dialect::Docker | Dialect::Compatible => ("Image", "Labels"),
    };
    let asked = query::values(query, "name").ok_or(Refused::Query)?;
    if asked.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(Refused::Names);
    }
    let name = match dialect {
        Dialect::Libpod => once(members, "name")?,
        Dialect::Docker | Dialect::Compatible => asked.into_iter().next().unwrap_or_default(),
    };
    let found = json::map(members, labels)?;
    if members.iter().any(|(member, _)| json::is_field(member, labels)) {
        let entry = |(key, value): (&String, &String)| (key.clone(), Json::Text(value.clone()));
        json::replace(members, labels, Json::Object(found.iter().map(entry).collect()));
    }
    Ok(Container {
        name: name.trim_start_matches('/').to_owned(),
        image: once(members, image)?,
        labels: found,
        ..Container::default()
    })
}

/// A field that is a string, which is there once from here on, if at all.
fn once(members: &mut Members, field: &'static str) -> Result<String, Refused> {
    let text = json::text(members, field)?;
    if let Some(text) = &text {
        json::replace(members, field, Json::Text(text.clone()));
    }
    Ok(text.unwrap_or_default())
}

/// The id is not known yet, nor what the image adds to the labels.
fn is_chosen(container: &Container, only: &[Only]) -> bool {
    let nobody =
        Identity { id: String::new(), engine: None, runtime: None, pid: 0, owner: 0, began: 0 };
    let name = display_name(container, &nobody);
    // The placeholder for a missing name is no name.
    let name = if container.name.is_empty() && name == "container" { "" } else { &name };
    only.is_empty() || only.iter().any(|only| only.matches(container, name))
}

fn in_libpod(members: &mut Members, chosen: bool, profile: &Profile) -> Result<Done, Refused> {
    const PATH: &str = "seccomp_profile_path";
    let path = once(members, PATH)?;
    // podman `pkg/specgen/generate/config_linux_seccomp.go`: the image's, whatever the path is.
    let of_image = once(members, "seccomp_policy")? == "image";
    if of_image || !is_none(&path) {
        return Ok(Done::HasItsOwn);
    }
    if !chosen {
        return Ok(Done::NotChosen);
    }
    let path = profile.file.to_string_lossy().into_owned();
    json::replace(members, PATH, Json::Text(path));
    Ok(Done::Given)
}

fn in_docker(members: &mut Members, chosen: bool, value: &str) -> Result<Done, Refused> {
    let mut host = match json::structure(members, "HostConfig")? {
        Some(host) => host,
        None => match members.iter().find(|(name, value)| is_of_host(name) && !value.is_void()) {
            // moby `runconfig/config_unix.go`, `getHostConfig`, up to 24
            Some((name, _)) => return Err(Refused::Outside(name.chars().take(40).collect())),
            None => Members::new(),
        },
    };
    let mut options = json::texts(&host, "SecurityOpt")?;
    // Of several the last one counts.
    let own = options.iter().rev().find_map(|option| seccomp(option)).map(|own| !is_none(own));
    let done = match own {
        Some(true) => Done::HasItsOwn,
        _ if !chosen => Done::NotChosen,
        _ => Done::Given,
    };
    if done == Done::Given {
        options.retain(|option| seccomp(option).is_none());
        options.push(format!("seccomp={value}"));
    }
    if !options.is_empty() || host.iter().any(|(name, _)| json::is_field(name, "SecurityOpt")) {
        let options = options.into_iter().map(Json::Text).collect();
        json::replace(&mut host, "SecurityOpt", Json::List(options));
    }
    let is_there = members.iter().any(|(name, _)| json::is_field(name, "HostConfig"));
    if is_there || !host.is_empty() {
        json::replace(members, "HostConfig", Json::Object(host));
    }
    Ok(done)
}

/// moby `daemon/daemon_unix.go`, `parseSecurityOpt`: a name and a value, with `=`, or the older `:` where
/// there is no `=`.
fn seccomp(option: &str) -> Option<&str> {
    let (name, value) = option.split_once('=').or_else(|| option.split_once(':'))?;
    // JSON has both, after the older mark.
    let older = || option.strip_prefix("seccomp:");
    if name == "seccomp" { Some(value) } else { older() }
}

/// What stands for no profile of one's own.
fn is_none(profile: &str) -> bool {
    matches!(profile, "" | "unconfined" | "default" | "builtin")
}

/// Whether it is a field of `HostConfig` alone (moby `api/types/container/hostconfig.go`). Up to Docker
/// 24 those may be beside it (`runconfig/config.go`, `ContainerConfigWrapper`).
fn is_of_host(name: &str) -> bool {
    const FIELDS: [&str; 71] = [
        "Annotations",
        "AutoRemove",
        "Binds",
        "BlkioDeviceReadBps",
        "BlkioDeviceReadIOps",
        "BlkioDeviceWriteBps",
        "BlkioDeviceWriteIOps",
        "BlkioWeight",
        "BlkioWeightDevice",
        "CapAdd",
        "CapDrop",
        "Capabilities",
        "Cgroup",
        "CgroupParent",
        "CgroupnsMode",
        "ConsoleSize",
        "ContainerIDFile",
        "CpuCount",
        "CpuPercent",
        "CpuPeriod",
        "CpuQuota",
        "CpuRealtimePeriod",
        "CpuRealtimeRuntime",
        "CpuShares",
        "Cpuset",
        "CpusetCpus",
        "CpusetMems",
        "DeviceCgroupRules",
        "DeviceRequests",
        "Devices",
        "Dns",
        "DnsOptions",
        "DnsSearch",
        "ExtraHosts",
        "GroupAdd",
        "IOMaximumBandwidth",
        "IOMaximumIOps",
        "Init",
        "IpcMode",
        "Isolation",
        "KernelMemory",
        "KernelMemoryTCP",
        "Links",
        "LogConfig",
        "LxcConf",
        "MaskedPaths",
        "Memory",
        "MemoryReservation",
        "MemorySwap",
        "MemorySwappiness",
        "Mounts",
        "NanoCpus",
        "NetworkMode",
        "OomKillDisable",
        "OomScoreAdj",
        "PidMode",
        "PidsLimit",
        "PortBindings",
        "Privileged",
        "PublishAllPorts",
        "ReadonlyPaths",
        "ReadonlyRootfs",
        "RestartPolicy",
        "Runtime",
        "SecurityOpt",
        "ShmSize",
        "StorageOpt",
        "Sysctls",
        "Tmpfs",
        "UTSMode",
        "Ulimits",
    ];
    // Not the volumes' driver, which was a field of both.
    FIELDS.iter().chain(&["UsernsMode", "VolumesFrom"]).any(|field| json::is_field(name, field))
}

#[cfg(test)]
mod tests;
