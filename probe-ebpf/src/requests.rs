//! What the command asks of container engines: HTTP requests that it, or a descendant of it, sends to a UNIX
//! socket. Only how they begin is kept; the recorder reads which containers they start.
//!
//! So nothing stands between the command and its engine, and it does not matter by which variable, context or
//! path the command has found the socket.

use aya_ebpf::helpers::bpf_probe_read_user;
use aya_ebpf::helpers::generated::bpf_probe_read_user as copy_from_user;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, RingBuf};
use aya_ebpf::programs::RawTracePointContext;
use probe_common::{REQUEST_LEN, Request};

use crate::descent;
use crate::kernel::{Call, Task, config};
use crate::scope::add;

/// The loader sets the size.
#[map]
static REQUESTS: RingBuf = RingBuf::with_byte_size(4096, 0);

/// How many had no room.
#[map]
static LOST_REQUESTS: Array<u64> = Array::with_max_entries(1, 0);

/// `struct iovec`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Part {
    base: *const u8,
    length: u64,
}

/// Looks at a call that may send a request.
#[inline(always)]
pub fn look(ctx: &RawTracePointContext, task: &Task, call: &Call) {
    let is_send = call.number == config!(sends[0])
        || call.number == config!(sends[1])
        || call.number == config!(sends[2])
        || call.number == config!(sends[3]);
    if is_send && call.is_native() && descent::is(task.pid()) {
        keep(ctx.arg(0), call.number);
    }
}

/// Keeps what a call sends, if it is a request: a client writes the request line first, in one piece.
#[inline(never)]
fn keep(regs: *const u8, number: u32) {
    const POST: u64 = u64::from_le_bytes(*b"POST /\0\0");
    const MASK: u64 = 0xffff_ffff_ffff;
    /// Of the request line, with the shortest path that starts a container.
    const SHORTEST: u64 = 32;
    let task = Task::current();
    let call = Call { abi: config!(native_abi), number };
    let Some(Part { base, length }) = sent(&call, regs) else {
        return;
    };
    if length < SHORTEST {
        return;
    }
    // SAFETY: the helper checks the address.
    let Ok(start) = (unsafe { bpf_probe_read_user(base.cast::<u64>()) }) else {
        return;
    };
    if start & MASK != POST || !task.has_unix_socket(call.argument(regs, 0) as u32) {
        return;
    }
    let Some(mut kept) = REQUESTS.reserve::<Request>(0) else {
        if let Some(lost) = LOST_REQUESTS.get_ptr_mut(0) {
            add(lost, 1);
        }
        return;
    };
    let length = length.min(REQUEST_LEN as u64) as u32;
    let request = kept.as_mut_ptr();
    // SAFETY: memory of the ring's, with room for the length; the helper checks the source, and writes zeroes if it
    // cannot be read.
    unsafe {
        (&raw mut (*request).length).write(length);
        copy_from_user((&raw mut (*request).bytes).cast(), length, base.cast());
    }
    kept.submit(0);
}

/// The first part of what a call sends.
#[inline(always)]
fn sent(call: &Call, regs: *const u8) -> Option<Part> {
    /// Where `struct user_msghdr` has its parts (`include/linux/socket.h`), on 64-bit machines.
    const PARTS: usize = 16;
    let buffer = call.argument(regs, 1) as *const u8;
    if call.number == config!(sends[0]) || call.number == config!(sends[1]) {
        return Some(Part { base: buffer, length: call.argument(regs, 2) });
    }
    let parts = if call.number == config!(sends[3]) {
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_user(buffer.wrapping_add(PARTS).cast::<*const u8>()) }.ok()?
    } else {
        buffer
    };
    // SAFETY: as above.
    unsafe { bpf_probe_read_user(parts.cast::<Part>()) }.ok()
}
