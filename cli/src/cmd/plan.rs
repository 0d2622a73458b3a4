//! `polder plan`: what applying manifests would do, and the command that does exactly that.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::Context;
use super::apply::{Done, How, Step, put, read, steps, tell_lost, tell_notes};
use crate::failure::Failure;
use crate::output::columns::{items, text, word};
use crate::output::{Format, data};

/// Shows what every document would change, and who would lose which address.
///
/// # Errors
/// The first refusal, after what was found before it has been printed; [`Failure::Negative`] when something that was found would
/// refuse the change.
pub async fn run(context: &Context, files: &[PathBuf], how: &How) -> Result<String, Failure> {
    let manifest = read(files)?;
    let how = How { dry_run: true, ..how.clone() };
    let (mut lines, mut found) = (String::new(), Vec::new());
    tell_lost(&manifest);
    for step in steps(&manifest.intents) {
        tell_notes(&step);
        match put(&context.client, &step, &how).await {
            Ok(done) => {
                show(&mut lines, &done);
                found.push((step, done));
            }
            Err(failure) => {
                print!("{lines}");
                eprintln!("{} would be refused:", step.title());
                return Err(failure);
            }
        }
    }
    let acceptable = found.iter().all(|(_, done)| done.is_acceptable());
    let answer = match context.format {
        Format::Json | Format::Yaml => data(&Value::Array(found.iter().map(|(_, done)| whole(done)).collect()), context.format)?,
        Format::Name => found.iter().flat_map(|(_, done)| done.lines(|title, _| format!("{title}\n"))).collect(),
        Format::Table | Format::Wide => {
            if acceptable {
                let _ = write!(lines, "\n{}", command(files, &how, &found));
            }
            lines
        }
    };
    if acceptable { Ok(answer) } else { Err(Failure::Negative(answer)) }
}

/// One call with what it would do, for programs.
fn whole(done: &Done) -> Value {
    let documents: Vec<Value> =
        done.effects.iter().map(|(title, effect)| json!({ "document": title, "effect": effect.word() })).collect();
    json!({ "documents": documents, "answer": done.answer })
}

fn show(lines: &mut String, done: &Done) {
    lines.extend(done.lines(|title, effect| format!("{title} would be {effect}\n")));
    for finding in done.findings() {
        let _ = writeln!(lines, "  ? {finding}");
    }
    for impact in items(&done.answer, &["impact"]).filter(|_| done.changes()) {
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
fn command(files: &[PathBuf], how: &How, found: &[(Step<'_>, Done)]) -> String {
    let changed = found.iter().filter(|(_, done)| done.changes());
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
    for (step, done) in changed {
        if let Some((name, etag)) = step.plan().zip(done.answer["planEtag"].as_str()) {
            let _ = write!(command, " --if-match {name}={etag}");
        }
    }
    command + "\n"
}
