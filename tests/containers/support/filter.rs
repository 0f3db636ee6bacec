//! The filter that a process is really under, read back from the kernel.

use std::sync::OnceLock;

use strait_generator::policy::decide::Meaning;

use super::{Engine, image};

/// What the filters of this process do.
pub fn read(pid: i32) -> Meaning {
    let inspected = strait_recorder::inspect::read(pid).unwrap_or_else(|error| panic!("{error}"));
    inspected.meaning().unwrap_or_else(|error| panic!("{error}"))
}

/// The default filter of this machine's Docker, from a container that is under it.
pub fn docker_default() -> &'static Meaning {
    static DEFAULT: OnceLock<Meaning> = OnceLock::new();
    DEFAULT.get_or_init(|| {
        let options = Engine::docker().container("docker-default");
        read(options.start(image::SMALL, &["/bin/pause"]).pid())
    })
}
