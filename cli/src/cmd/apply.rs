//! `polder apply`: makes what manifests describe, or brings it up to date, in an order in which each object finds what it needs.
//!
//! Each object is a call of its own (`put`), but for several pools, which are one: what has been applied stays when a later call is
//! refused, and applying again goes on.

mod put;
mod wait;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Context;
use crate::failure::Failure;
use crate::manifest::{Manifest, Reader};

pub use self::put::{Done, How, Step, put, steps};
pub use self::wait::Newest;

/// Reads every manifest that the paths name: files, folders (their `.yaml`, `.yml` and `.json` files by name), `-`.
///
/// # Errors
/// [`Failure::Local`] for a file that cannot be read, [`Failure::Usage`] for what is wrong in it, and when none has a document.
pub fn read(paths: &[PathBuf]) -> Result<Manifest, Failure> {
    let mut reader = Reader::default();
    for path in paths.iter().map(|path| files(path)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        reader.add(&path.display().to_string(), &contents(&path)?)?;
    }
    let manifest = reader.finish()?;
    if manifest.documents == 0 && !paths.is_empty() {
        let places: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::Usage(format!("there is no document in {}", places.join(", "))));
    }
    Ok(manifest)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Local(format!("{} cannot be read: {error}", path.display()))
}

fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
    let is_manifest = |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
    let mut found: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_manifest).collect();
    found.sort();
    Ok(found)
}

/// The text of a file, of standard input for `-`.
pub(super) fn contents(path: &Path) -> Result<String, Failure> {
    if path != Path::new("-") {
        return std::fs::read_to_string(path).map_err(|error| unreadable(path, &error));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| unreadable(path, &error))?;
    Ok(text)
}

/// Applies intents one by one; gives a line for each. Notes go to standard error as they come. With a wait it is over when every
/// node and name server has the last change, or the time is up.
///
/// # Errors
/// [`Failure::Usage`] for an `--if-match` of something that is not applied; the first refusal, after the lines of what went well
/// before it have been printed; [`Failure::Late`] when the wait was too short.
pub async fn run(context: &Context, manifest: &Manifest, how: &How) -> Result<String, Failure> {
    let steps = steps(&manifest.intents);
    how.check(&steps)?;
    tell_lost(manifest);
    let at_once = How { wait: None, ..how.clone() };
    let mut newest = Newest::default();
    let mut lines = String::new();
    let dry = if how.dry_run { " (dry run)" } else { "" };
    for (at, step) in steps.iter().enumerate() {
        tell_notes(step);
        // Who has the last change has those before it, so one wait is enough.
        let how = if at + 1 == steps.len() { how } else { &at_once };
        match put(&context.client, step, how).await {
            Ok(done) => {
                newest.see(&done.answer);
                for finding in done.findings() {
                    eprintln!("note: {finding}");
                }
                lines.extend(done.lines(|title, effect| format!("{title} {effect}{dry}\n")));
            }
            Err(failure) => {
                print!("{lines}");
                let verb = if step.intents().len() == 1 { "is" } else { "are" };
                eprintln!("{} {verb} refused:", step.title());
                return Err(failure);
            }
        }
    }
    match how.wait {
        Some(limit) => newest.tell(&context.client, limit, context.now, lines).await,
        None => Ok(lines),
    }
}

/// What of documents that are no object of their own cannot be carried over.
pub(super) fn tell_lost(manifest: &Manifest) {
    for note in &manifest.notes {
        eprintln!("note: {note}");
    }
}

/// What of the documents cannot be carried over.
pub(super) fn tell_notes(step: &Step<'_>) {
    for intent in step.intents() {
        for note in &intent.notes {
            eprintln!("note: {}: {note}", intent.title());
        }
    }
}
