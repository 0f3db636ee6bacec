//! The sockets that the command's clients would use.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::InjectError;
use crate::files;

/// For each variable that names a socket to clients, the engine's own socket. Without a variable Docker's
/// clients find theirs by a context, or at the usual place; podman's do without.
pub fn sockets() -> Result<Vec<(&'static str, PathBuf)>, InjectError> {
    let get = |variable: &str| env::var_os(variable).filter(|value| !value.is_empty());
    let mut sockets = Vec::new();
    for variable in ["DOCKER_HOST", "CONTAINER_HOST"] {
        let named = get(variable).map(|value| (variable.to_owned(), value));
        let named = match named {
            None if variable == "DOCKER_HOST" => by_context(&get),
            named => named,
        };
        let socket = match named {
            Some((by, value)) => Some(local(by, &value)?),
            None if variable == "DOCKER_HOST" => usual(&get),
            None => None,
        };
        sockets.extend(socket.map(|socket| (variable, socket)));
    }
    Ok(sockets)
}

/// The path of `unix://PATH`.
fn local(variable: String, value: &OsString) -> Result<PathBuf, InjectError> {
    let value = value.to_string_lossy().into_owned();
    match value.strip_prefix("unix:") {
        Some(path) => Ok(Path::new("/").join(path.trim_start_matches('/'))),
        None => Err(InjectError::Elsewhere { variable, value }),
    }
}

/// docker `cli/context/store`: `contexts/meta/HASH/meta.json` below the client's settings, in which
/// `currentContext` names the one to use.
fn by_context(get: &impl Fn(&str) -> Option<OsString>) -> Option<(String, OsString)> {
    let home = || get("HOME").map(|home| Path::new(&home).join(".docker"));
    let folder = get("DOCKER_CONFIG").map(PathBuf::from).or_else(home)?;
    let read =
        |path: &Path| -> Option<Value> { serde_json::from_slice(&files::read(path).ok()?).ok() };
    let chosen = get("DOCKER_CONTEXT").map(|name| name.to_string_lossy().into_owned());
    let configured = || {
        let settings = read(&folder.join("config.json"))?;
        Some(settings["currentContext"].as_str()?.to_owned())
    };
    let name = chosen.or_else(configured).filter(|name| !name.is_empty() && name != "default")?;
    let contexts = fs::read_dir(folder.join("contexts/meta")).ok()?.filter_map(Result::ok);
    let mut known = contexts.filter_map(|context| read(&context.path().join("meta.json")));
    let context = known.find(|context| context["Name"] == name.as_str())?;
    let host = context["Endpoints"]["docker"]["Host"].as_str()?;
    Some((format!("the Docker context {name}"), host.into()))
}

fn usual(get: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // docker `client/client_unix.go`, `DefaultDockerHost`; what a user has is named by a context.
    let socket = PathBuf::from("/var/run/docker.sock");
    let of_user = get("XDG_RUNTIME_DIR").map(|folder| Path::new(&folder).join("docker.sock"));
    [Some(socket), of_user].into_iter().flatten().find(|socket| socket.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_of_this_machine() {
        let of = |value: &str| local("DOCKER_HOST".to_owned(), &value.into());
        assert_eq!(of("unix:///run/d.sock").unwrap(), Path::new("/run/d.sock"));
        for elsewhere in ["tcp://127.0.0.1:2375", "ssh://host"] {
            let error = of(elsewhere).unwrap_err().to_string();
            assert!(error.contains("DOCKER_HOST") && error.contains(elsewhere), "{error}");
        }
    }

    #[test]
    fn a_context_names_a_socket() {
        let folder = tempfile::tempdir().unwrap();
        let meta = folder.path().join("contexts/meta/0a1b");
        fs::create_dir_all(&meta).unwrap();
        let context =
            r#"{"Name": "mine", "Endpoints": {"docker": {"Host": "unix:///run/user/1/d.sock"}}}"#;
        fs::write(meta.join("meta.json"), context).unwrap();
        let found = |chosen: Option<&str>| {
            by_context(&|variable: &str| match variable {
                "DOCKER_CONFIG" => Some(folder.path().into()),
                "DOCKER_CONTEXT" => chosen.map(Into::into),
                _ => None,
            })
            .map(|(_, host)| host)
        };
        let mine = Some("unix:///run/user/1/d.sock".into());
        assert_eq!(found(None), None);
        assert_eq!(found(Some("mine")), mine);
        assert_eq!(found(Some("default")), None);
        fs::write(folder.path().join("config.json"), r#"{"currentContext": "mine"}"#).unwrap();
        assert_eq!(found(None), mine);
        assert_eq!(found(Some("default")), None);
    }
}
