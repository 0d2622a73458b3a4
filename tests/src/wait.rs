//! Waiting for a condition instead of for luck.

use std::time::{Duration, Instant};

/// The longest that anything may take on a busy machine before it counts as broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until the answer is good, and gives it.
///
/// # Panics
/// With the last complaint when it has not become good in time.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(value) => return value,
            Err(complaint) => assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}; last: {complaint}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
