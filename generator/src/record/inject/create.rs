//! What is asked of an engine to create a container, and the profile in it.

use serde_json::{Map, Value, json};

use super::Profile;

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
    /// This is no such request: the engine may say so.
    NotUnderstood,
}

/// Whether a request with this path creates a container, and whether in podman's own words.
///
/// Sources: Docker Engine API, `ContainerCreate`; podman `pkg/api/server/register_containers.go`.
pub fn is_create(path: &str) -> Option<bool> {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let parts = match parts.as_slice() {
        [version, rest @ ..] if is_version(version) => rest,
        all => all,
    };
    match parts {
        ["containers", "create"] => Some(false),
        ["libpod", "containers", "create"] => Some(true),
        _ => None,
    }
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Puts the profile into the body of such a request, unless there is another one.
pub fn give(body: &mut Value, dialect: Dialect, profile: &Profile) -> Done {
    let Some(body) = body.as_object_mut() else { return Done::NotUnderstood };
    match dialect {
        Dialect::Libpod => {
            // podman `pkg/specgen/specgen.go`
            let path = field(body, "seccomp_profile_path");
            if !is_none(path.as_str().unwrap_or_default()) {
                return Done::HasItsOwn;
            }
            *path = json!(profile.file);
            Done::Given
        }
        Dialect::Docker => of_host(body, &profile.text),
        Dialect::Compatible => of_host(body, &profile.file.to_string_lossy()),
    }
}

/// moby `daemon/daemon_unix.go`, `parseSecurityOpt`: a name and a value, with `=` or the older `:`.
fn of_host(body: &mut Map<String, Value>, value: &str) -> Done {
    let host = field(body, "HostConfig");
    if host.is_null() {
        *host = json!({});
    }
    let Some(host) = host.as_object_mut() else { return Done::NotUnderstood };
    let options = field(host, "SecurityOpt");
    if options.is_null() {
        *options = json!([]);
    }
    let Some(options) = options.as_array_mut() else { return Done::NotUnderstood };
    let chosen =
        |option: &Value| Some(option.as_str()?.strip_prefix("seccomp")?.get(1..)?.to_owned());
    if options.iter().filter_map(chosen).any(|value| !is_none(&value)) {
        return Done::HasItsOwn;
    }
    options.retain(|option| chosen(option).is_none());
    options.push(json!(format!("seccomp={value}")));
    Done::Given
}

/// What stands for no profile of one's own.
fn is_none(profile: &str) -> bool {
    matches!(profile, "" | "unconfined" | "default" | "builtin")
}

/// A field, of which Go does not care how it is written.
fn field<'a>(object: &'a mut Map<String, Value>, name: &str) -> &'a mut Value {
    let written = object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
    object.entry(written.unwrap_or_else(|| name.to_owned())).or_insert(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(mut body: Value, dialect: Dialect) -> (Done, Value) {
        let profile = Profile { text: r#"{"syscalls":[]}"#.into(), file: "/p.json".into() };
        let done = give(&mut body, dialect, &profile);
        (done, body)
    }

    #[test]
    fn requests_that_create_a_container_are_known() {
        assert_eq!(is_create("/v1.41/containers/create"), Some(false));
        assert_eq!(is_create("/containers/create"), Some(false));
        assert_eq!(is_create("/v4.3.1/libpod/containers/create"), Some(true));
        assert_eq!(is_create("/libpod/containers/create"), Some(true));
        for other in ["/v1.41/containers/json", "/containers/create/exec", "/volumes/create", "/"] {
            assert_eq!(is_create(other), None, "{other}");
        }
    }

    #[test]
    fn a_container_without_a_profile_gets_it() {
        let text = r#"seccomp={"syscalls":[]}"#;
        for (host, options) in [
            (json!(null), json!([text])),
            (json!({"SecurityOpt": null}), json!([text])),
            (json!({"SecurityOpt": ["seccomp=unconfined"]}), json!([text])),
            (json!({"SecurityOpt": ["no-new-privileges"]}), json!(["no-new-privileges", text])),
            (json!({"SecurityOpt": ["seccomp:unconfined", "label=x"]}), json!(["label=x", text])),
        ] {
            let body = json!({"Image": "a", "HostConfig": host});
            let (done, body) = given(body, Dialect::Docker);
            assert_eq!((done, &body["HostConfig"]["SecurityOpt"]), (Done::Given, &options));
            assert_eq!(body["Image"], "a");
        }
        let (done, body) = given(json!({"Image": "a"}), Dialect::Compatible);
        assert_eq!(done, Done::Given);
        assert_eq!(body["HostConfig"]["SecurityOpt"], json!(["seccomp=/p.json"]));
        let (done, body) = given(json!({"image": "a"}), Dialect::Libpod);
        assert_eq!((done, &body["seccomp_profile_path"]), (Done::Given, &json!("/p.json")));
    }

    #[test]
    fn one_of_its_own_stays() {
        for own in [r#"seccomp={"defaultAction":"SCMP_ACT_ERRNO"}"#, "seccomp:/own.json"] {
            let body = json!({"HostConfig": {"SecurityOpt": [own]}});
            assert_eq!(given(body.clone(), Dialect::Docker), (Done::HasItsOwn, body));
        }
        let body = json!({"seccomp_profile_path": "/own.json"});
        assert_eq!(given(body.clone(), Dialect::Libpod), (Done::HasItsOwn, body));
    }

    #[test]
    fn fields_are_found_as_go_finds_them() {
        let body = json!({"hostconfig": {"securityOpt": ["seccomp=unconfined"]}});
        let (_, body) = given(body, Dialect::Docker);
        assert_eq!(body["hostconfig"]["securityOpt"], json!([r#"seccomp={"syscalls":[]}"#]));
        assert!(body.get("HostConfig").is_none());
    }

    #[test]
    fn what_is_something_else_is_left_to_the_engine() {
        for body in [json!([]), json!({"HostConfig": 1}), json!({"HostConfig": {"SecurityOpt": 1}})]
        {
            let (done, after) = given(body.clone(), Dialect::Docker);
            assert_eq!((done, after), (Done::NotUnderstood, body));
        }
    }
}
