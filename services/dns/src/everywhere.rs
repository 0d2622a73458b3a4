//! Waits until every live name server serves a revision, by what each of them says of itself.
//!
//! The words are on leases of the store (see [`crate::progress`]), so that a server that is gone holds nobody up for long. They are
//! read once, then followed by a watch, and read again from time to time: a watch may fall silent without a word.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use polder_core::id::Revision;
use polder_core::reason::{Reason, Refusal};
use polder_proto::stored::ForNames;
use polder_proto::stored::dns::serving::{SERVING, decode};
use polder_runtime::clock;
use polder_store::backend::Batch;
use polder_store::{Error, KeyRange, Mirror};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::names::Names;

/// Name servers read at once.
const PAGE: usize = 1000;
/// The most name servers that are looked at.
const MOST_SERVERS: usize = 5000;
/// The most calls that wait at the same time: each has a watch of its own.
const MOST_WAITERS: usize = 64;
/// The most servers that a refusal names.
const MOST_NAMED: usize = 10;
/// After how long everything is read again, whatever the watch says.
const AGAIN: Duration = Duration::from_secs(2);
/// The pause before another attempt, when the store cannot be read.
const PAUSE: Duration = Duration::from_millis(100);

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Everywhere {
    names: Arc<Names>,
    mirror: Mirror<ForNames>,
    /// The key under which this server says how far it is.
    own: Bytes,
    places: Arc<Semaphore>,
}

impl Everywhere {
    pub(crate) fn new(names: Arc<Names>, mirror: Mirror<ForNames>, server: &str) -> Self {
        let own = format!("{SERVING}{server}").into();
        Self { names, mirror, own, places: Arc::new(Semaphore::new(MOST_WAITERS)) }
    }

    /// The newest change that there is in the store.
    ///
    /// # Errors
    /// When the store cannot be asked, or this server's view does not have it `within` that time.
    pub(crate) async fn newest(&self, within: Duration) -> Result<Revision, Refusal> {
        Ok(self.mirror.latest(within).await?.heads.newest())
    }

    /// Waits until every live server serves `revision`, which this one does already; answers how many these are.
    ///
    /// # Errors
    /// [`Reason::NotServedYet`] with those that do not at the deadline; [`Reason::Overloaded`] where too many wait; when the store
    /// cannot be read.
    pub(crate) async fn wait_for(&self, revision: Revision, until: Instant) -> Result<usize, Refusal> {
        let _place = self.places.try_acquire().map_err(|_| overloaded())?;
        // Servers say the newest change that they serve, and none may be as new as a revision that was only read.
        let wanted = revision.min(self.names.state().heads.newest());
        let began = clock::monotonic();
        let mut words = Words::new(self.own.clone());
        if timeout_at(until, self.follow(wanted, &mut words)).await.is_ok() {
            return Ok(words.said.len());
        }
        match words.unread.take() {
            Some(error) => Err(error.into()),
            None => Err(words.refusal(wanted, until.saturating_duration_since(began))),
        }
    }

    async fn follow(&self, wanted: Revision, words: &mut Words) {
        loop {
            match self.look(wanted, words).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => words.unread = Some(error),
            }
            sleep(PAUSE).await;
        }
    }

    /// Reads all words, then follows them for a while. True when every server serves what is wanted.
    async fn look(&self, wanted: Revision, words: &mut Words) -> Result<bool, Error> {
        let keys = KeyRange::prefix(SERVING);
        let mut pages = self.mirror.store().pages(keys.clone(), PAGE);
        let (mut at, mut fresh) = (Revision(0), Words::new(self.own.clone()));
        while let Some(page) = pages.next().await? {
            at = page.revision;
            page.entries.iter().for_each(|entry| fresh.hear(&entry.key, Some(&entry.value)));
            fresh.too_many = page.more && fresh.said.len() >= MOST_SERVERS;
            if fresh.too_many {
                break;
            }
        }
        *words = fresh;
        if words.reach(wanted) {
            return Ok(true);
        }
        let mut batches = self.mirror.store().watch(keys, at).await?;
        let heard = async {
            while let Some(batch) = batches.next().await {
                words.hear_batch(&batch?);
                if words.reach(wanted) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        timeout(AGAIN, heard).await.unwrap_or(Ok(false))
    }
}

/// What servers say of themselves, by their keys.
struct Words {
    own: Bytes,
    said: BTreeMap<Bytes, Result<Revision, String>>,
    /// Whether there are more servers than are looked at.
    too_many: bool,
    /// Why they could not be read the last time.
    unread: Option<Error>,
}

impl Words {
    const fn new(own: Bytes) -> Self {
        Self { own, said: BTreeMap::new(), too_many: false, unread: None }
    }

    fn hear_batch(&mut self, batch: &Batch) {
        batch.events.iter().for_each(|event| self.hear(&event.key, event.value.as_ref()));
    }

    fn hear(&mut self, key: &Bytes, value: Option<&Bytes>) {
        match value {
            Some(value) => {
                let said = decode(key, value).map(|serving| serving.revision).map_err(|corrupt| corrupt.why);
                self.said.insert(key.clone(), said);
            }
            None => _ = self.said.remove(key),
        }
    }

    /// Whether every server, and this one among them, serves what is wanted.
    fn reach(&self, wanted: Revision) -> bool {
        !self.too_many && self.said.contains_key(&self.own) && self.behind(wanted).next().is_none()
    }

    fn behind(&self, wanted: Revision) -> impl Iterator<Item = (&Bytes, &Result<Revision, String>)> {
        self.said.iter().filter(move |(_, said)| !said.as_ref().is_ok_and(|revision| *revision >= wanted))
    }

    fn refusal(&self, wanted: Revision, within: Duration) -> Refusal {
        let silent = (!self.said.contains_key(&self.own)).then(|| (name(&self.own), "has not said yet how far it is".to_owned()));
        let behind = self.behind(wanted).map(|(key, said)| match said {
            Ok(revision) => (name(key), format!("stands at {revision}")),
            Err(why) => (name(key), format!("says what cannot be read: {why}")),
        });
        let mut laggards: Vec<(String, String)> = silent.into_iter().chain(behind).collect();
        if self.too_many {
            laggards.push(("*".to_owned(), format!("there are more than {MOST_SERVERS} name servers")));
        }
        let more = laggards.len().saturating_sub(MOST_NAMED);
        laggards.truncate(MOST_NAMED);
        let mut told: Vec<String> = laggards.iter().map(|(server, why)| format!("`{server}` {why}")).collect();
        if more > 0 {
            told.push(format!("{more} more are behind"));
        }
        let told = told.join(", ");
        let message =
            format!("Revision {wanted} is not served everywhere after {within:?}: {told}. Wait again, or look at their logs.");
        Refusal::new(Reason::NotServedYet, message).with("revision", wanted).with("laggards", told)
    }
}

/// The server whose key it is.
fn name(key: &Bytes) -> String {
    let text = String::from_utf8_lossy(key);
    text.strip_prefix(SERVING).unwrap_or(&text).to_owned()
}

fn overloaded() -> Refusal {
    let message = format!("{MOST_WAITERS} calls wait for all name servers already. Try again in a moment.");
    Refusal::new(Reason::Overloaded, message).with("limit", MOST_WAITERS).retry_in(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use polder_core::time::Timestamp;
    use polder_proto::stored::dns::serving::{Serving, encode};

    use super::*;

    fn hear(words: &mut Words, server: &str, revision: u64) {
        let (key, value) = encode(&Serving { server: server.to_owned(), revision: Revision(revision), since: Timestamp(1) });
        words.hear(&key.into(), Some(&value.into()));
    }

    #[test]
    fn nobody_may_be_behind_and_this_server_must_have_spoken() {
        let mut words = Words::new("/polder/dns/serving/dns-1".into());
        hear(&mut words, "dns-2", 8);
        assert!(!words.reach(Revision(8)));
        hear(&mut words, "dns-1", 9);
        assert!(words.reach(Revision(8)) && !words.reach(Revision(9)));
        words.hear(&"/polder/dns/serving/dns-2".into(), None);
        assert!(words.reach(Revision(9)));
        words.hear(&"/polder/dns/serving/dns-3".into(), Some(&Bytes::from_static(&[8, 2])));
        assert!(!words.reach(Revision(0)), "what nobody understands is not taken for having it");
        words.too_many = true;
        let refusal = words.refusal(Revision(9), Duration::from_secs(5));
        assert_eq!(
            refusal.metadata["laggards"],
            "`dns-3` says what cannot be read: its form is version 2, this build reads 1, `*` there are more than 5000 name servers"
        );
    }

    #[test]
    fn a_refusal_names_a_few() {
        let mut words = Words::new("/polder/dns/serving/dns-1".into());
        (10..30).for_each(|server| hear(&mut words, &format!("dns-{server}"), 7));
        let refusal = words.refusal(Revision(8), Duration::from_secs(5));
        assert!(refusal.message.contains("`dns-1` has not said yet how far it is, `dns-10` stands at 7"), "{}", refusal.message);
        assert!(refusal.message.contains("`dns-18` stands at 7, 11 more are behind. Wait again"), "{}", refusal.message);
        assert_eq!(refusal.reason, Reason::NotServedYet);
    }
}
