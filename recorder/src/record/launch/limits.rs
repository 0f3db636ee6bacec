//! How many files may be open: as many as the caller may allow itself while Strait works, and as many as the caller
//! had for what it starts.

use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What the caller had: soft and hard.
static CALLERS: OnceLock<(u64, u64)> = OnceLock::new();

/// Raises the soft limit of open files to the hard one. Whatever the caller had is enough for little.
pub fn raise() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let before = *CALLERS.get_or_init(|| (soft, hard));
    // Always allowed; and if not, there is what there was.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, before.1, before.1);
}

/// In a child: goes back to what the caller had. Only makes a system call.
pub fn give_back() {
    if let Some((soft, hard)) = CALLERS.get() {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, *soft, *hard);
    }
}
