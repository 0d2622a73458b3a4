//! Randomness from the operating system's generator: the one place that draws it.

use std::time::Duration;

use polder_core::id::Entropy;

/// 128 fresh random bits.
#[must_use]
pub fn draw() -> Entropy {
    Entropy(rand::random())
}

/// A duration between half of `base` and the whole of it, so that callers that failed together do not come back together.
#[must_use]
pub fn jittered(base: Duration) -> Duration {
    base.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(draw(), draw());
    }

    #[test]
    fn jitter_stays_between_half_and_whole() {
        let base = Duration::from_millis(100);
        for _ in 0..1000 {
            let got = jittered(base);
            assert!(got >= base / 2 && got <= base, "{got:?}");
        }
    }
}
