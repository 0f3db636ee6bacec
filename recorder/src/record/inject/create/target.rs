//! What a request asks for, by its path as an engine reads it.
//!
//! dockerd and podman's service both route by gorilla/mux, over Go's `net/url`. Docker's routes match the
//! decoded path (`api/server/server.go`), podman's the encoded one (`pkg/api/server/server.go`,
//! `UseEncodedPath`). A path with `.`, `..` or `//` in it is answered with a redirection to the clean one
//! (gorilla/mux `mux.go`, `cleanPath`), which the client then asks for in another request. Here a path is
//! decoded and cleaned, so that whatever either of them takes for the creation of a container is taken
//! for one, and some paths that neither knows. Those get the profile in vain.

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A new container.
    Create {
        /// Whether in podman's own words.
        libpod: bool,
    },
    /// That a container be started. Before API 1.24 the body could give it other settings.
    Start,
    /// A connection for BuildKit, which speaks HTTP/2 on it.
    Buildkit,
    /// Anything else.
    Other,
}

/// What a request with this path asks for; `None` for a path that Go refuses.
pub fn target(path: &str) -> Option<Target> {
    let decoded = decode(path)?;
    let parts = clean(&decoded);
    Some(match parts.as_slice() {
        // With or without a version, of which engines have different ideas.
        [before @ .., b"containers", b"create"] => {
            Target::Create { libpod: before.last() == Some(&b"libpod".as_slice()) }
        }
        // A name may have slashes in it (moby `api/server/router/container/container.go`).
        [.., b"start"] if parts.contains(&b"containers".as_slice()) => Target::Start,
        [b"grpc" | b"session"] | [_, b"grpc" | b"session"] => Target::Buildkit,
        _ => Target::Other,
    })
}

/// The parts of a path, decoded, as engines see them; `None` for a path that Go refuses.
pub fn parts(path: &str) -> Option<Vec<Vec<u8>>> {
    let decoded = decode(path)?;
    Some(clean(&decoded).into_iter().map(<[u8]>::to_vec).collect())
}

/// Go `net/url`, `unescape`: all escapes, once; an escape that is none is an error.
pub(super) fn decode(path: &str) -> Option<Vec<u8>> {
    let mut rest = path.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%' {
            let digit =
                |byte: &u8| char::from(*byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
            let (high, low) = (digit(after.first()?)?, digit(after.get(1)?)?);
            decoded.push(high * 16 + low);
            rest = after.get(2..)?;
        } else {
            decoded.push(first);
        }
    }
    Some(decoded)
}

/// Go `path.Clean`, of an absolute path: its parts.
fn clean(path: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_created_however_it_is_written() {
        let docker = [
            "/containers/create",
            "/v1.41/containers/create",
            "/v1.41./containers/create",
            "/containers/%63reate",
            "/v1.41/containers/crea%74e",
            "/%63%6f%6e%74%61%69%6e%65%72%73/create",
            "/containers%2Fcreate",
            "/containers%2fcreate",
            "//containers/create",
            "/containers//create",
            "/containers/./create",
            "/containers/x/../create",
            "/containers/x/%2e%2e/create",
            "/containers/create/",
            "/../containers/create",
        ];
        for path in docker {
            assert_eq!(target(path), Some(Target::Create { libpod: false }), "{path}");
        }
        for path in ["/v4.3.1/libpod/containers/create", "/libpod/%63ontainers/create"] {
            assert_eq!(target(path), Some(Target::Create { libpod: true }), "{path}");
        }
    }

    #[test]
    fn other_requests_are_other_requests() {
        let others = [
            "/v1.41/containers/json",
            "/containers/create/exec",
            "/containers/%2563reate",
            "/containers/Create",
            "/containers/create/..",
            "/volumes/create",
            "/libpod/pods/create",
            "/",
            "*",
            "",
        ];
        for path in others {
            assert_eq!(target(path), Some(Target::Other), "{path}");
        }
        for path in ["/v1.23/containers/web/start", "/containers/a/b/start"] {
            assert_eq!(target(path), Some(Target::Start), "{path}");
        }
        for path in ["/grpc", "/v1.41/session"] {
            assert_eq!(target(path), Some(Target::Buildkit), "{path}");
        }
    }

    #[test]
    fn a_damaged_escape_is_refused() {
        for path in ["/containers/create%", "/containers/%6", "/containers/%zzreate", "/%6\u{e9}"] {
            assert_eq!(target(path), None, "{path}");
        }
    }
}
