//! Calls in recordings, by name.

use crate::recording::{Call, Recording};

/// All records of a call, over recordings and ABIs.
pub(super) fn calls_of<'a>(
    recordings: &'a [Recording],
    name: &'a str,
) -> impl Iterator<Item = (&'a Recording, &'a Call)> {
    recordings.iter().flat_map(move |recording| {
        recording
            .iter()
            .filter(move |(abi, number, _)| abi.syscall_name(*number) == Some(name))
            .map(move |(.., call)| (recording, call))
    })
}
