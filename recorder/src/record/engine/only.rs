//! Which containers are wanted: `--only`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use strait_generator::recording::Container;
use strait_generator::recording::image::{familiar, split};
use strait_generator::recording::target::{Place, pod};
use strait_generator::untrusted::one_line;

/// A choice among containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Only {
    /// By service, container name, id, or at least the first 12 digits of an id.
    Name(String),
    /// By where it runs.
    Path {
        /// Kubernetes: the namespace; compose: the project; Swarm: the stack.
        namespace: String,
        /// Kubernetes: the pod, with or without what its controller added to the name.
        workload: Option<String>,
        /// The container; compose and Swarm: the service.
        container: String,
    },
    /// By image; without a tag or digest, whatever they are.
    Image(String),
    /// By a label that it has, or that has this value.
    Label(String, Option<String>),
}

/// What is wrong with an `--only`.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OnlyError {
    /// Nothing chosen.
    #[error("`{0}` selects nothing; write NAME, image=NAME[:TAG] or label=KEY[=VALUE]")]
    Empty(String),
    /// A path that is none.
    #[error(
        "`{0}` is not the path of a container; write NAMESPACE/POD/CONTAINER, or PROJECT/SERVICE for compose"
    )]
    Path(String),
    /// A key that is none.
    #[error(
        "a container cannot be selected by `{0}`; write NAME, image=NAME[:TAG] or label=KEY[=VALUE]"
    )]
    Key(String),
}

impl FromStr for Only {
    type Err = OnlyError;

    fn from_str(text: &str) -> Result<Self, OnlyError> {
        let empty = || OnlyError::Empty(text.to_owned());
        let given = |value: &str| match value.trim() {
            "" => Err(empty()),
            value => Ok(value.to_owned()),
        };
        match text.split_once('=') {
            None => Self::of_name(given(text)?.trim_start_matches('/'), text),
            Some(("name", value)) => Self::of_name(given(value)?.trim_start_matches('/'), text),
            Some(("image", value)) => Ok(Self::Image(given(value)?)),
            Some(("label", value)) => match value.split_once('=') {
                None => Ok(Self::Label(given(value)?, None)),
                Some((key, value)) => Ok(Self::Label(given(key)?, Some(value.to_owned()))),
            },
            Some((key, _)) => Err(OnlyError::Key(key.to_owned())),
        }
    }
}

impl fmt::Display for Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Path { namespace, workload: None, container } => {
                write!(f, "{namespace}/{container}")
            }
            Self::Path { namespace, workload: Some(workload), container } => {
                write!(f, "{namespace}/{workload}/{container}")
            }
            Self::Image(image) => write!(f, "image={image}"),
            Self::Label(key, None) => write!(f, "label={key}"),
            Self::Label(key, Some(value)) => write!(f, "label={key}={value}"),
        }
    }
}

impl Only {
    /// A name, or a path if there is a slash in it.
    fn of_name(name: &str, text: &str) -> Result<Self, OnlyError> {
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() > 1 && parts.iter().any(|part| part.trim().is_empty()) {
            return Err(OnlyError::Path(text.to_owned()));
        }
        let path = |namespace: &str, workload: Option<&str>, container: &str| Self::Path {
            namespace: namespace.to_owned(),
            workload: workload.map(str::to_owned),
            container: container.to_owned(),
        };
        match parts.as_slice() {
            [""] => Err(OnlyError::Empty(text.to_owned())),
            [name] => Ok(Self::Name((*name).to_owned())),
            [namespace, container] => Ok(path(namespace, None, container)),
            [namespace, workload, container] => Ok(path(namespace, Some(workload), container)),
            _ => Err(OnlyError::Path(text.to_owned())),
        }
    }

    /// Whether it chooses a container, which is called `name`
    /// ([`display_name`](super::display_name)).
    pub fn matches(&self, container: &Container, name: &str) -> bool {
        match self {
            Self::Name(wanted) => {
                wanted == name
                    || *wanted == container.name
                    || *wanted == container.id
                    || wanted.len() >= 12 && container.id.starts_with(wanted.as_str())
            }
            Self::Path { namespace, workload, container: wanted } => {
                let place = Place::from_container(container);
                let is_workload =
                    |wanted: &String| *wanted == place.workload || *wanted == pod(container);
                // `path()` of a place without a namespace begins with its workload.
                let in_two = workload.is_none()
                    && place.namespace.is_empty()
                    && *namespace == place.workload
                    && !place.workload.is_empty();
                (*namespace == place.namespace && workload.as_ref().is_none_or(is_workload)
                    || in_two)
                    && *wanted == place.container
            }
            Self::Image(wanted) => match wanted.split_once('@') {
                Some((wanted, digest)) => {
                    is_image(wanted, &container.image)
                        && (container.image_digest == digest || container.image.ends_with(digest))
                }
                None => is_image(wanted, &container.image),
            },
            Self::Label(key, value) => container
                .labels
                .get(key)
                .is_some_and(|found| value.as_ref().is_none_or(|value| value == found)),
        }
    }
}

/// Whether `image` is the one that is asked for as `wanted`: both may leave out the registry that is
/// meant if there is none, and `wanted` may leave out tag and digest.
fn is_image(wanted: &str, image: &str) -> bool {
    let (wanted, image) = (familiar(wanted), familiar(image));
    if image.is_empty() {
        return false;
    }
    let (repository, tag) = split(image);
    let (wanted_repository, wanted_tag) = split(wanted);
    // With a tag and a digest the tag has no meaning, and is what people know it by.
    wanted == image
        || wanted_repository == repository
            && (wanted_tag.is_none() || wanted_tag == tag.or(Some("latest")))
}

/// A choice that chose containers of several places.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "--only {only} is ambiguous: it chose {}. Say which: --only {first}",
    candidates.join(", "),
    first = candidates.first().map_or("", String::as_str)
)]
pub struct Ambiguous {
    /// As it was written.
    pub only: String,
    /// What it chose, each as `--only` takes it.
    pub candidates: Vec<String>,
}

/// Refuses a name that chose containers of different namespaces, projects or workloads. Replicas and releases of
/// one are no matter; an image or a label is expected to choose several.
///
/// # Errors
///
/// [`Ambiguous`] lists what it chose.
pub fn unambiguous<'a>(
    only: &[Only],
    chosen: impl IntoIterator<Item = (&'a Container, &'a str)> + Clone,
) -> Result<(), Ambiguous> {
    for choice in only.iter().filter(|only| matches!(only, Only::Name(_) | Only::Path { .. })) {
        let containers = chosen.clone().into_iter();
        let places: BTreeSet<Place> = containers
            .filter(|(container, name)| choice.matches(container, name))
            .map(|(container, _)| Place::from_container(container))
            .filter(|place| !place.namespace.is_empty() || !place.workload.is_empty())
            .collect();
        if places.len() > 1 {
            let paths: BTreeSet<String> = places.iter().map(Place::path).collect();
            return Err(Ambiguous {
                only: one_line(&choice.to_string()),
                candidates: paths.iter().map(|path| one_line(path)).collect(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1a99aac7137e288591966ac26dc38d18ab503db514a19088ddd9eb8b4fdb3be3";

    fn container() -> Container {
        Container {
            id: ID.into(),
            name: "shop-web-1".into(),
            image: "nginx:1.27".into(),
            image_digest: "sha256:1d".into(),
            labels: [("tier".to_owned(), "front".to_owned())].into(),
            ..Container::default()
        }
    }

    fn chosen(only: &str) -> bool {
        only.parse::<Only>().unwrap().matches(&container(), "web")
    }

    #[test]
    fn by_name() {
        for only in ["web", "name=web", "shop-web-1", "/shop-web-1", ID, &ID[..12], &ID[..20]] {
            assert!(chosen(only), "{only}");
        }
        for only in ["we", "shop", &ID[..11], "1a99"] {
            assert!(!chosen(only), "{only}");
        }
    }

    #[test]
    fn by_image() {
        for only in ["nginx", "nginx:1.27", "docker.io/library/nginx", "library/nginx:1.27"] {
            assert!(chosen(&format!("image={only}")), "{only}");
        }
        for only in ["nginx@sha256:1d", "nginx:1.27@sha256:1d"] {
            assert!(chosen(&format!("image={only}")), "{only}");
        }
        for only in ["nginx:1.26", "ngin", "other/nginx", "nginx@sha256:ab", "a@sha256:1d"] {
            assert!(!chosen(&format!("image={only}")), "{only}");
        }
        assert!(is_image("nginx:latest", "nginx"));
        assert!(is_image("reg:5000/a/b", "reg:5000/a/b:2"));
        assert!(is_image("bb", "localhost/bb:1"));
        assert!(is_image("nginx", "docker.io/library/nginx@sha256:ab"));
        assert!(!is_image("reg:5000/a/b:1", "reg:5000/a/b:2"));
        assert!(!is_image("nginx", ""));
    }

    #[test]
    fn by_label() {
        assert!(chosen("label=tier"));
        assert!(chosen("label=tier=front"));
        assert!(!chosen("label=tier=back"));
        assert!(!chosen("label=tie"));
    }

    #[test]
    fn what_chooses_nothing_is_refused() {
        for text in ["", "  ", "image=", "label=", "label==x", "name="] {
            assert_eq!(text.parse::<Only>(), Err(OnlyError::Empty(text.to_owned())), "{text}");
        }
        let error = "images=nginx".parse::<Only>().unwrap_err();
        assert!(error.to_string().contains("image=NAME"), "{error}");
    }

    fn labelled(labels: &[(&str, &str)]) -> Container {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Container { labels, ..container() }
    }

    fn in_pod(namespace: &str, pod: &str) -> Container {
        labelled(&[
            ("io.kubernetes.pod.namespace", namespace),
            ("io.kubernetes.pod.name", pod),
            ("io.kubernetes.container.name", "web"),
        ])
    }

    fn service(project: &str) -> Container {
        labelled(&[("com.docker.compose.project", project), ("com.docker.compose.service", "web")])
    }

    #[test]
    fn by_path() {
        let chosen = |only: &str, of: &Container| only.parse::<Only>().unwrap().matches(of, "web");
        let shop = in_pod("shop", "front-6d5f7c9b8d-x7k2p");
        for only in
            ["shop/web", "shop/front/web", "shop/front-6d5f7c9b8d-x7k2p/web", "name=shop/front/web"]
        {
            assert!(chosen(only, &shop), "{only}");
            assert!(!chosen(only, &in_pod("blog", "front-6d5f7c9b8d-x7k2p")), "{only}");
        }
        for only in ["shop/front", "front/web", "shop/back/web", "web/web"] {
            assert!(!chosen(only, &shop), "{only}");
        }
        assert!(chosen("shop/web", &service("shop")) && !chosen("shop/web", &service("blog")));
        for wrong in ["a//b", "a/", "a/b/c/d", "name=a/b/"] {
            let error = wrong.parse::<Only>().unwrap_err();
            assert_eq!(error, OnlyError::Path(wrong.to_owned()), "{wrong}");
        }
    }

    #[test]
    fn a_name_in_two_namespaces_is_ambiguous() {
        let ask = |only: &str, containers: &[&Container]| {
            let chosen = containers.iter().map(|container| (*container, "web")).collect::<Vec<_>>();
            unambiguous(&[only.parse().unwrap()], chosen)
        };
        let (shop, blog) = (in_pod("shop", "web-0"), in_pod("blog", "web-0"));
        let error = ask("web", &[&shop, &blog]).unwrap_err();
        assert_eq!(error.candidates, ["blog/web", "shop/web"]);
        assert!(error.to_string().contains("--only blog/web"), "{error}");
        for candidate in error.candidates {
            ask(&candidate, &[&shop, &blog]).unwrap();
        }
        // Replicas, releases and what was asked for by what several have in common.
        ask("web", &[&shop, &in_pod("shop", "web-1")]).unwrap();
        ask("image=nginx", &[&shop, &blog]).unwrap();
        ask("web", &[&container(), &container()]).unwrap();
        assert!(ask("web", &[&service("shop"), &service("blog")]).is_err());
        let (one, other) = (in_pod("shop", "front-0"), in_pod("shop", "back-0"));
        let error = ask("shop/web", &[&one, &other]).unwrap_err();
        assert_eq!(error.candidates, ["shop/back/web", "shop/front/web"]);
    }

    #[test]
    fn it_is_printed_as_it_was_written() {
        for text in [
            "shop/web",
            "shop/front/web",
            "web",
            "image=nginx:1.27",
            "label=tier",
            "label=tier=front",
        ] {
            assert_eq!(text.parse::<Only>().unwrap().to_string(), text);
        }
    }
}
