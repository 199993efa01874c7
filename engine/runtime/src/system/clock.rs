//! The machine's clocks and its entropy.

use std::io;

use rustix::time::{ClockId, clock_gettime};

use crate::time::{MonotonicTime, UnixTime};

/// Nanoseconds since the machine's start.
pub(crate) fn now() -> MonotonicTime {
    let time = clock_gettime(ClockId::Monotonic);
    MonotonicTime::from_nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// The calendar's clock; a machine that believes to live before 1970 gets 1970.
pub(crate) fn unix_time() -> UnixTime {
    let time = clock_gettime(ClockId::Realtime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    UnixTime::from_micros(seconds * 1_000_000 + time.tv_nsec as u64 / 1000)
}

/// Fills `bytes` from the kernel's generator, which, once seeded, does not fail.
pub(crate) fn fill_entropy(bytes: &mut [u8]) {
    try_fill_entropy(bytes).expect("the kernel has entropy");
}

#[cfg(target_os = "linux")]
fn try_fill_entropy(mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty()) {
            Ok(filled) => bytes = &mut bytes[filled..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn try_fill_entropy(bytes: &mut [u8]) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags, open};
    let device = open("/dev/urandom", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut filled = 0;
    while filled < bytes.len() {
        filled += rustix::io::read(&device, &mut bytes[filled..])?;
    }
    Ok(())
}
