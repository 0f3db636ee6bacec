//! Names of containers, and of the files with their recordings.

use std::collections::BTreeMap;

use super::Identity;
use strait_generator::recording::Container;
use strait_generator::recording::target::label;

/// Labels that say which of an application's services it is, best first.
const SERVICES: [&str; 3] = [label::SERVICE, label::SWARM_SERVICE, label::CONTAINER];

/// The longest name: with `.recording.json` and a number it stays below the 255 bytes of a file name.
const MAX: usize = 100;

/// What people call a container: the service of its application, its name, or the beginning of its
/// id; fit for a file name.
pub fn display_name(container: &Container, identity: &Identity) -> String {
    let service = SERVICES.iter().find_map(|label| container.labels.get(*label));
    let candidates = [
        service.map(String::as_str).unwrap_or_default(),
        without_project(container),
        short(&container.id),
        short(&identity.id),
    ];
    candidates
        .into_iter()
        .map(sanitize)
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "container".to_owned())
}

/// Begins the name of what only looks like a container. No container's own name has an `@` in it, since
/// [`display_name`] leaves none.
pub const UNCONFIRMED: &str = "unconfirmed@";

/// What is called a container of which nothing can be believed but the number of its first process.
pub fn unconfirmed_name(identity: &Identity) -> String {
    format!("{UNCONFIRMED}pid-{}", identity.pid)
}

/// `web` for compose's `shop-web-1` or `shop_web_1` in project `shop`.
fn without_project(container: &Container) -> &str {
    let name = container.name.trim_start_matches('/');
    let Some(project) = container.labels.get(label::PROJECT) else { return name };
    let Some(rest) = name.strip_prefix(project.as_str()) else { return name };
    let Some(service) = rest.strip_prefix(['-', '_']) else { return name };
    match service.rsplit_once(['-', '_']) {
        Some((service, index))
            if !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            service
        }
        _ => service,
    }
}

/// As engines print ids: 12 digits.
fn short(id: &str) -> &str {
    if id.len() >= 25 && id.is_ascii() { &id[..12] } else { id }
}

/// A name fit for a file; empty if nothing of it is.
pub fn sanitize(name: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = name.chars().map(|c| if safe(c) { c } else { '-' }).take(MAX).collect();
    // Neither hidden nor like an option.
    name.trim_start_matches(['.', '-']).trim_end_matches('-').to_owned()
}

/// The file of the `nth` recording of a name, from 1: `web.recording.json`, `web-2.recording.json`.
pub fn file_name(name: &str, nth: usize) -> String {
    if nth <= 1 { format!("{name}.recording.json") } else { format!("{name}-{nth}.recording.json") }
}

/// Gives a file to each recording, and no file to two: a container may well be called `web-2`.
#[derive(Debug, Default)]
pub struct FileNames {
    used: std::collections::BTreeSet<String>,
    last: BTreeMap<String, usize>,
}

impl FileNames {
    /// The file for the next recording of this name; the same for the same names in the same order.
    pub fn next(&mut self, name: &str) -> String {
        let nth = self.last.entry(name.to_owned()).or_default();
        loop {
            *nth += 1;
            let file = file_name(name, *nth);
            if self.used.insert(file.clone()) {
                return file;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1a99aac7137e288591966ac26dc38d18ab503db514a19088ddd9eb8b4fdb3be3";

    fn name(name: &str, labels: &[(&str, &str)]) -> String {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let container = Container { name: name.to_owned(), labels, ..Container::default() };
        let identity =
            Identity { id: ID.to_owned(), engine: None, runtime: None, pid: 1, owner: 0, began: 0 };
        display_name(&container, &identity)
    }

    #[test]
    fn the_service_is_best() {
        let labels = [("com.docker.compose.service", "web"), (label::PROJECT, "shop")];
        assert_eq!(name("/shop-web-1", &labels), "web");
        assert_eq!(name("/k8s_web_shop-1_prod_1_0", &[(SERVICES[2], "web")]), "web");
        assert_eq!(name("shop_web.1.x3d", &[(SERVICES[1], "shop_web")]), "shop_web");
    }

    #[test]
    fn then_the_name() {
        assert_eq!(name("/web", &[]), "web");
        assert_eq!(name("shop-web-1", &[]), "shop-web-1");
        for given in ["shop-web-1", "shop_web_12", "/shop-web-1", "shop-web"] {
            assert_eq!(name(given, &[(label::PROJECT, "shop")]), "web", "{given}");
        }
        assert_eq!(name("my-web", &[(label::PROJECT, "shop")]), "my-web");
        assert_eq!(name("shop", &[(label::PROJECT, "shop")]), "shop");
    }

    #[test]
    fn then_the_id() {
        assert_eq!(name("", &[]), "1a99aac7137e");
        let identity = Identity {
            id: "my-own-id-for-it".into(),
            engine: None,
            runtime: None,
            pid: 1,
            owner: 0,
            began: 0,
        };
        assert_eq!(display_name(&Container::default(), &identity), "my-own-id-for-it");
        let identity = Identity { id: "..".into(), ..identity };
        assert_eq!(display_name(&Container::default(), &identity), "container");
    }

    #[test]
    fn a_name_is_fit_for_a_file() {
        assert_eq!(name("/../../etc/passwd", &[]), "etc-passwd");
        assert_eq!(name(".hidden", &[]), "hidden");
        assert_eq!(name("-o", &[]), "o");
        assert_eq!(name("ü b\n", &[]), "b");
        assert_eq!(name(&"x".repeat(300), &[]).len(), MAX);
        assert_eq!(name("///", &[]), "1a99aac7137e");
    }

    #[test]
    fn replicas_and_restarts_have_files_of_their_own() {
        assert_eq!(file_name("web", 1), "web.recording.json");
        assert_eq!(file_name("web", 3), "web-3.recording.json");
        let mut files = FileNames::default();
        let given: Vec<_> =
            ["web", "web-2", "web", "db", "web"].map(|name| files.next(name)).into();
        assert_eq!(
            given,
            [
                "web.recording.json",
                "web-2.recording.json",
                "web-3.recording.json",
                "db.recording.json",
                "web-4.recording.json"
            ]
        );
    }
}
