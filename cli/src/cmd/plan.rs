//! `polder plan`: what applying manifests would do, and the command that does exactly that.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::Context;
use super::apply::{Done, Effect, How, put, read, tell_notes};
use crate::failure::Failure;
use crate::manifest::Intent;
use crate::output::columns::{items, text, word};
use crate::output::{Format, data};

/// Shows what every document would change, and who would lose which address.
///
/// # Errors
/// The first refusal, after what was found before it has been printed; [`Failure::Negative`] when something that was found would
/// refuse the change.
pub async fn run(context: &Context, files: &[PathBuf], how: &How) -> Result<String, Failure> {
    let intents = read(files)?;
    let how = How { dry_run: true, ..how.clone() };
    let (mut lines, mut whole, mut acceptable) = (String::new(), Vec::new(), true);
    for intent in &intents {
        tell_notes(intent);
        let done = match put(&context.client, intent, &how).await {
            Ok(done) => done,
            Err(failure) => {
                print!("{lines}");
                eprintln!("{} would be refused:", intent.title());
                return Err(failure);
            }
        };
        acceptable &= done.is_acceptable();
        show(&mut lines, intent, &done);
        whole.push(json!({ "document": intent.title(), "effect": done.effect.word(), "answer": done.answer }));
    }
    let answer = match context.format {
        Format::Json | Format::Yaml => data(&Value::Array(whole), context.format)?,
        Format::Name => whole.iter().map(|one| format!("{}\n", text(one, &["document"]))).collect(),
        Format::Table | Format::Wide => {
            if acceptable {
                let _ = write!(lines, "\n{}", command(files, &how, &whole));
            }
            lines
        }
    };
    if acceptable { Ok(answer) } else { Err(Failure::Negative(answer)) }
}

fn show(lines: &mut String, intent: &Intent, done: &Done) {
    let _ = writeln!(lines, "{} would be {}", intent.title(), done.effect.word());
    for finding in done.findings() {
        let _ = writeln!(lines, "  ? {finding}");
    }
    for impact in items(&done.answer, &["impact"]).filter(|_| done.effect != Effect::Unchanged) {
        let sign = match word(impact, &["action"], "IMPACT_ACTION_").as_str() {
            "create" => '+',
            "delete" => '-',
            "evict" => '!',
            _ => '~',
        };
        let _ = writeln!(lines, "  {sign} {}", text(impact, &["description"]));
    }
}

/// The command that makes what was shown, and nothing else.
fn command(files: &[PathBuf], how: &How, whole: &[Value]) -> String {
    let changed = whole.iter().filter(|one| one["effect"] != Effect::Unchanged.word());
    if changed.clone().next().is_none() {
        return "Nothing would change.\n".to_owned();
    }
    let mut command = "To do exactly this: polder apply".to_owned();
    for file in files {
        let _ = write!(command, " -f {}", file.display());
    }
    if how.allow_eviction {
        command.push_str(" --allow-eviction");
    }
    for reason in &how.accepted {
        let _ = write!(command, " --accept {reason}");
    }
    for one in changed {
        if let Some(etag) = one["answer"]["planEtag"].as_str() {
            let _ = write!(command, " --if-match {}={etag}", text(one, &["document"]));
        }
    }
    command + "\n"
}
