//! What a child may have: memory, files, core dumps, and nothing that the bot has open.

use std::io;

use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use tokio::process::Command;

/// Most files that a process of an action may have open.
pub const OPEN_FILES_MAX: u64 = 4_096;

/// Sets the limits of a child, between its creation and its program.
pub(super) fn limit(command: &mut Command, memory_bytes: Option<u64>) {
    let apply = move || apply(memory_bytes);
    // SAFETY: what runs between fork and exec makes system calls only: it takes no lock and no memory.
    unsafe {
        command.pre_exec(apply);
    }
}

fn apply(memory_bytes: Option<u64>) -> io::Result<()> {
    // Nobody else reads what an action writes, unless it says so.
    umask(Mode::from_bits_truncate(0o077));
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    at_most(Resource::RLIMIT_NOFILE, OPEN_FILES_MAX)?;
    if let Some(bytes) = memory_bytes {
        at_most(Resource::RLIMIT_AS, bytes)?;
    }
    close_at_exec()
}

fn at_most(resource: Resource, most: u64) -> io::Result<()> {
    let (_, hard) = getrlimit(resource)?;
    let most = most.min(hard);
    Ok(setrlimit(resource, most, most)?)
}

/// Whatever the bot was started with, or a library has opened, ends here.
fn close_at_exec() -> io::Result<()> {
    let flags = i32::try_from(libc::CLOSE_RANGE_CLOEXEC).map_err(|_| Errno::EINVAL)?;
    // SAFETY: it marks descriptors of this process, the child, and closes none that is in use.
    match unsafe { libc::close_range(3, u32::MAX, flags) } {
        0 => Ok(()),
        // An older kernel does not know it; what we open ourselves is marked when it is opened.
        _ if Errno::last() == Errno::ENOSYS => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
