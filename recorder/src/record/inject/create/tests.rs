//! Requests, and what becomes of them.

use serde_json::{Value, json};

use super::*;

const TEXT: &str = r#"seccomp={"syscalls":[]}"#;

fn profile() -> Profile {
    Profile { text: r#"{"syscalls":[]}"#.into(), file: "/p.json".into() }
}

fn passed(query: &str, body: &str, dialect: Dialect, only: &[&str]) -> Result<Passed, String> {
    let only: Vec<Only> = only.iter().map(|only| only.parse().unwrap()).collect();
    give(query, body.as_bytes(), dialect, &profile(), &only).map_err(|error| error.to_string())
}

fn given(body: &str, dialect: Dialect) -> (Done, Value) {
    let passed = passed("", body, dialect, &[]).unwrap();
    (passed.done, serde_json::from_slice(&passed.body).unwrap())
}

fn refused(body: &str, dialect: Dialect) -> String {
    passed("", body, dialect, &[]).unwrap_err()
}

#[test]
fn a_container_without_a_profile_gets_it() {
    for (host, options) in [
        (json!(null), json!([TEXT])),
        (json!({"SecurityOpt": null}), json!([TEXT])),
        (json!({"SecurityOpt": ["seccomp=unconfined"]}), json!([TEXT])),
        (json!({"SecurityOpt": ["no-new-privileges"]}), json!(["no-new-privileges", TEXT])),
        (json!({"SecurityOpt": ["seccomp:unconfined", "label=x"]}), json!(["label=x", TEXT])),
    ] {
        let body = json!({"Image": "a", "HostConfig": host}).to_string();
        let (done, body) = given(&body, Dialect::Docker);
        assert_eq!((done, &body["HostConfig"]["SecurityOpt"]), (Done::Given, &options));
        assert_eq!(body["Image"], "a");
    }
    let (done, body) = given(r#"{"Image": "a"}"#, Dialect::Compatible);
    assert_eq!(done, Done::Given);
    assert_eq!(body["HostConfig"]["SecurityOpt"], json!(["seccomp=/p.json"]));
    let (done, body) = given(r#"{"image": "a"}"#, Dialect::Libpod);
    assert_eq!((done, &body["seccomp_profile_path"]), (Done::Given, &json!("/p.json")));
}

#[test]
fn one_of_its_own_stays() {
    for own in [r#"seccomp={"defaultAction":"SCMP_ACT_ERRNO"}"#, "seccomp:/own.json"] {
        let body = json!({"HostConfig": {"SecurityOpt": [own]}});
        assert_eq!(given(&body.to_string(), Dialect::Docker), (Done::HasItsOwn, body));
    }
    let older = r#"seccomp:{"defaultAction":"a=b"}"#;
    let body = json!({"HostConfig": {"SecurityOpt": [older]}});
    assert_eq!(given(&body.to_string(), Dialect::Docker).0, Done::HasItsOwn);
    for body in [
        json!({"seccomp_profile_path": "/own.json"}),
        json!({"seccomp_policy": "image"}),
        json!({"seccomp_policy": "image", "seccomp_profile_path": "unconfined"}),
    ] {
        assert_eq!(given(&body.to_string(), Dialect::Libpod), (Done::HasItsOwn, body));
    }
}

/// The last one counts, for Docker and podman alike.
#[test]
fn one_that_is_taken_back_is_none() {
    let body = json!({"HostConfig": {"SecurityOpt": ["seccomp=/own.json", "seccomp=unconfined"]}});
    let (done, body) = given(&body.to_string(), Dialect::Docker);
    assert_eq!((done, &body["HostConfig"]["SecurityOpt"]), (Done::Given, &json!([TEXT])));
}

#[test]
fn each_field_comes_once_in_its_own_spelling() {
    for body in [
        r#"{"hostconfig": {"securityOpt": ["seccomp=unconfined"]}}"#,
        r#"{"HostConfig": {}, "hostconfig": {"SecurityOpt": ["seccomp=unconfined"]}}"#,
        r#"{"HostConfig": {"SecurityOpt": []}, "HostConfig": {"securityopt": ["seccomp=unconfined"]}}"#,
        r#"{"HostConfig": {"SecurityOpt": ["seccomp=/own"], "ſecurityOpt": ["seccomp=unconfined"]}}"#,
        r#"{"HoſtConfig": {"SecurityOpt": ["seccomp=/own"], "SECURITYOPT": null}}"#,
        r#"{"\u0048ostConfig": {"Security\u004fpt": []}, "HostConfig": {}}"#,
    ] {
        for dialect in [Dialect::Docker, Dialect::Compatible] {
            let (done, value) = given(body, dialect);
            assert_eq!(done, Done::Given, "{body}");
            let text = value.to_string();
            assert_eq!(text.to_lowercase().matches("securityopt").count(), 1, "{text}");
            assert_eq!(text.to_lowercase().matches("hostconfig").count(), 1, "{text}");
            let options = value["HostConfig"]["SecurityOpt"].as_array().unwrap();
            assert_eq!(options.len(), 1, "{text}");
        }
    }
    let body = r#"{"Seccomp_Profile_Path": "/own", "seccomp_profile_path": "unconfined"}"#;
    let (done, body) = given(body, Dialect::Libpod);
    assert_eq!((done, body), (Done::Given, json!({"seccomp_profile_path": "/p.json"})));
}

#[test]
fn other_fields_stay_as_they_were() {
    let body = r#"{"Cmd":["a"],"HostConfig":{"Binds":["/a:/b"],"Memory":9223372036854775807},
        "Env":null,"hostconfig":{"memory":1,"Binds":null}}"#;
    let passed = passed("", body, Dialect::Docker, &[]).unwrap();
    let expected = r#"{"Cmd":["a"],"HostConfig":{"Binds":["/a:/b"],"Memory":9223372036854775807,"#
        .to_owned()
        + r#""memory":1,"Binds":null,"SecurityOpt":["seccomp={\"syscalls\":[]}"]},"Env":null}"#;
    assert_eq!(String::from_utf8(passed.body).unwrap(), expected);
}

#[test]
fn what_has_no_one_meaning_is_refused() {
    for (body, texts) in [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("{} {}", "not JSON"),
        ("\u{feff}{}", "not JSON"),
        (r#"{"a": "\ud800"}"#, "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        (r#"{"HostConfig": 1}"#, "`HostConfig` is not an object"),
        (r#"{"HostConfig": {}, "hostconfig": null}"#, "`HostConfig` is both"),
        (r#"{"HostConfig": {"SecurityOpt": 1}}"#, "`SecurityOpt` is not a list"),
        (r#"{"HostConfig": {"SecurityOpt": [null]}}"#, "`SecurityOpt` has an item"),
        (r#"{"SecurityOpt": ["seccomp=unconfined"]}"#, "`SecurityOpt` is not in `HostConfig`"),
        (r#"{"HostConfig": null, "binds": ["/:/host"]}"#, "`binds` is not in `HostConfig`"),
        (r#"{"Image": {}}"#, "`Image` is not a string"),
    ] {
        let error = refused(body, Dialect::Docker);
        assert!(error.contains(texts), "{body}: {error}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(refused(&deep, Dialect::Docker).contains("not JSON"));
    for body in [r#"{"seccomp_profile_path": 1}"#, r#"{"seccomp_policy": ["image"]}"#] {
        assert!(refused(body, Dialect::Libpod).contains("is not a string"), "{body}");
    }
    for (query, texts) in [("name=a&name=b", "several times"), ("name=%", "query")] {
        let error = passed(query, "{}", Dialect::Docker, &[]).unwrap_err();
        assert!(error.contains(texts), "{query}: {error}");
    }
}

/// Clients send what they do not use, too (docker-py's `Runtime`).
#[test]
fn void_fields_of_the_host_are_no_settings() {
    let body = r#"{"Image": "a", "HostConfig": null, "Runtime": null, "Memory": 0, "Binds": []}"#;
    assert_eq!(given(body, Dialect::Docker).0, Done::Given);
    let body = r#"{"Image": "a", "HostConfig": {}, "Memory": 4194304}"#;
    assert_eq!(given(body, Dialect::Docker).0, Done::Given);
}

#[test]
fn only_those_that_are_chosen_get_it() {
    let body = r#"{"Image": "shop/web:2", "Labels": {"tier": "front",
        "com.docker.compose.service": "web"}}"#;
    let done = |query: &str, dialect, only: &[&str]| {
        let passed = passed(query, body, dialect, only).unwrap();
        (passed.done, serde_json::from_slice::<Value>(&passed.body).unwrap())
    };
    for only in ["shop-web-1", "web", "image=shop/web", "label=tier=front", "label=tier"] {
        let (done, _) = done("name=shop-web-1", Dialect::Docker, &["other", only]);
        assert_eq!(done, Done::Given, "{only}");
    }
    for only in ["shop", "image=shop/web:1", "label=tier=back", "container"] {
        let (done, after) = done("name=shop-web-1", Dialect::Docker, &[only]);
        assert_eq!((done, after), (Done::NotChosen, serde_json::from_str(body).unwrap()), "{only}");
    }
    let libpod = r#"{"name": "web", "image": "a"}"#;
    assert_eq!(passed("name=x", libpod, Dialect::Libpod, &["web"]).unwrap().done, Done::Given);
    assert_eq!(passed("name=web", "{}", Dialect::Libpod, &["web"]).unwrap().done, Done::NotChosen);
}

#[test]
fn a_container_is_called_by_its_name_or_image() {
    let name = |query: &str, body: &str| passed(query, body, Dialect::Docker, &[]).unwrap().name;
    assert_eq!(name("name=%2Fweb", "{}"), "web");
    assert_eq!(name("", r#"{"image": "a"}"#), "a");
    assert_eq!(name("name=", "{}"), "a container");
}
