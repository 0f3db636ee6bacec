//! A message from the child to the recorder that takes no system call, since under a filter any call
//! may be refused.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};

/// How far the child came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Stage {
    User = 1,
    Signals = 2,
    Filter = 3,
    LastStep = 4,
    Exec = 5,
}

/// Words of memory that parent and child share: a stage, an error, and a descriptor and one.
pub struct Mailbox(*mut Words);

type Words = [AtomicI32; 3];

impl Mailbox {
    /// Maps the memory. The child inherits it.
    pub fn new() -> io::Result<Self> {
        let length = size_of::<Words>();
        // SAFETY: a new mapping, of which nothing else knows.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(address.cast()))
    }

    fn words(&self) -> &Words {
        // SAFETY: mapped for as long as this value lives, aligned to a page, zero at first.
        unsafe { &*self.0 }
    }

    /// In the child: at which stage it failed, and why.
    pub fn post(&self, stage: Stage, errno: i32) {
        let [of_stage, of_errno, _] = self.words();
        of_errno.store(errno, Ordering::Relaxed);
        of_stage.store(stage as i32, Ordering::Release);
    }

    /// In the parent: what was posted, if anything.
    pub fn read(&self) -> Option<(Stage, i32)> {
        let [of_stage, of_errno, _] = self.words();
        let stage = match of_stage.load(Ordering::Acquire) {
            1 => Stage::User,
            2 => Stage::Signals,
            3 => Stage::Filter,
            4 => Stage::LastStep,
            5 => Stage::Exec,
            _ => return None,
        };
        Some((stage, of_errno.load(Ordering::Relaxed)))
    }

    /// In the child: what it has opened for the parent, with which it shares its descriptors.
    pub fn hand_over(&self, descriptor: RawFd) {
        let [_, _, handed_over] = self.words();
        handed_over.store(descriptor.saturating_add(1), Ordering::Release);
    }

    /// In the parent: the descriptor that was handed over, if one was.
    pub fn handed_over(&self) -> Option<RawFd> {
        let [_, _, handed_over] = self.words();
        handed_over.load(Ordering::Acquire).checked_sub(1).filter(|descriptor| *descriptor >= 0)
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // SAFETY: the mapping made by `new`, which is no longer referred to.
        unsafe { libc::munmap(self.0.cast(), size_of::<Words>()) };
    }
}
