//! What code an input reached: the counters that `-C passes=sancov-module` puts into a build for `make fuzz`.
//!
//! Without that flag nothing registers counters and every input counts as one that reached nothing new.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

/// The counters of all crates that were built with them, and what was seen in each.
static COUNTERS: Mutex<Vec<Part>> = Mutex::new(Vec::new());

struct Part {
    now: &'static [AtomicU8],
    /// The magnitudes of counts that were seen, one bit for each.
    seen: Vec<u8>,
}

/// Called by instrumented code once for each of its parts, before `main`.
///
/// # Safety
/// The compiler's instrumentation calls it with the bounds of an array of counters that lives as long as the process.
#[expect(unsafe_code, reason = "the compiler's interface for counters is two raw pointers")]
#[expect(unreachable_pub, reason = "it is called by its symbol")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __sanitizer_cov_8bit_counters_init(start: *const AtomicU8, stop: *const AtomicU8) {
    // SAFETY: both bounds are of one array of bytes that is never freed. Instrumented code adds to it without atomics, but only
    // on the one thread that also reads it here.
    let now = unsafe { std::slice::from_raw_parts(start, stop.offset_from(start).unsigned_abs()) };
    if let Ok(mut parts) = COUNTERS.lock() {
        parts.push(Part { now, seen: vec![0; now.len()] });
    }
}

/// Takes the counts since the last call; whether there was anything new.
pub(super) fn take() -> bool {
    let mut new = false;
    let Ok(mut parts) = COUNTERS.lock() else { return false };
    for part in parts.iter_mut() {
        for (now, seen) in part.now.iter().zip(&mut part.seen) {
            let count = now.swap(0, Ordering::Relaxed);
            let bit = magnitude(count);
            new |= *seen & bit != bit;
            *seen |= bit;
        }
    }
    new
}

/// How many counters were ever reached.
pub(super) fn reached() -> usize {
    COUNTERS.lock().map_or(0, |parts| parts.iter().map(|part| part.seen.iter().filter(|seen| **seen > 0).count()).sum())
}

/// Counts of one magnitude are one thing to find: once, twice, some, many.
const fn magnitude(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 1 << 1,
        3 => 1 << 2,
        4..8 => 1 << 3,
        8..16 => 1 << 4,
        16..32 => 1 << 5,
        32..128 => 1 << 6,
        128.. => 1 << 7,
    }
}
