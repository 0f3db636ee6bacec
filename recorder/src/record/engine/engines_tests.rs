use std::fs;
use std::io::{Read, Write};
#[cfg(feature = "privileged-tests")]
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;

use super::*;
use crate::record::engine::http;

const ID: &str = "1a99aac7137e288591966ac26dc38d18ab503db514a19088ddd9eb8b4fdb3be3";

fn identity(engine: Option<EngineKind>) -> Identity {
    Identity {
        id: ID.to_owned(),
        engine,
        runtime: Some("no-such-runtime"),
        pid: u32::MAX,
        owner: 0,
        began: 0,
    }
}

/// Engines at these sockets and no others, on a machine whose files are in `root`.
fn engines(root: &Path, sockets: &[&Path]) -> Engines {
    let endpoint = |socket: &&Path| Endpoint {
        socket: (*socket).to_owned(),
        variable: Some("DOCKER_HOST"),
        client: Shared::default(),
        ask_again: None,
    };
    Engines {
        endpoints: sockets.iter().map(endpoint).collect(),
        cache: Cache::default(),
        versions: HashMap::new(),
        lookup: LOOKUP,
        listeners: Vec::new(),
        root: root.to_owned(),
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// An engine of which only the answers are real: `answer` gives the body for a request's path.
fn fake(socket: &Path, answer: impl Fn(&str) -> Option<String> + Send + 'static) {
    serve(UnixListener::bind(socket).unwrap(), answer);
}

fn serve(listener: UnixListener, answer: impl Fn(&str) -> Option<String> + Send + 'static) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match answer(path) {
                Some(body) => ("200 OK", body),
                None => ("404 Not Found", r#"{"message": "no such thing"}"#.to_owned()),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n");
            let _ =
                write!(stream, "{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        }
    });
}

fn version(path: &str) -> Option<String> {
    path.ends_with("/version").then(|| r#"{"ApiVersion": "1.41", "Version": "20.10"}"#.to_owned())
}

#[test]
fn an_engine_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    fake(&socket, |path| {
        let container = format!(
            r#"{{"Id": "{ID}", "Name": "/web", "Path": "nginx", "Config": {{"Image": "nginx:1"}}}}"#
        );
        let found = path.contains(&format!("/containers/{ID}/json"));
        version(path).or(found.then_some(container))
    });
    let mut engines = engines(folder.path(), &[&socket]);
    let found = block_on(engines.describe(&identity(Some(EngineKind::Docker))));
    assert!(!found.sources.is_empty(), "{:?}", engines.notes());
    assert_eq!((&*found.container.name, &*found.container.image), ("web", "nginx:1"));
    assert_eq!(found.container.runtime, "no-such-runtime");
    assert_eq!(found.command, ["nginx"]);
    assert_eq!(engines.notes(), Vec::<String>::new());
}

#[test]
fn events_name_a_container_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    fake(&socket, |path| {
        let event = format!(
            "{{\"Type\": \"container\", \"Action\": \"create\", \"time\": 7, \"Actor\": {{\"ID\": \
             \"{ID}\", \"Attributes\": {{\"name\": \"web\", \"image\": \"nginx\"}}}}}}\n"
        );
        version(path).or(path.contains("/events").then_some(event))
    });
    let mut engines = engines(folder.path(), &[&socket]);
    let found = block_on(async {
        engines.watch();
        loop {
            // The listener may need longer on a busy machine than anyone else would wait.
            let found = engines.describe(&identity(None)).await;
            if !found.sources.is_empty() {
                break found;
            }
        }
    });
    assert_eq!((&*found.container.name, &*found.container.image), ("web", "nginx"));
    assert_eq!(found.sources, ["events of docker"]);
}

/// Listens as another user, at a socket in a folder of root's.
#[cfg(feature = "privileged-tests")]
fn listen_as(user: u32, socket: &Path) -> UnixListener {
    std::thread::scope(|scope| {
        let listening = scope.spawn(|| {
            let listener = UnixListener::bind(socket).unwrap();
            // SAFETY: it takes numbers only, and without the C library it is for this thread alone.
            let set = unsafe { libc::syscall(libc::SYS_setresuid, -1, user, -1) };
            assert_eq!(set, 0, "we are root");
            // Who listens last is who the kernel says listens.
            // SAFETY: the descriptor is open.
            assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 16) }, 0);
            listener
        });
        listening.join().unwrap()
    })
}

#[cfg(feature = "privileged-tests")]
#[test]
fn an_engine_of_another_user_tells_nothing_about_roots_containers() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    serve(listen_as(65534, &socket), |path| {
        let attributes = r#"{"name": "forged", "image": "forged"}"#;
        let event = format!(
            "{{\"Action\": \"create\", \"Actor\": {{\"ID\": \"{ID}\", \"Attributes\": {attributes}}}}}\n"
        );
        let container = format!(r#"{{"Id": "{ID}", "Name": "forged"}}"#);
        version(path).or(Some(if path.contains("/events") { event } else { container }))
    });
    let mut engines = engines(folder.path(), &[&socket]);
    block_on(async {
        engines.watch();
        // Listening ends at once, and has heard nothing.
        for listener in engines.listeners.drain(..) {
            tokio::time::timeout(LOOKUP, listener).await.expect("it ends").unwrap();
        }
        let identity = identity(Some(EngineKind::Docker));
        assert_eq!(engines.describe(&identity).await, Description::from_identity(&identity));
    });
    assert_eq!(engines.notes(), Vec::<String>::new());
}

#[test]
fn an_engine_that_says_nothing_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let mut engines = engines(folder.path(), &[&socket]);
    // Its clock goes on to the next deadline when there is nothing else to do.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let begun = Instant::now();
        for _ in 0..10 {
            let identity = identity(Some(EngineKind::Docker));
            assert_eq!(engines.describe(&identity).await, Description::from_identity(&identity));
        }
        assert!(begun.elapsed() < 2 * http::PATIENCE, "it is waited for once");
    });
    let notes = engines.notes();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("did not answer within 15 s"), "{}", notes[0]);
}

#[test]
fn an_engine_that_is_not_there_is_noted_if_a_variable_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let mut engines = engines(folder.path(), &[&socket]);
    assert_eq!(
        block_on(engines.describe(&identity(None))),
        Description::from_identity(&identity(None))
    );
    assert!(engines.notes()[0].contains("DOCKER_HOST"), "{:?}", engines.notes());
    drop(UnixListener::bind(&socket).unwrap());
    engines.endpoints[0].variable = None;
    engines.cache = Cache::default();
    assert_eq!(
        block_on(engines.describe(&identity(None))),
        Description::from_identity(&identity(None))
    );
    assert_eq!(engines.notes(), Vec::<String>::new(), "what was left behind is no engine");
}

#[test]
fn an_engine_that_answers_with_rubbish_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    fake(&socket, |_| Some("<html>".to_owned()));
    let mut engines = engines(folder.path(), &[&socket]);
    assert_eq!(
        block_on(engines.describe(&identity(None))),
        Description::from_identity(&identity(None))
    );
    assert_eq!(engines.notes().len(), 1);
}

#[test]
fn an_engine_that_says_too_much_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let large = "0".repeat(http::LARGEST);
    fake(&socket, move |path| {
        let event = format!("{{\"time\": {large}}}\n");
        match path {
            "/info" => Some("{}".to_owned()),
            path => version(path).or(Some(event)),
        }
    });
    let mut engines = engines(folder.path(), &[&socket]);
    engines.lookup = Duration::ZERO;
    let identity = identity(Some(EngineKind::Docker));
    block_on(async {
        engines.watch();
        while engines.notes().len() < 2 {
            assert_eq!(engines.describe(&identity).await, Description::from_identity(&identity));
        }
    });
    let mut notes = engines.notes();
    notes.sort();
    let why = "it sent an answer of more than 4 MiB. Names and images of";
    let path = socket.display();
    let ask = format!("cannot ask the container engine at {path}, which DOCKER_HOST names: {why}");
    let listen = format!("cannot listen to the container engine at {path}: {why}");
    assert!(notes[0].starts_with(&ask) && notes[1].starts_with(&listen), "{notes:?}");
}

#[test]
fn files_tell_what_no_engine_does() {
    let folder = tempfile::tempdir().unwrap();
    let storage = folder.path().join("var/lib/containers/storage/overlay-containers");
    fs::create_dir_all(&storage).unwrap();
    let list = format!(
        r#"[{{"id": "{ID}", "names": ["web"], "metadata": "{{\"image-name\": \"nginx:1\"}}"}}]"#
    );
    fs::write(storage.join("containers.json"), list).unwrap();
    let mut engines = engines(folder.path(), &[]);
    let found = block_on(engines.describe(&identity(Some(EngineKind::Podman))));
    assert_eq!((&*found.container.name, &*found.container.image), ("web", "nginx:1"));
    assert_eq!(found.container.engine, "podman");
    assert_eq!(found.sources, [storage.join("containers.json").display().to_string()]);
}

#[test]
fn without_a_source_the_task_names_the_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let mut engines = engines(folder.path(), &[]);
    let identity = Identity { runtime: Some("no-such-runtime"), ..identity(None) };
    let found = block_on(engines.describe(&identity));
    assert_eq!((&*found.container.id, &*found.container.runtime), (ID, "no-such-runtime"));
    assert_eq!(found.sources, Vec::<String>::new());
}

#[test]
fn what_a_poll_finds_is_cached() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("run/crun").join(ID);
    fs::create_dir_all(&state).unwrap();
    let config = r#"{"process": {"args": ["nginx"]}}"#;
    fs::write(state.join("config.json"), config).unwrap();
    fs::write(state.join("status"), format!(r#"{{"bundle": "{}"}}"#, state.display())).unwrap();
    let mut engines = engines(folder.path(), &[]);
    engines.poll(&identity(None));
    fs::remove_dir_all(&state).unwrap();
    assert_eq!(block_on(engines.describe(&identity(None))).command, ["nginx"]);
}

#[test]
fn sockets_are_those_that_the_environment_names_and_the_usual_ones() {
    let of = |set: &[(&str, &str)]| {
        let set: Vec<(String, OsString)> =
            set.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        sockets(|key| set.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone()))
    };
    let usual =
        [Ok(("/var/run/docker.sock".into(), None)), Ok(("/run/podman/podman.sock".into(), None))];
    assert_eq!(of(&[]), usual);
    let found = of(&[("DOCKER_HOST", "unix:///d.sock"), ("CONTAINER_HOST", "unix:/c.sock")]);
    assert_eq!(found[0], Ok(("/d.sock".into(), Some("DOCKER_HOST"))));
    assert_eq!(found[1], Ok(("/c.sock".into(), Some("CONTAINER_HOST"))));
    assert_eq!(found[2..], usual);
    let remote = of(&[("DOCKER_HOST", "tcp://10.0.0.1:2375")]);
    assert!(remote[0].as_ref().is_err_and(|note| note.contains("tcp://10.0.0.1:2375")));
    let sudo = of(&[("SUDO_UID", "1000")]);
    assert!(sudo.contains(&Ok(("/run/user/1000/podman/podman.sock".into(), None))));
}
