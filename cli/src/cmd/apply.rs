//! `polder apply`: makes what manifests describe, or brings it up to date, in an order in which each object finds what it needs.
//!
//! Each object is a call of its own (`put`), but for several pools, which are one: what has been applied stays when a later call is
//! refused, and applying again goes on.

mod put;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Context;
use crate::failure::Failure;
use crate::manifest::{self, Intent};

pub use self::put::{Done, How, Step, put, steps};

/// Reads every manifest that the paths name: files, folders (their `.yaml`, `.yml` and `.json` files by name), `-`.
///
/// # Errors
/// [`Failure::Local`] for a file that cannot be read, [`Failure::Usage`] for what is wrong in it, and when none has a document.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Intent>, Failure> {
    let mut intents = Vec::new();
    for path in paths.iter().map(|path| files(path)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        intents.extend(manifest::read(&path.display().to_string(), &contents(&path)?)?);
    }
    if intents.is_empty() && !paths.is_empty() {
        let places: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::Usage(format!("there is no document in {}", places.join(", "))));
    }
    intents.sort_by_key(|intent| intent.kind);
    Ok(intents)
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

fn contents(path: &Path) -> Result<String, Failure> {
    if path != Path::new("-") {
        return std::fs::read_to_string(path).map_err(|error| unreadable(path, &error));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| unreadable(path, &error))?;
    Ok(text)
}

/// Applies intents one by one; gives a line for each. Notes go to standard error as they come.
///
/// # Errors
/// [`Failure::Usage`] for an `--if-match` of something that is not applied; the first refusal, after the lines of what went well
/// before it have been printed.
pub async fn run(context: &Context, intents: &[Intent], how: &How) -> Result<String, Failure> {
    let steps = steps(intents);
    how.check(&steps)?;
    let mut lines = String::new();
    let dry = if how.dry_run { " (dry run)" } else { "" };
    for step in &steps {
        tell_notes(step);
        match put(&context.client, step, how).await {
            Ok(done) => {
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
    Ok(lines)
}

/// What of the documents cannot be carried over.
pub(super) fn tell_notes(step: &Step<'_>) {
    for intent in step.intents() {
        for note in &intent.notes {
            eprintln!("note: {}: {note}", intent.title());
        }
    }
}
