//! A drop-in for a service of systemd's.
//!
//! `SystemCallFilter=` filters by name alone: of a call that the profile allows under conditions, only
//! the conditions that another setting can express are kept (`RestrictAddressFamilies=`,
//! `RestrictNamespaces=`), and the warnings name the calls that are allowed further than in the profile.
//! In all else the service may do what the profile allows: what systemd allows of its own accord is taken
//! out again.
//!
//! Source: systemd.exec(5). An allow list takes no errors; a deny list behind it does, for calls of its
//! own choice, since systemd 248 (pull request 18921).

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::sync::LazyLock;

use serde::Deserialize;

use super::row::Row;
use super::{ExportError, Exported, File, Options};
use crate::abi::Abi;
use crate::machine::Machines;
use crate::policy::data::{embedded, words};
use crate::policy::{Action, Clause, Errno, Policy, Predicate, width};
use crate::profile::Profile;

pub(super) const TARGET: Row = Row {
    name: "systemd",
    help: "A drop-in for a service",
    depends_on_machine: true,
    export: |profile, options, _| export(profile, options),
    ..Row::PLAIN
};

const NAME: &str = "systemd";
/// The longest line, so that people can read a difference.
const WIDTH: usize = 100;
/// The flags of clone(2), unshare(2) and setns(2) that `RestrictNamespaces=` knows: cgroup, ipc, net, mnt,
/// pid, user and uts namespaces.
const NAMESPACES: u64 = 0x7E02_0000;

static FACTS: LazyLock<Facts> = LazyLock::new(|| embedded(strait_profiles::SYSTEMD));

#[derive(Deserialize)]
struct Facts {
    implicit: String,
    architectures: BTreeMap<String, String>,
    families: String,
}

/// A name as it may be in a unit file. Of others systemd would make another word, a group (`@`), a specifier (`%`), an
/// escape or, behind a line break, another setting: `ExecStart=`.
///
/// Source: systemd.syntax(7), systemd.unit(5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word(String);

impl Word {
    /// The name, if it is a word.
    fn new(name: &str) -> Option<Self> {
        let plain = |char: char| char.is_ascii_alphanumeric() || char == '_';
        (!name.is_empty() && name.chars().all(plain)).then(|| Self(name.to_owned()))
    }
}

impl Borrow<str> for Word {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a service is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The calls that are allowed, whatever their arguments.
    pub allowed: BTreeSet<Word>,
    /// Calls with a refusal of their own, and those that systemd would allow though the profile does not.
    pub refused: BTreeMap<Word, Action>,
    /// What all other calls get.
    pub default: Action,
    /// Architectures by systemd's names.
    pub architectures: Vec<String>,
    /// The address families of `socket`, and whether they are those that are allowed.
    pub families: Option<(bool, Vec<String>)>,
    /// Whether no namespace may be made or entered.
    pub no_namespaces: bool,
    /// Calls that the profile allows under conditions that are lost here.
    pub wider: BTreeSet<String>,
    /// Architectures that systemd has no name for; they are left out.
    pub unknown_architectures: Vec<String>,
    /// Names of the profile that are no [`Word`]; they are left out, and no kernel has them.
    pub no_words: BTreeSet<String>,
}

/// What systemd has to be told for a profile that is for these machines.
///
/// # Errors
///
/// [`ExportError`], if the profile allows what it does not name, or contradicts itself.
pub fn settings(profile: &Profile, machines: Machines) -> Result<Settings, ExportError> {
    if profile.default.lets_through() {
        return Err(ExportError::Unsuitable {
            target: NAME,
            reason: "it allows what it does not name, and systemd's list would not".to_owned(),
        });
    }
    let policy = profile.policy(machines)?;
    let mut settings = Settings {
        allowed: BTreeSet::new(),
        refused: BTreeMap::new(),
        default: profile.default,
        architectures: Vec::new(),
        families: families(&policy),
        no_namespaces: refuses_namespaces(&policy),
        wider: BTreeSet::new(),
        unknown_architectures: Vec::new(),
        no_words: BTreeSet::new(),
    };
    for entry in &profile.entries {
        for name in &entry.names {
            match Word::new(name) {
                Some(word) if entry.action.lets_through() => {
                    settings.allowed.insert(word);
                }
                Some(_) => {}
                None => {
                    settings.no_words.insert(name.clone());
                }
            }
        }
    }
    for entry in &profile.entries {
        let kept = entry.args.is_empty() && entry.action != profile.default;
        for word in entry.names.iter().filter(|_| kept).filter_map(|name| Word::new(name)) {
            if !settings.allowed.contains(&word) {
                settings.refused.entry(word).or_insert(entry.action);
            }
        }
    }
    // What an unconditional refusal that comes first takes back, the policy knows.
    for abi in policy.abis() {
        for (number, name) in abi.syscalls() {
            let rules = policy.rules(abi, number);
            let clauses = rules.iter().filter(|rule| rule.action.lets_through());
            let clauses: Vec<&Clause> = clauses.flat_map(|rule| &rule.clauses).collect();
            if !clauses.is_empty()
                && !clauses.iter().any(|clause| clause.is_unconditional())
                && !is_expressed(name, &clauses, &settings)
                && settings.allowed.contains(name)
            {
                settings.wider.insert(name.to_owned());
            }
        }
    }
    settings.allowed.retain(|Word(name)| !is_always_refused(&policy, name));
    // What only a machine has that is not meant, an older systemd there complains about and passes over.
    let listed = profile.listed_machines().and(machines);
    let meant = if machines.only().is_some() || listed.is_empty() { machines } else { listed };
    for name in words(&FACTS.implicit) {
        let mut abis = policy.abis().filter(|abi| meant.have(*abi));
        let known = abis.any(|abi| abi.syscall_number(name).is_some());
        if let Some(word) = Word::new(name).filter(|word| known && !settings.allowed.contains(word))
        {
            settings.refused.entry(word).or_insert(profile.default);
        }
    }
    for architecture in &profile.architectures {
        match FACTS.architectures.get(architecture.name()) {
            Some(name) => settings.architectures.push(name.clone()),
            None => settings.unknown_architectures.push(architecture.name().to_owned()),
        }
    }
    if settings.architectures.is_empty() {
        settings.architectures.push("native".to_owned());
    }
    Ok(settings)
}

/// Whether no ABI that has the call lets it through. Names that no table knows stay as they are.
fn is_always_refused(policy: &Policy, name: &str) -> bool {
    let mut numbers =
        policy.abis().filter_map(|abi| Some((abi, abi.syscall_number(name)?))).peekable();
    numbers.peek().is_some() && numbers.all(|(abi, number)| !policy.may_allow(abi, number))
}

/// Whether another setting keeps the conditions of a call.
fn is_expressed(name: &str, clauses: &[&Clause], settings: &Settings) -> bool {
    match name {
        "socket" => {
            let domain_only = |clause: &&Clause| clause.predicates().all(|(index, _)| index == 0);
            settings.families.is_some() && clauses.iter().all(domain_only)
        }
        "clone" => {
            let namespaces = Predicate::MaskedEqual { mask: NAMESPACES, value: 0 };
            let only = Clause::on(0, namespaces);
            settings.no_namespaces && clauses.iter().all(|clause| Some(**clause) == only)
        }
        _ => false,
    }
}

/// Whether a call may be let through with this value as its nth argument.
fn may(policy: &Policy, abi: Abi, name: &str, index: usize, value: u64) -> bool {
    let Some(number) = abi.syscall_number(name) else {
        return false;
    };
    let holds = |clause: &Clause| {
        clause
            .predicates()
            .filter(|(at, _)| *at == index)
            .all(|(_, predicate)| predicate.holds(value, width(abi)))
    };
    policy
        .rules(abi, number)
        .iter()
        .any(|rule| rule.action.lets_through() && rule.clauses.iter().any(holds))
}

/// The families of `socket` that some listed ABI allows, or those that none does, whichever says it
/// without widening; `None` if every family is allowed, or the call is not.
fn families(policy: &Policy) -> Option<(bool, Vec<String>)> {
    let allowed = |family: u64| policy.abis().any(|abi| may(policy, abi, "socket", 0, family));
    let names: Vec<&str> = words(&FACTS.families).collect();
    let named = |wanted: bool| {
        let numbered = (0u64..).zip(&names);
        let chosen = numbered.filter(|(number, name)| **name != "-" && allowed(*number) == wanted);
        chosen.map(|(_, name)| (*name).to_owned()).collect::<Vec<_>>()
    };
    let (inside, outside) = (named(true), named(false));
    let count = u64::try_from(names.len()).unwrap_or(u64::MAX);
    // Families of kernels to come: the profile allows them all if it allows any of these.
    let open = [count, count + 1, 200, 0x7fff_ffff].into_iter().any(allowed);
    match (inside.is_empty(), outside.is_empty()) {
        (true, _) => None,
        (_, true) if open => None,
        _ if open => Some((false, outside)),
        _ => Some((true, inside)),
    }
}

/// Whether no listed ABI lets a namespace be made or entered, so that systemd may refuse it too.
fn refuses_namespaces(policy: &Policy) -> bool {
    let flags = (0..64).map(|bit| 1u64 << bit).filter(|flag| NAMESPACES & flag != 0);
    let allows = |abi: Abi, flag: u64| {
        // SIGCHLD, which a fork asks for.
        [flag, flag | 17].into_iter().any(|flags| may(policy, abi, "clone", 0, flags))
            || may(policy, abi, "unshare", 0, flag)
            || may(policy, abi, "setns", 1, flag)
            || may(policy, abi, "clone3", 0, 0)
    };
    let clone = |abi: Abi| may(policy, abi, "clone", 0, 17);
    policy.abis().any(clone)
        && flags.into_iter().all(|flag| !policy.abis().any(|abi| allows(abi, flag)))
}

/// An error by the name that systemd knows, `kill`, or what comes nearest.
fn answer(action: Action) -> String {
    match action {
        Action::Errno(errno) if errno.number() == 0 => "EPERM".to_owned(),
        Action::Errno(errno) => errno.to_string(),
        // What the kernel returns if no tracer answers.
        Action::Trace(_) => Errno::ENOSYS.to_string(),
        _ => "kill".to_owned(),
    }
}

/// `NAME=VALUE VALUE…` in lines that people can read; each of them starts with the prefix.
fn lines<T: fmt::Display>(
    text: &mut String,
    setting: &str,
    prefix: &str,
    words: impl Iterator<Item = T>,
) {
    let mut line = String::new();
    for word in words {
        let word = word.to_string();
        if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line.clear();
        }
        if line.is_empty() {
            line = format!("{setting}={prefix}{word}");
        } else {
            let _ = write!(line, " {word}");
        }
    }
    if !line.is_empty() {
        let _ = writeln!(text, "{line}");
    }
}

fn unit(settings: &Settings) -> String {
    let mut text = String::from("[Service]\n");
    let _ = writeln!(text, "SystemCallArchitectures={}", settings.architectures.join(" "));
    let _ = writeln!(text, "SystemCallErrorNumber={}", answer(settings.default));
    lines(&mut text, "SystemCallFilter", "", settings.allowed.iter());
    let default = answer(settings.default);
    // With the error that all others get systemd would not start the service: libseccomp takes no rule
    // that does what happens anyway. Without an error the call is merely taken off the list.
    let refused = settings.refused.iter().map(|(name, action)| match answer(*action) {
        answer if answer == default => name.to_string(),
        answer => format!("{name}:{answer}"),
    });
    if settings.allowed.is_empty() {
        // The first list decides what all other calls get.
        text.push_str("SystemCallFilter=exit\n");
    }
    lines(&mut text, "SystemCallFilter", "~", refused);
    if let Some((are_allowed, families)) = &settings.families {
        let prefix = if *are_allowed { "" } else { "~" };
        lines(&mut text, "RestrictAddressFamilies", prefix, families.iter());
    }
    if settings.no_namespaces {
        text.push_str("RestrictNamespaces=yes\n");
    }
    text
}

fn export(profile: &Profile, options: &Options) -> Result<Exported, ExportError> {
    let settings = settings(profile, options.machines)?;
    let name = &options.name;
    let (mut warnings, mut notes) = (Vec::new(), Vec::new());
    if !settings.wider.is_empty() {
        warnings.push(format!(
            "systemd cannot compare arguments: allowed whatever their arguments are, though the profile has \
             conditions: {}",
            settings.wider.iter().cloned().collect::<Vec<_>>().join(", ")
        ));
    }
    if settings.families.is_some() {
        notes.push(
            "an address family that is refused gets EAFNOSUPPORT, and on 32-bit x86 none is refused"
                .to_owned(),
        );
    }
    if settings.no_namespaces {
        notes.push("a namespace that is refused gets EPERM".to_owned());
    }
    if !settings.unknown_architectures.is_empty() {
        warnings.push(format!(
            "left out, since systemd has no name for them: {}",
            settings.unknown_architectures.join(", ")
        ));
    }
    if !settings.no_words.is_empty() {
        warnings.push(format!(
            "left out, since no system call has these names and a unit file cannot hold them: {}",
            settings.no_words.iter().cloned().collect::<Vec<_>>().join(", ")
        ));
    }
    notes.push(format!(
        "as a drop-in: /etc/systemd/system/{name}.service.d/50-seccomp.conf, then \
         `systemctl daemon-reload` and a restart. Needs systemd 248; names that its libseccomp does not know \
         are skipped with a warning in the journal"
    ));
    let path = format!("{name}.service.d/50-seccomp.conf");
    Ok(Exported { files: vec![File::text(path, unit(&settings))], warnings, notes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::profile::parse;

    fn of(entries: &str) -> Settings {
        let text = format!(
            r#"{{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
                "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [{entries}]}}"#
        );
        settings(&parse(&text).unwrap(), Machine::X86_64.into()).unwrap()
    }

    const EXIT: &str = r#"{"names": ["exit", "exit_group", "execve"], "action": "SCMP_ACT_ALLOW"}"#;

    fn socket(args: &str) -> Option<(bool, Vec<String>)> {
        let socket =
            format!(r#"{{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{args}]}}"#);
        of(&format!("{EXIT}, {socket}")).families
    }

    fn domain(value: u64, op: &str) -> String {
        format!(r#"{{"index": 0, "value": {value}, "op": "SCMP_CMP_{op}"}}"#)
    }

    #[test]
    fn the_domains_of_socket_are_address_families() {
        assert_eq!(socket(""), None);
        assert_eq!(socket(&domain(2, "EQ")), Some((true, vec!["AF_INET".to_owned()])));
        let (allowed, families) = socket(&domain(40, "NE")).unwrap();
        assert_eq!((allowed, families), (false, vec!["AF_VSOCK".to_owned()]));
        let (allowed, families) = socket(&domain(3, "LT")).unwrap();
        assert_eq!((allowed, families), (true, vec!["AF_UNIX".to_owned(), "AF_INET".to_owned()]));
    }

    #[test]
    fn conditions_that_are_lost_are_named() {
        let entries = format!(
            r#"{EXIT}, {{"names": ["personality", "socket"], "action": "SCMP_ACT_ALLOW", "args": [{},
                {{"index": 1, "value": 1, "op": "SCMP_CMP_EQ"}}]}}"#,
            domain(1, "EQ")
        );
        let settings = of(&entries);
        assert_eq!(settings.wider.into_iter().collect::<Vec<_>>(), ["personality", "socket"]);
        let settings = of(&format!(
            r#"{EXIT}, {{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{}]}}"#,
            domain(1, "EQ")
        ));
        assert!(settings.wider.is_empty());
    }

    #[test]
    fn namespaces_are_refused_if_the_profile_refuses_them_all() {
        let clone = r#"{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [
            {"index": 0, "value": 2114060288, "op": "SCMP_CMP_MASKED_EQ"}]}"#;
        let settings = of(&format!("{EXIT}, {clone}"));
        assert!(settings.no_namespaces && settings.wider.is_empty(), "{settings:?}");
        let unshare = r#"{"names": ["unshare"], "action": "SCMP_ACT_ALLOW"}"#;
        let settings = of(&format!("{EXIT}, {clone}, {unshare}"));
        assert!(!settings.no_namespaces && settings.wider.contains("clone"), "{settings:?}");
    }

    #[test]
    fn what_systemd_would_allow_by_itself_is_taken_out() {
        let settings = of(EXIT);
        assert_eq!(settings.refused.get("nanosleep"), Some(&Action::Errno(Errno::ENOSYS)));
        assert!(!settings.refused.contains_key("execve"));
        assert!(!settings.refused.contains_key("cacheflush"), "not a call of this ABI");
    }

    #[test]
    fn no_name_becomes_a_setting() {
        let names = ["foo\\nExecStart=/bin/evil", "@default", "%h", "a b", "~read", "a\\\\"];
        let allowed =
            names.map(|name| format!(r#", {{"names": ["{name}"], "action": "SCMP_ACT_ALLOW"}}"#));
        let refused =
            r#", {"names": ["mount\nUser=root"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}"#;
        let settings = of(&format!("{EXIT}{}{refused}", allowed.concat()));
        let with_none = of(EXIT);
        assert_eq!(settings.no_words.len(), names.len() + 1, "{settings:?}");
        assert_eq!(unit(&settings), unit(&with_none));
    }

    #[test]
    fn refusals_of_their_own_are_kept() {
        let entries = format!(
            r#"{EXIT}, {{"names": ["mount", "execve"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}}"#
        );
        let settings = of(&entries);
        assert_eq!(settings.refused.get("mount"), Some(&Action::Errno(Errno::EPERM)));
        assert!(settings.allowed.contains("execve"), "the first rule stays");
        let text = unit(&settings);
        assert!(
            text.contains("mount:EPERM") && text.contains("SystemCallErrorNumber=ENOSYS"),
            "{text}"
        );
    }
}
