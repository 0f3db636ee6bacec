//! Requests of the command to container engines, as the probe saw them.

use aya::Ebpf;
use aya::maps::{Array, MapData, RingBuf};
use probe_common::{REQUEST_LEN, Request};

use super::{Probe, ProbeError};

/// Room for requests that were not read yet: they are read at least four times a second.
const ROOM: u32 = 256 * 1024;

/// The size of the ring, in bytes. Without a command nothing is put into it.
pub fn room(follows: bool) -> u32 {
    if follows { ROOM } else { 4096 }
}

/// The requests that were not read yet.
pub struct Requests(RingBuf<MapData>);

impl Requests {
    pub fn from_ebpf(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let ring = ebpf.take_map("REQUESTS").ok_or(ProbeError::Missing("map REQUESTS"))?;
        let ring = RingBuf::try_from(ring);
        Ok(Self(ring.map_err(|source| ProbeError::Map { map: "REQUESTS", source })?))
    }

    /// How the next one begins, if there is one: up to [`REQUEST_LEN`] bytes.
    fn next(&mut self) -> Option<Vec<u8>> {
        let item = self.0.next()?;
        let (length, bytes) = item.split_first_chunk::<{ size_of::<u32>() }>()?;
        let length = usize::try_from(u32::from_ne_bytes(*length)).ok()?.min(REQUEST_LEN);
        Some(bytes.get(..length)?.to_vec())
    }
}

// The bytes follow the length at once.
const _: () = assert!(size_of::<Request>() == size_of::<u32>() + REQUEST_LEN);

impl Probe {
    /// How the next request to an engine begins, if there is one.
    pub fn next_request(&mut self) -> Option<Vec<u8>> {
        self.requests.next()
    }

    /// How many requests had no room.
    pub fn lost_requests(&self) -> Result<u64, ProbeError> {
        let lost = map!(self.LOST_REQUESTS as Array<_, u64>);
        lost.get(&0, 0).map_err(|source| ProbeError::Map { map: "LOST_REQUESTS", source })
    }
}
