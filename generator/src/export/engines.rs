//! Command lines of docker and podman, and a quadlet unit.

use super::row::Row;
use super::{Exported, File, Named, Options};

pub(super) const DOCKER: Row = Row {
    name: "docker",
    help: "A command line of docker",
    export: |_, options, named| Ok(docker(options, named)),
    ..Row::PLAIN
};

pub(super) const PODMAN: Row = Row {
    name: "podman",
    help: "A command line of podman; with --image a quadlet unit",
    export: |_, options, named| Ok(podman(options, named)),
    ..Row::PLAIN
};

/// Where the quadlet unit expects the profile.
const FOLDER: &str = "/etc/containers/seccomp";

fn command(engine: &str, options: &Options, named: &Named) -> String {
    let image = options.image.as_ref().map_or_else(|| "IMAGE".to_owned(), ToString::to_string);
    format!("{engine} run --security-opt seccomp={} {image}\n", named.path())
}

fn relative(named: &Named) -> String {
    format!(
        "the path is relative to where you are: the profile has to be there as {}",
        named.path()
    )
}

fn docker(options: &Options, named: &Named) -> Exported {
    Exported {
        files: vec![File::text("docker-run.txt", command("docker", options, named)), named.file()],
        warnings: Vec::new(),
        notes: vec![
            relative(named),
            "Docker before 23 ignores the default errno (moby pull request 42604): there a call that the \
             profile does not name gets EPERM"
                .to_owned(),
        ],
    }
}

fn podman(options: &Options, named: &Named) -> Exported {
    let mut files = vec![File::text("podman-run.txt", command("podman", options, named))];
    let mut notes = vec![relative(named)];
    match &options.image {
        Some(image) => {
            let (name, path) = (&options.name, named.path());
            files.push(File::text(
                format!("{name}.container"),
                format!(
                    "[Unit]\nDescription={name} under its seccomp profile\n\n[Container]\nImage={image}\n\
                     SeccompProfile={FOLDER}/{path}\n\n[Install]\nWantedBy=multi-user.target default.target\n"
                ),
            ));
            notes.push(format!(
                "the unit goes into /etc/containers/systemd (podman 4.4 or newer), and the profile is \
                 expected as {FOLDER}/{path}"
            ));
        }
        None => notes.push("with --image there is a quadlet unit too".to_owned()),
    }
    files.push(named.file());
    Exported { files, warnings: Vec::new(), notes }
}
