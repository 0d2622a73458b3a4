//! What code an input reached: the counters that `-C passes=sancov-module` puts into a build for `make fuzz`.
//!
//! Without that flag nothing registers counters and every input counts as one that reached nothing new.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The counters of all crates that were built with them, and what was seen in each.
static COUNTERS: Mutex<Vec<Part>> = Mutex::new(Vec::new());

struct Part {
    now: &'static [AtomicU8],
    /// The same counters eight at a time, but for some at both ends: most are zero after an input, and there are many.
    words: &'static [AtomicU64],
    /// How many counters come before the words.
    before: usize,
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
    // on the one thread that also reads it here. Eight bytes of it in a row are a number, whatever they are.
    let (now, (before, words, _)) = unsafe {
        let now: &'static [AtomicU8] = std::slice::from_raw_parts(start, stop.offset_from(start).unsigned_abs());
        (now, now.align_to::<AtomicU64>())
    };
    if let Ok(mut parts) = COUNTERS.lock() {
        parts.push(Part { now, words, before: before.len(), seen: vec![0; now.len()] });
    }
}

impl Part {
    /// Takes the counts of some of the counters; whether there was anything new.
    fn take(&mut self, which: Range<usize>) -> bool {
        let mut new = false;
        for (now, seen) in self.now[which.clone()].iter().zip(&mut self.seen[which]) {
            let bit = magnitude(now.swap(0, Ordering::Relaxed));
            new |= *seen & bit != bit;
            *seen |= bit;
        }
        new
    }

    fn take_all(&mut self) -> bool {
        let behind = self.before + self.words.len() * 8;
        let mut new = self.take(0..self.before) | self.take(behind..self.now.len());
        for (at, word) in self.words.iter().enumerate() {
            if word.load(Ordering::Relaxed) != 0 {
                let begin = self.before + at * 8;
                new |= self.take(begin..begin + 8);
            }
        }
        new
    }
}

/// Forgets what was seen: another target begins.
pub(super) fn forget() {
    take();
    if let Ok(mut parts) = COUNTERS.lock() {
        parts.iter_mut().for_each(|part| part.seen.fill(0));
    }
}

/// Takes the counts since the last call; whether there was anything new.
pub(super) fn take() -> bool {
    COUNTERS.lock().is_ok_and(|mut parts| parts.iter_mut().fold(false, |new, part| part.take_all() | new))
}

/// How many counters were reached.
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
