//! Linux capabilities by name.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Names without `CAP_`, by number; from `include/uapi/linux/capability.h` (Linux 6.12).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What a container gets from Docker unless told otherwise; moby `oci/caps/defaults.go`.
const DOCKER_DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// A Linux capability.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(&'static str);

impl Capability {
    /// Every capability, by number.
    pub fn all() -> BTreeSet<Self> {
        NAMES.into_iter().map(Self).collect()
    }

    /// The 14 that a container has by default under Docker.
    pub fn docker_default() -> BTreeSet<Self> {
        DOCKER_DEFAULT.into_iter().map(Self).collect()
    }

    /// Those of a kernel's bit mask, as in `/proc/PID/status`. Bits without a name are passed over.
    #[must_use]
    pub fn from_mask(mask: u64) -> BTreeSet<Self> {
        let named = NAMES.into_iter().enumerate();
        named.filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, name)| Self(name)).collect()
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CAP_{}", self.0)
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text names no capability.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a valid capability: write a name such as CAP_SYS_ADMIN (`man 7 capabilities`)"
)]
pub struct UnknownCapability(String);

impl FromStr for Capability {
    type Err = UnknownCapability;

    /// Reads a name in either case, with or without `CAP_`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let upper = text.to_ascii_uppercase();
        let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
        NAMES
            .into_iter()
            .find(|name| *name == short)
            .map(Self)
            .ok_or_else(|| UnknownCapability(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_people_write_it() {
        let expected: Capability = "CAP_SYS_ADMIN".parse().unwrap();
        assert_eq!("sys_admin".parse(), Ok(expected));
        assert_eq!(expected.to_string(), "CAP_SYS_ADMIN");
        assert!("CAP_EVERYTHING".parse::<Capability>().is_err());
    }

    #[test]
    fn the_docker_default_is_what_a_container_of_docker_has_in_its_status() {
        assert_eq!(Capability::from_mask(0xa804_25fb), Capability::docker_default());
        assert_eq!(Capability::from_mask(u64::MAX), Capability::all());
        assert_eq!(Capability::from_mask(0), BTreeSet::new());
    }

    #[test]
    fn the_docker_default_is_a_subset_of_all() {
        assert_eq!(Capability::docker_default().len(), 14);
        assert!(Capability::docker_default().is_subset(&Capability::all()));
    }
}
