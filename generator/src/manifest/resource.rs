//! Profiles in resources of the Security Profiles Operator.
//!
//! Source: security-profiles-operator `api/seccompprofile/v1beta1` and its custom resource definition: the `spec`
//! has the fields of the OCI runtime specification but for `defaultErrnoRet`; `baseProfileName` adds another profile
//! that is looked up in the cluster or a registry.

use granit_parser::ScalarStyle;
use serde_json::{Map, Number, Value};
use thiserror::Error;

use super::ManifestError;
use super::tree::{Kind, NodeId, Tree};
use crate::untrusted::short;

const KIND: &str = "SeccompProfile";
const GROUP: &str = "security-profiles-operator.x-k8s.io/";
/// More values than any profile has.
const MOST_VALUES: usize = 1 << 20;
/// Deeper than any profile goes.
const DEEPEST: usize = 32;

/// A profile in a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeccompResource {
    /// What the resource is called.
    pub name: String,
    /// Its `spec` as JSON.
    pub profile: String,
    /// What the operator makes of it besides.
    pub notes: Vec<String>,
}

/// Why there is no profile to be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// Not YAML.
    #[error(transparent)]
    Yaml(#[from] ManifestError),
    /// None of the resources is one.
    #[error(
        "there is no SeccompProfile of the Security Profiles Operator in it ({GROUP}…), and no profile: give a \
         profile in JSON, or such a resource"
    )]
    None,
    /// None of this name.
    #[error("there is no SeccompProfile `{wanted}` in it; there are {there}")]
    NoSuch {
        /// The name that was asked for.
        wanted: String,
        /// Those that there are.
        there: String,
    },
    /// More than one.
    #[error("it has several SeccompProfiles: say which one with --name, of {0}")]
    Several(String),
    /// It is only what is added to another one.
    #[error(
        "`{name}` adds to the base profile `{base}`, which is not in the file: merge the two with `strait merge`, or \
         take baseProfileName out to convert what is here"
    )]
    Base {
        /// The resource.
        name: String,
        /// What it adds to.
        base: String,
    },
    /// Aliases that expand to too many values.
    #[error("it has more than {MOST_VALUES} values, or is nested too deeply")]
    TooLarge,
}

/// The only SeccompProfile in a file, or the one of this name.
///
/// # Errors
///
/// [`ResourceError`] if there is none, or none for certain.
pub fn find(text: &str, wanted: Option<&str>) -> Result<SeccompResource, ResourceError> {
    let tree = Tree::parse(text)?;
    let mut all: Vec<(String, NodeId)> = Vec::new();
    for document in &tree.documents {
        let items = tree.find(*document, &["items"]).map_or(&[][..], |items| tree.items(items));
        for object in [*document].iter().chain(items) {
            let is_ours = tree.find_text(*object, &["kind"]) == Some(KIND)
                && tree.find_text(*object, &["apiVersion"]).is_some_and(|it| it.starts_with(GROUP));
            if is_ours {
                let name = tree.find_text(*object, &["metadata", "name"]).unwrap_or("unnamed");
                all.push((short(name), *object));
            }
        }
    }
    let names = || all.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let chosen: Vec<&(String, NodeId)> =
        all.iter().filter(|(name, _)| wanted.is_none_or(|wanted| name == wanted)).collect();
    match (chosen.as_slice(), wanted) {
        ([(name, object)], _) => of_object(&tree, name, *object),
        ([], Some(wanted)) if !all.is_empty() => {
            Err(ResourceError::NoSuch { wanted: wanted.to_owned(), there: names() })
        }
        ([], _) => Err(ResourceError::None),
        (_, _) => Err(ResourceError::Several(names())),
    }
}

fn of_object(tree: &Tree, name: &str, object: NodeId) -> Result<SeccompResource, ResourceError> {
    let spec = tree.find(object, &["spec"]);
    let mut left = MOST_VALUES;
    let spec = spec.map(|spec| value(tree, spec, DEEPEST, &mut left)).transpose()?;
    let mut fields = match spec {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    if let Some(Value::String(base)) = fields.remove("baseProfileName")
        && !base.is_empty()
    {
        return Err(ResourceError::Base { name: name.to_owned(), base: short(&base) });
    }
    let mut notes = Vec::new();
    if fields.remove("disabled") == Some(Value::Bool(true)) {
        notes.push(format!("`{name}` is disabled: the operator installs it on no node"));
    }
    if fields.remove("defaultErrnoRet").is_some_and(|errno| !errno.is_null()) {
        let what = "defaultErrnoRet is not a field of the resource, and the operator drops it: it is left out";
        notes.push(what.to_owned());
    }
    Ok(SeccompResource { name: name.to_owned(), profile: Value::Object(fields).to_string(), notes })
}

fn value(tree: &Tree, id: NodeId, depth: usize, left: &mut usize) -> Result<Value, ResourceError> {
    let depth = depth.checked_sub(1).ok_or(ResourceError::TooLarge)?;
    *left = left.checked_sub(1).ok_or(ResourceError::TooLarge)?;
    let node = tree.node(tree.resolve(id));
    Ok(match &node.kind {
        Kind::Scalar { value, style } => {
            let is_text = node.tag.as_deref() == Some("tag:yaml.org,2002:str");
            scalar(tree, id, value, *style == ScalarStyle::Plain && !is_text)
        }
        // An alias to nothing; the parser refuses those.
        Kind::Alias(_) => Value::Null,
        Kind::Sequence(items) => {
            let items = items.iter().map(|item| value(tree, *item, depth, left));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Kind::Mapping(entries) => {
            let mut fields = Map::new();
            for (name, item) in entries {
                let name = tree.text(*name).unwrap_or_default().to_owned();
                fields.insert(name, value(tree, *item, depth, left)?);
            }
            Value::Object(fields)
        }
    })
}

/// A scalar as Kubernetes reads it.
fn scalar(tree: &Tree, id: NodeId, text: &str, is_plain: bool) -> Value {
    if !is_plain {
        return Value::String(text.to_owned());
    }
    if tree.is_null(id) {
        return Value::Null;
    }
    if let Some(boolean) = tree.boolean(id) {
        return Value::Bool(boolean);
    }
    let hexadecimal =
        text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let number = hexadecimal.or_else(|| text.parse().ok()).map(Number::from);
    let number = number.or_else(|| text.parse::<i64>().ok().map(Number::from));
    number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NGINX: &str = "apiVersion: security-profiles-operator.x-k8s.io/v1beta1\nkind: SeccompProfile\n\
        metadata: {name: nginx}\nspec:\n  defaultAction: SCMP_ACT_ERRNO\n  architectures: [SCMP_ARCH_X86_64]\n  \
        syscalls:\n  - action: SCMP_ACT_ALLOW\n    names: [execve, exit, exit_group]\n  - action: SCMP_ACT_ALLOW\n    \
        names: [socket]\n    args:\n    - {index: 0, value: 0x2, op: SCMP_CMP_EQ}\n";

    #[test]
    fn the_only_one_is_meant() {
        let found = find(NGINX, None).unwrap();
        assert_eq!((found.name.as_str(), found.notes.len()), ("nginx", 0));
        let spec: Value = serde_json::from_str(&found.profile).unwrap();
        assert_eq!(spec["syscalls"][1]["args"][0]["value"], 2);
        assert_eq!(spec["syscalls"][0]["names"][2], "exit_group");
    }

    #[test]
    fn of_several_one_has_to_be_named() {
        let two = format!("{NGINX}---\n{}", NGINX.replace("name: nginx", "name: redis"));
        assert!(find(&two, None).unwrap_err().to_string().contains("nginx, redis"));
        assert_eq!(find(&two, Some("redis")).unwrap().name, "redis");
        assert!(find(&two, Some("web")).unwrap_err().to_string().contains("`web`"));
        let pod = "apiVersion: v1\nkind: Pod\n";
        assert!(matches!(find(pod, None), Err(ResourceError::None)));
    }

    #[test]
    fn what_is_elsewhere_is_not_made_up() {
        let based = NGINX.replace("spec:\n", "spec:\n  baseProfileName: runc-v1.2\n");
        assert!(find(&based, None).unwrap_err().to_string().contains("runc-v1.2"));
        let disabled = NGINX.replace("spec:\n", "spec:\n  disabled: true\n  defaultErrnoRet: 38\n");
        let found = find(&disabled, None).unwrap();
        assert_eq!(found.notes.len(), 2);
        assert!(!found.profile.contains("disabled") && !found.profile.contains("Errno"));
    }

    #[test]
    fn aliases_that_expand_to_too_much_are_refused() {
        let mut text = NGINX.to_owned() + "  a: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
        for nth in 1..9 {
            let item = format!("*a{}", nth - 1);
            text += &format!("  b{nth}: &a{nth} [{}]\n", [item.as_str(); 10].join(", "));
        }
        assert!(matches!(find(&text, None), Err(ResourceError::TooLarge | ResourceError::Yaml(_))));
    }
}
