use proptest::prelude::*;

use super::*;
use crate::recording::example;

fn labelled(labels: &[(&str, &str)]) -> Container {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Container {
        id: "1a99aac7137e288591966ac26dc38d18ab503db514a19088ddd9eb8b4fdb3be3".into(),
        engine: "docker".into(),
        name: "/web".into(),
        image: "shop/web:1".into(),
        labels: labels.collect(),
        ..Container::default()
    }
}

fn id(container: Container) -> TargetId {
    let kind = TargetKind::Container(Box::new(container));
    TargetId::from_target(&Target { kind, ..example::recording(&[]).target })
}

fn command(name: &str, program: &str) -> TargetId {
    let target = example::recording(&[]).target;
    TargetId::from_target(&Target { name: name.into(), command: vec![program.into()], ..target })
}

fn pod(namespace: &str, pod: &str, container: &str) -> Container {
    labelled(&[(label::NAMESPACE, namespace), (label::POD, pod), (label::CONTAINER, container)])
}

#[test]
fn releases_replicas_and_restarts_are_one_target() {
    let web = id(labelled(&[]));
    for image in ["shop/web:2", "docker.io/shop/web@sha256:ab", "shop/web"] {
        assert_eq!(id(Container { image: image.into(), ..labelled(&[]) }), web, "{image}");
    }
    for name in ["web", "/web-2", "web_17"] {
        assert_eq!(id(Container { name: name.into(), ..labelled(&[]) }), web, "{name}");
    }
    let replica = |pod_name: &str| id(pod("shop", pod_name, "web"));
    for pods in [
        ["front-6d5f7c9b8d-x7k2p", "front-7f8c9d5b64-2wqzt"],
        ["front-0", "front-12"],
        ["front-x7k2p", "front-bcdfg"],
        ["front-29381760-x7k2p", "front-29381765-bcdfg"],
    ] {
        assert_eq!(replica(pods[0]), replica(pods[1]), "{pods:?}");
        assert_eq!(replica(pods[0]).place().unwrap().workload, "front", "{pods:?}");
    }
}

#[test]
fn whatever_tells_two_services_apart_makes_two_targets() {
    let compose = |project: &str, service: &str| {
        id(labelled(&[(label::PROJECT, project), (label::SERVICE, service)]))
    };
    let all = [
        id(labelled(&[])),
        id(Container { name: "db".into(), ..labelled(&[]) }),
        id(Container { image: "shop/db:1".into(), ..labelled(&[]) }),
        id(Container { engine: "podman".into(), ..labelled(&[]) }),
        id(pod("shop", "front-0", "web")),
        id(pod("blog", "front-0", "web")),
        id(pod("shop", "back-0", "web")),
        id(pod("shop", "front-0", "exporter")),
        compose("shop", "web"),
        compose("blog", "web"),
        compose("shop", "db"),
        command("web", "nginx"),
        command("nginx", "/usr/sbin/nginx"),
    ];
    let different: BTreeSet<&TargetId> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "{all:#?}");
}

#[test]
fn a_name_that_an_engine_made_up_says_nothing() {
    for names in [["eager_turing", "boring_wozniak3"], ["web-1a99a", "1a99aac7137e"]] {
        let [one, other] = names.map(|name| id(Container { name: name.into(), ..labelled(&[]) }));
        assert_eq!(one, other, "{names:?}");
        assert!(one.to_string().contains("shop/web"), "{one}");
    }
}

#[test]
fn words_are_not_taken_for_what_a_controller_adds() {
    for name in ["front-proxy", "front-cache", "kube-proxy", "front-", "-0", "front"] {
        assert_eq!(without_controller(name), name);
    }
}

#[test]
fn commands_are_one_target_unless_they_are_named() {
    assert_eq!(command("pytest", "/usr/bin/pytest"), command("cargo", "cargo"));
    assert_ne!(command("api", "pytest"), command("cargo", "cargo"));
    assert_eq!(command("api", "pytest"), command("api", "cargo"));
}

#[test]
fn what_only_looks_like_a_container_is_identified_by_its_process() {
    let unknown = |name: &str| {
        let container = Container { unconfirmed: true, ..Container::default() };
        let kind = TargetKind::Container(Box::new(container));
        TargetId::from_target(&Target { kind, name: name.into(), ..example::recording(&[]).target })
    };
    assert_ne!(unknown("unconfirmed@pid-1"), unknown("unconfirmed@pid-2"));
}

#[test]
fn files_have_different_names() {
    let named = |targets: &[TargetId]| {
        let sets: Vec<TargetIds> = targets.iter().map(|one| [one.clone()].into()).collect();
        file_names(&sets.iter().collect::<Vec<_>>())
    };
    let (shop, blog) = (id(pod("shop", "front-0", "web")), id(pod("blog", "front-0", "web")));
    let db = id(Container { name: "db".into(), ..labelled(&[]) });
    assert_eq!(named(&[shop.clone(), db.clone()]), ["web", "db"]);
    assert_eq!(named(&[shop.clone(), blog, db]), ["shop-web", "blog-web", "db"]);
    let back = id(pod("shop", "back-0", "web"));
    assert_eq!(named(&[shop, back]), ["shop-front-web", "shop-back-web"]);
    let hostile = id(Container { name: "/../../etc/x y".into(), ..labelled(&[]) });
    assert_eq!(named(&[hostile]), ["etc-x-y"]);
}

fn any_target() -> impl Strategy<Value = TargetId> {
    let pick = |values: &'static [&'static str]| prop::sample::select(values);
    let labels = (pick(&["shop", "blog", ""]), pick(&["front-0", "front-1", "back-x7k2p"]));
    let own =
        (pick(&["web", "web-2", "db", "eager_turing"]), pick(&["web:1", "web:2", "db@sha256:a"]));
    (labels, own, 0..4_u8, pick(&["docker", "podman"])).prop_map(
        |((space, inside), (name, image), kind, engine)| {
            let own = Container {
                engine: engine.into(),
                name: name.into(),
                image: image.into(),
                ..match kind {
                    0 => pod(space, inside, name),
                    1 => labelled(&[(label::PROJECT, space), (label::SERVICE, name)]),
                    _ => labelled(&[]),
                }
            };
            if kind == 3 { command(name, image) } else { id(own) }
        },
    )
}

proptest! {
    /// Each is in one group, with all that are its equals and nothing else, whatever the order.
    #[test]
    fn grouping_is_a_partition_that_no_order_changes(
        targets in prop::collection::vec(any_target(), 0..12),
        order in any::<u64>(),
    ) {
        let items: Vec<(usize, TargetIds)> =
            targets.iter().cloned().map(|one| TargetIds::from([one])).enumerate().collect();
        let groups = grouped(items.clone(), |(_, targets)| targets.clone());
        let mut all: Vec<usize> = groups.values().flatten().map(|(nth, _)| *nth).collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..targets.len()).collect::<Vec<_>>());
        for (key, members) in &groups {
            prop_assert!(!members.is_empty() && members.iter().all(|(_, own)| own == key));
        }
        let mut shuffled = items;
        shuffled.sort_by_key(|(nth, _)| (*nth as u64 + 1).wrapping_mul(order | 1).rotate_left(17));
        let mut again = grouped(shuffled, |(_, targets)| targets.clone());
        again.values_mut().for_each(|members| members.sort());
        prop_assert_eq!(&again, &groups);
        let names = file_names(&groups.keys().collect::<Vec<_>>());
        let different: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
        prop_assert_eq!(different.len(), groups.len(), "{:?}", names);
        prop_assert!(names.iter().all(|name| !name.contains('/') && !name.starts_with(['.', '-'])));
    }
}
