//! Keys without a value: what an edit puts there ends where the mapping around it ends too.

use super::apply::{Applied, Level, Options, apply};
use super::assign::{Candidate, Profiles, Used};
use super::*;

fn applied(text: &str, options: Options) -> Result<Applied, ManifestError> {
    let names = vec!["web".to_owned()];
    let candidate = Candidate { file: "web.json".into(), names, localhost: "web.json".into() };
    let profiles = Profiles { candidates: vec![candidate], mappings: Vec::new() };
    apply(&Manifest::parse(text)?, &profiles, options, &mut Used::default())
}

fn options() -> impl Iterator<Item = Options> {
    let levels = [Level::Container, Level::Pod];
    levels.into_iter().flat_map(|level| {
        [true, false].map(|no_escalation| Options { level, no_escalation, fix: true })
    })
}

/// The edit is made, and a second one has nothing to do.
fn is_edited(text: &str) {
    for options in options() {
        let once = applied(text, options).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let again = applied(&once.edited.text, options).unwrap();
        assert_eq!(again.edited.splices, [], "{}", once.edited.text);
        if text.contains("\r\n") {
            let bare = once.edited.text.replace("\r\n", "").contains('\n');
            assert!(!bare, "{:?}", once.edited.text);
        }
    }
}

const HEAD: &str = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: web\n";
const NULLS: [&str; 7] = ["", " ", " null", " ~", " # why", " null  # why", " Null"];
const TAILS: [&str; 6] = ["", "\n", "\n# end", "\n      # end\n", "\n---\na: 1\n", "\n\n\n...\n"];

#[test]
fn a_last_key_without_a_value_gets_one() {
    let contexts = [
        "    securityContext:NULL",
        "    securityContext:\n      seccompProfile:NULL",
        "    securityContext:\n      allowPrivilegeEscalation:NULL",
        "    securityContext:\n      seccompProfile:\n        type:NULL",
        "    securityContext:\n      seccompProfile:\n        localhostProfile:NULL",
        "    securityContext:\n      seccompProfile:\n        type: Localhost\n        localhostProfile:NULL",
        "    securityContext:\n      allowPrivilegeEscalation:NULL\n      seccompProfile:NULL",
        "    securityContext:NULL\n  securityContext:NULL",
        "    image: web\n  securityContext:\n    seccompProfile:NULL",
    ];
    for context in contexts {
        for null in NULLS {
            for tail in TAILS {
                let text = format!("{HEAD}{}{tail}", context.replace("NULL", null));
                is_edited(&text);
                is_edited(&text.replace('\n', "\r\n"));
            }
        }
    }
}

#[test]
fn a_last_key_without_a_value_gets_one_in_flow_style() {
    let contexts = [
        "securityContext:NULL",
        "securityContext: {seccompProfile:NULL}",
        "securityContext: {allowPrivilegeEscalation:NULL}",
        "securityContext: {seccompProfile: {type:NULL}}",
        "securityContext: {seccompProfile: {localhostProfile:NULL}}",
        "securityContext: {seccompProfile: {type:NULL, localhostProfile:NULL}}",
        "securityContext: {allowPrivilegeEscalation:NULL, seccompProfile:NULL}",
        "securityContext: {seccompProfile:NULL, allowPrivilegeEscalation:NULL}",
    ];
    for context in contexts {
        for null in NULLS.into_iter().filter(|null| !null.contains('#')) {
            let context = context.replace("NULL", null);
            for text in [
                format!("{HEAD}    {context}"),
                format!("{HEAD}    {context}  # why\n"),
                format!(
                    "kind: Pod\napiVersion: v1\nspec: {{containers: [{{name: web, {context}}}]}}"
                ),
                format!(
                    "kind: Pod\napiVersion: v1\nspec: {{containers: [{{name: web,\n  {context}\n  }}]}}\n"
                ),
                format!(
                    "kind: Pod\napiVersion: v1\nspec: {{containers: [{{name: web,\n  {context},\n  }}]}}\n"
                ),
                format!(
                    "kind: Pod\napiVersion: v1\nspec: {{containers: [{{name: web,\n  {context} # why\n  }}]}}\n"
                ),
            ] {
                is_edited(&text);
                is_edited(&text.replace('\n', "\r\n"));
            }
        }
    }
}

#[test]
fn annotations_go_from_beside_keys_without_a_value() {
    let container = "container.seccomp.security.alpha.kubernetes.io/web: runtime/default";
    let pod = "seccomp.security.alpha.kubernetes.io/pod: runtime/default";
    for entries in [
        container.to_owned(),
        format!("{container}\n    {pod}"),
        format!("a:NULL\n    {container}"),
        format!("{container}  # why\n    a:NULL"),
    ] {
        for null in NULLS {
            let entries = entries.replace("NULL", null);
            let metadata = format!("metadata:\n  name: web\n  annotations:\n    {entries}");
            let spec = format!("spec:\n  containers:\n  - name: web\n    securityContext:{null}");
            for tail in TAILS.into_iter().filter(|tail| !tail.contains("      #")) {
                is_edited(&format!("apiVersion: v1\nkind: Pod\n{metadata}\n{spec}{tail}"));
                is_edited(&format!("apiVersion: v1\nkind: Pod\n{spec}\n{metadata}{tail}"));
            }
        }
    }
}

fn is_not_edited(text: &str) {
    let edited = applied(text, Options::default());
    assert!(matches!(edited, Err(ManifestError::Unsafe { .. })), "{text}: {edited:?}");
}

/// What was found by fuzzing, four times: behind keys that are nothing, lists or mappings a colon may stand nearly
/// anywhere. Kubernetes takes no such file, and it is not edited.
#[test]
fn a_document_with_a_key_that_is_not_text_is_not_edited() {
    let args = "?   ?  ?  ?  : :  :  : ample.or";
    for key in ["? a:", "? {a: b}", "? [a]", "? - a", "? ? a", "?", ":", ": a", args] {
        for text in [
            format!("{HEAD}    {key}\n"),
            format!("{HEAD}    args:\n    - {key}\n"),
            format!("{HEAD}    image: a\n{key}\n"),
            format!("{HEAD}    image: a\nmetadata: {{[a]: c}}\n"),
        ] {
            is_not_edited(&text);
            let other = format!("{HEAD}    image: a\n---\n{key}\n");
            is_edited(&other);
        }
    }
    is_edited(&format!("{HEAD}    \"\": a\n    ? b\n    : c\n"));
}

/// What was found by fuzzing: the dash of the next item was taken for what announces the value.
#[test]
fn a_key_with_a_question_mark_needs_no_colon() {
    let next = "\n  -\n    name: web";
    for keys in ["? a", "? a\n    ? b", "? a  # why", "? b\n    :"] {
        for tail in ["", "\n", "\n   ", next] {
            is_edited(&format!("{HEAD}    {keys}{tail}"));
        }
    }
    is_not_edited(&format!("{HEAD}    ? securityContext{next}"));
}

/// What was found by fuzzing: the key of the outer mapping stood above what was put into the inner one.
#[test]
fn what_is_put_into_the_inner_mapping_comes_first() {
    let text = format!("{HEAD}    securityContext:\n      seccompProfile:");
    let options = Options { no_escalation: true, ..Options::default() };
    let expected = format!(
        "{text}\n        type: Localhost\n        localhostProfile: web.json\n      \
         allowPrivilegeEscalation: false"
    );
    assert_eq!(applied(&text, options).unwrap().edited.text, expected);
}

/// What was found by fuzzing: blanks at the end of a block scalar are its content, and come to lie behind what is put
/// below them.
#[test]
fn a_block_scalar_that_ends_in_blanks_keeps_them() {
    for style in ["|", "|2", "|-", "|+", ">", ">2", ">-"] {
        for blanks in ["        ", "            ", "        a\n            ", "        a  "] {
            for tail in ["", "\n", "\n\n", "\n  # end\n"] {
                is_edited(&format!("{HEAD}    args:\n    - {style}\n{blanks}{tail}"));
            }
        }
    }
}

/// What was found by fuzzing: an empty value ends behind its colon, but not before its anchor.
#[test]
fn nothing_is_put_between_a_colon_and_an_anchor() {
    for value in ["&eb.json", "&a ", "!!str", "!!str &a"] {
        let text =
            format!("{HEAD}    securityContext: {{seccompProfile: {{type: Old, a: {value}}}}}\n");
        let edited = applied(&text, Options { fix: true, ..Options::default() });
        assert!(matches!(edited, Err(ManifestError::Unsafe { .. })), "{value}: {edited:?}");
    }
    is_edited(&format!("{HEAD}    securityContext: {{a: &b c}}\n"));
}

/// What was found by fuzzing: for YAML the comment ends at the carriage return, and the line goes on for people.
#[test]
fn a_carriage_return_alone_is_not_edited_around() {
    let text = format!("{HEAD}    image: a  # c\rd: e\n");
    if let Ok(manifest) = Manifest::parse(&text.replace("\rd: e", "\r    name2: e")) {
        assert!(manifest.check_line_ends().is_err());
    }
    let edited = applied(&format!("{HEAD}    image: a  # c\r\n"), Options::default());
    assert!(edited.is_ok(), "{edited:?}");
    let edited = applied(&format!("{HEAD}    image: a  # c\r"), Options::default());
    assert!(matches!(edited, Err(ManifestError::Unsafe { .. })), "{edited:?}");
}

/// What was found by fuzzing: the colon of an outer mapping was taken for that of a key without one.
#[test]
fn the_colon_of_an_outer_mapping_announces_nothing_within() {
    for outer in [":\n", ": a\n", "? b\n:\n"] {
        for key in ["securityContext:", "? securityContext", "? securityContext  # why"] {
            let text = format!("{HEAD}    image: a\n    {key}\n{outer}");
            match outer {
                "? b\n:\n" if key == "securityContext:" => is_edited(&text),
                _ => is_not_edited(&text),
            }
        }
    }
}

/// What was found by fuzzing: the dash of the next item was taken for that of an empty block of text.
#[test]
fn an_empty_block_of_text_ends_where_it_is() {
    for style in ["|", "|-", "|+", ">", ">-", "|2"] {
        for next in ["", "  -\t\n\t", "  -\n", "  - name: web\n", "metadata:\n  name: b\n", "\n\n"]
        {
            is_edited(&format!("{HEAD}    args:\n    - {style}\n{next}"));
            is_edited(&format!("{HEAD}    image: {style}\n{next}"));
        }
    }
}
