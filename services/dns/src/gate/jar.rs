//! The secrets of cookies: of a file that all servers at one address have alike, or drawn. A cookie lasts for an hour, so the secret
//! before stays good when there is a new one. A crash loses drawn secrets: clients get fresh cookies, and nothing worse.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use polder_core::dns::cookie::{Checked, Secret, Secrets};
use polder_core::reason::Malformed;
use polder_runtime::{clock, entropy};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How long a drawn secret is in use (RFC 7873 §7.1 wants less than 36 days).
const ROLL: Duration = Duration::from_secs(24 * 3600);
/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(30);
/// A file of secrets is short: more of it is not read.
const MOST_BYTES: usize = 4096;

/// Where secrets come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// The first line of the file is the secret, the second, if there is one, another that is still or already good.
    File(PathBuf),
    Drawn,
}

/// Why a file of secrets is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadSecrets {
    #[error("the file of secrets {} cannot be read: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("line {line} of the file of secrets {}: {error}", .path.display())]
    Malformed { path: PathBuf, line: usize, error: Malformed },
    #[error("the file of secrets {} has {lines} lines with secrets; one, or two with another that is good too, are wanted", .path.display())]
    Lines { path: PathBuf, lines: usize },
}

/// See the module.
pub(crate) struct Jar {
    source: Source,
    secrets: ArcSwap<Secrets>,
}

impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jar").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Jar {
    /// # Errors
    /// When the file has no secrets.
    pub(crate) fn open(source: Source) -> Result<Self, BadSecrets> {
        let secrets = match &source {
            Source::File(path) => read(path)?,
            Source::Drawn => Secrets { current: draw(), other: None },
        };
        Ok(Self { source, secrets: ArcSwap::from_pointee(secrets) })
    }

    /// Looks at the cookie of a query that has one.
    pub(crate) fn check(&self, query: &[u8], client: IpAddr) -> Option<Checked> {
        Checked::read(query, client, &self.secrets.load(), clock::now().seconds())
    }

    /// Follows the file, or rolls what was drawn, until `stop`.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut turns = interval(if matches!(self.source, Source::Drawn) { ROLL } else { LOOK });
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        turns.reset();
        while stop.run_until_cancelled(turns.tick()).await.is_some() {
            let jar = Arc::clone(&self);
            // Only a panic could make it fail; the secrets stay as they are then.
            drop(tokio::task::spawn_blocking(move || jar.renew()).await);
        }
    }

    fn renew(&self) {
        let before = **self.secrets.load();
        let next = match &self.source {
            Source::Drawn => Secrets { current: draw(), other: Some(before.current) },
            Source::File(path) => match read(path) {
                Ok(secrets) => secrets,
                Err(error) => return tracing::warn!("cookies stay as they are: {error}"),
            },
        };
        if next != before {
            tracing::info!("new secrets of cookies");
            self.secrets.store(Arc::new(next));
        }
    }
}

fn draw() -> Secret {
    Secret::new(entropy::draw().0.to_be_bytes())
}

/// Reads a file of secrets. Empty lines, and lines that begin with `#`, say nothing.
fn read(path: &Path) -> Result<Secrets, BadSecrets> {
    let text = std::fs::read_to_string(path).map_err(|source| BadSecrets::Unreadable { path: path.to_owned(), source })?;
    let text = text.get(..MOST_BYTES).unwrap_or(&text);
    let said = |(_, line): &(usize, &str)| !line.is_empty() && !line.starts_with('#');
    let lines: Vec<(usize, &str)> = (1..).zip(text.lines().map(str::trim)).filter(said).collect();
    let secret =
        |&(line, text): &(usize, &str)| text.parse().map_err(|error| BadSecrets::Malformed { path: path.to_owned(), line, error });
    match lines.as_slice() {
        [current] => Ok(Secrets { current: secret(current)?, other: None }),
        [current, other] => Ok(Secrets { current: secret(current)?, other: Some(secret(other)?) }),
        lines => Err(BadSecrets::Lines { path: path.to_owned(), lines: lines.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
    const SECOND: &str = "445536bcd2513298075a5d379663c962";

    fn secrets(current: &str, other: Option<&str>) -> Secrets {
        Secrets { current: current.parse().unwrap(), other: other.map(|text| text.parse().unwrap()) }
    }

    #[test]
    fn a_file_has_one_secret_or_two() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        let read_text = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).map_err(|error| error.to_string())
        };
        assert_eq!(read_text(FIRST), Ok(secrets(FIRST, None)));
        assert_eq!(read_text(&format!("# now\n{FIRST}\n\n# before\n {SECOND} \n")), Ok(secrets(FIRST, Some(SECOND))));
        assert!(read_text("").unwrap_err().contains("has 0 lines"));
        assert!(read_text(&format!("{FIRST}\n{SECOND}\n{FIRST}")).unwrap_err().contains("has 3 lines"));
        let refused = read_text(&format!("{FIRST}\nsecret")).unwrap_err();
        assert!(refused.contains("line 2") && !refused.contains(FIRST), "{refused}");
    }

    #[test]
    fn new_secrets_are_taken_and_the_one_before_stays_good() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        std::fs::write(&path, FIRST).unwrap();
        let jar = Jar::open(Source::File(path.clone())).unwrap();
        std::fs::write(&path, format!("{SECOND}\n{FIRST}")).unwrap();
        jar.renew();
        assert_eq!(**jar.secrets.load(), secrets(SECOND, Some(FIRST)));
        std::fs::remove_file(&path).unwrap();
        jar.renew();
        assert_eq!(**jar.secrets.load(), secrets(SECOND, Some(FIRST)));
        assert!(Jar::open(Source::File(path)).unwrap_err().to_string().contains("cannot be read"));

        let jar = Jar::open(Source::Drawn).unwrap();
        let first = jar.secrets.load().current;
        jar.renew();
        let after = **jar.secrets.load();
        assert!(after.current != first && after.other == Some(first));
    }
}
