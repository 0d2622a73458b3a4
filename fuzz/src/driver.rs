//! Runs targets: first the corpus as it is, then what becomes of it by mutation.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use crate::mutate::{Random, mutate};
use crate::targets::Target;

mod coverage;

/// The most inputs that are built on at a time; the corpus and the newest findings stay.
const MOST_KEPT: usize = 4096;

/// When a run ends.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After this many mutated inputs.
    Iterations(u64),
    /// After this long.
    Time(Duration),
}

/// What a run did.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Mutated inputs that were run.
    pub iterations: u64,
    /// Inputs that were kept because they reached new code; the corpus not counted.
    pub kept: usize,
    /// Places in the instrumented code that were reached; 0 without instrumentation.
    pub reached: usize,
}

/// The seed of `POLDER_FUZZ_SEED`, or always the same one.
#[must_use]
pub fn seed() -> u64 {
    number("POLDER_FUZZ_SEED").unwrap_or(1)
}

/// The iterations of `POLDER_FUZZ_ITERATIONS`, or `usual`.
#[must_use]
pub fn iterations(usual: u64) -> Until {
    Until::Iterations(number("POLDER_FUZZ_ITERATIONS").unwrap_or(usual))
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// Where the kept inputs of a target lie.
#[must_use]
pub fn corpus_of(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// The kept inputs of a target, in the order of their names.
///
/// # Panics
/// When there are none: a target without a corpus begins from nothing and finds nothing.
#[must_use]
pub fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = corpus_of(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<(String, Vec<u8>)> = files
        .map(|file| file.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs
}

/// Replays the corpus, then mutates it.
///
/// # Panics
/// When the target does; the seed, the iteration and the input are printed before.
pub fn run(target: &Target, seed: u64, until: Until) -> Outcome {
    coverage::forget();
    let mut inputs = Vec::new();
    for (name, input) in corpus(target) {
        guarded(target, &input, || format!("corpus/{}/{name}", target.name));
        inputs.push(input);
    }
    coverage::take();
    let (begin, given) = (Instant::now(), inputs.len());
    let mut random = Random::new(seed);
    let (mut iterations, mut kept) = (0, 0);
    while match until {
        Until::Iterations(most) => iterations < most,
        Until::Time(most) => begin.elapsed() < most,
    } {
        iterations += 1;
        let mut input = inputs[random.below(inputs.len())].clone();
        let other = random.below(inputs.len());
        mutate(&mut input, &inputs[other], target.shape, &mut random);
        let again = || format!("iteration {iterations}; again with POLDER_FUZZ_SEED={seed} POLDER_FUZZ_ITERATIONS={iterations}");
        guarded(target, &input, again);
        if coverage::take() {
            kept += 1;
            match inputs.len() < MOST_KEPT {
                true => inputs.push(input),
                false => inputs[given + kept % (MOST_KEPT - given)] = input,
            }
        }
    }
    Outcome { iterations, kept, reached: coverage::reached() }
}

fn guarded(target: &Target, input: &[u8], which: impl Fn() -> String) {
    // A target keeps nothing between inputs, so that nothing can be left half done.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        eprintln!("target {}, {}\ninput: b\"{}\"", target.name, which(), input.escape_ascii());
        resume_unwind(panic);
    }
}
