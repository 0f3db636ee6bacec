//! Running the command as another user.

use std::ffi::OsString;

use nix::errno::Errno;
use nix::unistd::{self, Gid, Uid, getgrouplist};
use thiserror::Error;

/// Why a user cannot be taken.
#[derive(Debug, Error)]
pub enum UserError {
    /// Neither a name nor a number that this machine knows.
    #[error(
        "no user `{0}` on this machine. Give a name from /etc/passwd, or a number as UID or UID:GID"
    )]
    Unknown(String),
    /// The user database cannot be read.
    #[error("cannot look up the user `{user}`: {source}")]
    Lookup {
        /// As given.
        user: String,
        /// Why.
        source: Errno,
    },
}

/// A user, with all that a login would set.
#[derive(Clone, Debug)]
pub struct User {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    environment: Vec<(&'static str, OsString)>,
}

impl User {
    /// Finds a user by name, or by number as `UID` or `UID:GID`.
    pub fn find(given: &str) -> Result<Self, UserError> {
        let lookup = |source| UserError::Lookup { user: given.to_owned(), source };
        let unknown = || UserError::Unknown(given.to_owned());
        let (name, group) = match given.split_once(':') {
            Some((name, group)) => (name, Some(group.parse::<u32>().map_err(|_| unknown())?)),
            None => (given, None),
        };
        let entry = match name.parse::<u32>() {
            Ok(uid) => unistd::User::from_uid(Uid::from_raw(uid)).map_err(lookup)?,
            Err(_) => Some(unistd::User::from_name(name).map_err(lookup)?.ok_or_else(unknown)?),
        };
        let Some(entry) = entry else {
            let uid = name.parse::<u32>().map_err(|_| unknown())?;
            let gid = Gid::from_raw(group.unwrap_or(uid));
            return Ok(Self {
                uid: Uid::from_raw(uid),
                gid,
                groups: vec![gid],
                environment: Vec::new(),
            });
        };
        let gid = group.map_or(entry.gid, Gid::from_raw);
        let login = std::ffi::CString::new(entry.name.as_bytes()).map_err(|_| unknown())?;
        Ok(Self {
            uid: entry.uid,
            gid,
            groups: getgrouplist(&login, gid).map_err(lookup)?,
            environment: vec![
                ("HOME", entry.dir.into_os_string()),
                ("LOGNAME", entry.name.clone().into()),
                ("USER", entry.name.into()),
            ],
        })
    }

    /// User and group.
    pub fn ids(&self) -> (Uid, Gid) {
        (self.uid, self.gid)
    }

    /// Variables that are this user's own.
    pub fn environment(&self) -> &[(&'static str, OsString)] {
        &self.environment
    }

    /// In the child: becomes the user. With `keep_admin` it keeps `CAP_SYS_ADMIN` until it executes
    /// the command, where the kernel takes away all capabilities from a user that is not root.
    pub fn become_user(&self, keep_admin: bool) -> Result<(), Errno> {
        unistd::setgroups(&self.groups)?;
        unistd::setresgid(self.gid, self.gid, self.gid)?;
        if keep_admin && !self.uid.is_root() {
            nix::sys::prctl::set_keepcaps(true)?;
        }
        unistd::setresuid(self.uid, self.uid, self.uid)?;
        if keep_admin && !self.uid.is_root() {
            raise_admin()?;
        }
        Ok(())
    }
}

/// Makes `CAP_SYS_ADMIN` the only effective capability, and the only permitted one.
fn raise_admin() -> Result<(), Errno> {
    /// `_LINUX_CAPABILITY_VERSION_3`.
    const VERSION_3: u32 = 0x2008_0522;
    const CAP_SYS_ADMIN: u32 = 21;
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    let header = Header { version: VERSION_3, pid: 0 };
    // Effective, permitted and inheritable, twice: for capabilities below 32 and from 32 on.
    let sets: [u32; 6] = [1 << CAP_SYS_ADMIN, 1 << CAP_SYS_ADMIN, 0, 0, 0, 0];
    // SAFETY: the structures of capset(2), version 3.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) })
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let root = User::find("root").unwrap();
        assert!(root.uid.is_root());
        let nobody = User::find("12345:54321").unwrap();
        assert_eq!((nobody.uid.as_raw(), nobody.gid.as_raw()), (12345, 54321));
        assert!(User::find("no-such-user").is_err());
        assert!(User::find("root:wheel").is_err());
    }
}
