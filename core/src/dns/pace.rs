//! So many in a second, whoever comes first.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits of the count; the rest is the second, which begins again after a century.
const COUNT_BITS: u32 = 32;

/// Lets a bounded number pass in every second. Shared by threads; none waits for another.
#[derive(Debug)]
pub struct Pace {
    most: u32,
    /// The newest second, and how many have passed in it.
    passed: AtomicU64,
}

impl Pace {
    /// At most so many in a second.
    #[must_use]
    pub const fn new(most: u32) -> Self {
        Self { most, passed: AtomicU64::new(0) }
    }

    /// Whether one more may pass in this second; seconds are counted from any start.
    #[must_use]
    pub fn pass(&self, second: u64) -> bool {
        // Nothing else is read by what is written here.
        let one_more = self.passed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |passed| {
            let (newest, count) = (passed >> COUNT_BITS, passed & u64::from(u32::MAX));
            match second & u64::from(u32::MAX) {
                second if second > newest => (self.most > 0).then_some(second << COUNT_BITS | 1),
                _ => (count < u64::from(self.most)).then_some(passed + 1),
            }
        });
        one_more.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_second_has_more_and_none_has_less_than_comes(most in 0_u32..5, steps in prop::collection::vec(0_u64..3, 1..100)) {
            let (pace, mut second) = (Pace::new(most), 0);
            let (mut came, mut passed) = (HashMap::<u64, u32>::new(), HashMap::<u64, u32>::new());
            for step in steps {
                second += step;
                *came.entry(second).or_default() += 1;
                *passed.entry(second).or_default() += u32::from(pace.pass(second));
            }
            for (second, came) in came {
                prop_assert_eq!(passed[&second], came.min(most));
            }
        }
    }

    #[test]
    fn threads_share_it() {
        let pace = Pace::new(100);
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..1000).filter(|_| pace.pass(7)).count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 100);
    }
}
