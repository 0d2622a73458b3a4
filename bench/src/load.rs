//! Load in closed loops: every caller waits for its answer before it asks again, as an agent does. So the number of callers is
//! the number of calls under way, and a slow answer lowers the rate instead of building a queue outside the measurement.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use polder_runtime::clock::monotonic;
use polder_runtime::tasks::Failure;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::machine::cpu_time;

/// The longest latency that is told apart, in microseconds.
const LONGEST: u64 = 120_000_000;

/// One caller of a case.
pub trait Caller: Send + 'static {
    /// Makes one call and waits for its answer. `false` when there was nothing left to ask for.
    ///
    /// # Errors
    /// Whatever makes the case worthless.
    fn call(&mut self) -> impl Future<Output = Result<bool, Failure>> + Send;
}

/// When a case is measured.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Load without measurement, until connections, caches and batches have found their size.
    pub warm_up: Duration,
    /// The time measured.
    pub measured: Duration,
}

/// What a case came to.
#[derive(Debug)]
pub struct Measured {
    /// Callers at once.
    pub callers: usize,
    /// Calls that were answered, the warm-up included.
    pub answered: u64,
    cpu: Option<Duration>,
    elapsed: Duration,
    micros: Histogram<u64>,
}

impl Measured {
    /// Answers per second of the window.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.micros.len() as f64 / seconds } else { 0.0 }
    }

    /// Processor time of this whole process per call in microseconds, the callers' own share included; `None` where the system
    /// does not tell. Unlike rates it says the same on a machine that others use as well.
    #[must_use]
    pub fn cpu_micros(&self) -> Option<f64> {
        Some(self.cpu?.as_secs_f64() * 1e6 / self.answered.max(1) as f64)
    }

    /// The latency in milliseconds that the share `quantile` of the measured calls stayed within.
    #[must_use]
    pub fn millis(&self, quantile: f64) -> f64 {
        self.micros.value_at_quantile(quantile) as f64 / 1000.0
    }
}

/// Runs all callers at once, through the warm-up and the window, and hands them back in their order with the figures.
///
/// # Errors
/// The first failure of a caller.
pub async fn drive<C: Caller>(callers: Vec<C>, window: Window) -> Result<(Measured, Vec<C>), Failure> {
    let spent = cpu_time();
    let from = monotonic() + window.warm_up;
    let until = from + window.measured;
    let mut measured = Measured { callers: callers.len(), answered: 0, cpu: None, elapsed: Duration::ZERO, micros: histogram()? };
    let numbered = callers.into_iter().enumerate();
    let mut loops: JoinSet<_> = numbered.map(|(number, caller)| async move { (number, turn(caller, from, until).await) }).collect();
    let (mut idle, mut last) = (BTreeMap::new(), from);
    let mut all_done = true;
    while let Some(ended) = loops.join_next().await {
        let (number, tally) = ended?;
        let tally = tally?;
        measured.answered += tally.answered;
        measured.micros.add(&tally.micros)?;
        last = last.max(tally.last);
        all_done &= tally.done;
        idle.insert(number, tally.caller);
    }
    // Callers that ran out of work have a window of their own: until the last answer.
    measured.elapsed = if all_done { last - from } else { window.measured };
    measured.cpu = cpu_time().zip(spent).map(|(now, before)| now.saturating_sub(before));
    Ok((measured, idle.into_values().collect()))
}

struct Tally<C> {
    caller: C,
    answered: u64,
    micros: Histogram<u64>,
    last: Instant,
    done: bool,
}

async fn turn<C: Caller>(caller: C, from: Instant, until: Instant) -> Result<Tally<C>, Failure> {
    let mut tally = Tally { caller, answered: 0, micros: histogram()?, last: from, done: false };
    loop {
        let begun = monotonic();
        if begun >= until {
            return Ok(tally);
        }
        if !tally.caller.call().await? {
            tally.done = true;
            return Ok(tally);
        }
        let ended = monotonic();
        tally.answered += 1;
        if (from..=until).contains(&ended) {
            tally.micros.saturating_record(u64::try_from((ended - begun).as_micros())?);
            tally.last = ended;
        }
    }
}

fn histogram() -> Result<Histogram<u64>, Failure> {
    Ok(Histogram::new_with_bounds(1, LONGEST, 3)?)
}

/// The quantiles of a list of durations, for probes that are no load.
///
/// # Errors
/// None in practice: the bounds of the histogram are fixed.
pub(crate) fn summary(samples: &[Duration]) -> Result<Histogram<u64>, Failure> {
    let mut histogram = histogram()?;
    for sample in samples {
        histogram.saturating_record(u64::try_from(sample.as_micros())?);
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { warm_up: Duration::from_millis(100), measured: Duration::from_millis(400) };

    struct Sleeper {
        each: Duration,
        left: u64,
    }

    impl Caller for Sleeper {
        async fn call(&mut self) -> Result<bool, Failure> {
            if self.left == 0 {
                return Ok(false);
            }
            self.left -= 1;
            tokio::time::sleep(self.each).await;
            Ok(true)
        }
    }

    fn sleepers(count: usize, left: u64) -> Vec<Sleeper> {
        (0..count).map(|_| Sleeper { each: Duration::from_millis(10), left }).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_warm_up_is_answered_and_not_measured() {
        let (measured, idle) = drive(sleepers(3, u64::MAX), WINDOW).await.unwrap();
        assert_eq!((measured.callers, idle.len()), (3, 3));
        assert!(measured.answered >= 3 * 45, "{}", measured.answered);
        let rate = measured.per_second();
        assert!((250.0..=310.0).contains(&rate), "three callers, each 100 times a second: {rate}");
        assert!((9.0..13.0).contains(&measured.millis(0.5)));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_early_is_measured_until_its_last_answer() {
        let window = Window { warm_up: Duration::ZERO, ..WINDOW };
        let (measured, _) = drive(sleepers(1, 10), window).await.unwrap();
        assert_eq!(measured.answered, 10);
        let rate = measured.per_second();
        assert!((80.0..=101.0).contains(&rate), "ten calls in a tenth of a second, not in the whole window: {rate}");
    }

    #[tokio::test]
    async fn a_failure_ends_the_case() {
        struct Broken;
        impl Caller for Broken {
            async fn call(&mut self) -> Result<bool, Failure> {
                Err("broken".into())
            }
        }
        assert!(drive(vec![Broken], WINDOW).await.is_err());
    }
}
