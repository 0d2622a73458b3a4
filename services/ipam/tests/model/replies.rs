//! What callers were told, held against what happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_core::cluster::Cluster;
use polder_core::id::Revision;
use polder_core::reason::{Reason, Refusal};
use polder_core::time::Timestamp;
use polder_proto::convert::ipam as convert;
use polder_proto::ipam::v1::{AllocateAddressesRequest, Allocation, BatchAllocateAddressesResponse};

use crate::calls::{Ask, Reply};
use crate::checker::{Checker, ensure};
use crate::history::{Outcome, Sent};
use crate::oracle::Oracle;
use crate::replay;

/// Judges replies; remembers which bodies went under which id.
#[derive(Default)]
pub(crate) struct Replies {
    bodies: BTreeMap<String, Vec<Arc<Ask>>>,
    /// How many refusals were shown to be right, by reason.
    pub(crate) refused: BTreeMap<Reason, usize>,
    pub(crate) answered: usize,
    pub(crate) repeated: usize,
}

impl Replies {
    /// Takes everything that was sent and has ended.
    ///
    /// # Errors
    /// What was told wrongly.
    pub(crate) fn take(&mut self, checker: &Checker, sent: &[Sent]) -> Result<(), String> {
        for one in sent.iter().filter(|one| !one.ask.id().is_empty()) {
            let bodies = self.bodies.entry(one.ask.id().to_owned()).or_default();
            if !bodies.contains(&one.ask) {
                bodies.push(Arc::clone(&one.ask));
            }
        }
        for one in sent {
            let judged = match &one.outcome {
                Outcome::Lost => Ok(()),
                Outcome::Answered(reply) => self.answer(checker, one, reply),
                Outcome::Refused(refusal) => self.refusal(checker, one, refusal),
            };
            judged.map_err(|why| format!("{why}\n  as {} was told: {one:#?}", one.actor))?;
        }
        Ok(())
    }

    fn answer(&mut self, checker: &Checker, sent: &Sent, reply: &Reply) -> Result<(), String> {
        self.answered += 1;
        if sent.ask.is_dry() {
            return tried_out(checker, sent);
        }
        if let Reply::BatchAllocateAddresses(answer) = reply {
            return batch(checker, sent, answer);
        }
        let own = checker.by_actor.get(&sent.actor).and_then(|entries| entries.last());
        if sent.ask.id().is_empty() {
            return match own {
                Some(own) => is_in_time(sent, own.revision, reply),
                None => stands(checker, sent, reply),
            };
        }
        // 4: the one answer that the id was given, byte for byte, from whomever and however often it is asked.
        let entry = checker.by_id.get(sent.ask.id()).ok_or("an answer under an id that nothing is recorded of")?;
        let first = checker.ask(&entry.entry.actor).ok_or("an entry of nobody")?;
        ensure(first == sent.ask, || format!("the answer to another request under the id: {first:#?}"))?;
        let recorded = sent.ask.recorded(&entry.entry.answer, entry.revision.0);
        ensure(recorded == *reply, || format!("the first answer was {recorded:#?}"))?;
        ensure(entry.revision <= sent.ended.0, || "an answer from the future".to_owned())?;
        if entry.entry.actor == sent.actor {
            return is_in_time(sent, entry.revision, reply);
        }
        self.repeated += 1;
        Ok(())
    }

    fn refusal(&mut self, checker: &Checker, sent: &Sent, refusal: &Refusal) -> Result<(), String> {
        *self.refused.entry(refusal.reason).or_default() += 1;
        let id = sent.ask.id();
        if refusal.reason == Reason::RequestIdReused {
            let others = self.bodies.get(id).is_some_and(|bodies| bodies.iter().any(|body| *body != sent.ask));
            return ensure(others, || "the id was never used for anything else".to_owned());
        }
        if !id.is_empty()
            && !sent.ask.is_dry()
            && let Some(entry) = checker.by_id.get(id).filter(|entry| entry.revision <= sent.began.0)
            && checker.ask(&entry.entry.actor).as_ref() == Some(&sent.ask)
        {
            return Err(format!("the id was answered before, at {}", entry.revision));
        }
        is_right(checker, sent, &sent.ask, refusal.reason)
    }
}

/// 20: what was only tried out could have been done at some moment between the question and the answer.
fn tried_out(checker: &Checker, sent: &Sent) -> Result<(), String> {
    let could = |now: Timestamp| {
        let mut moments = checker.between(sent.began.0, sent.ended.0);
        moments.any(|(at, cluster)| replay::decide(&sent.ask, cluster, now.max(at)).is_ok())
    };
    ensure(sent.times().any(could), || "it could have been done at no moment".to_owned())
}

/// The change happened between the question and the answer.
fn is_in_time(sent: &Sent, revision: Revision, reply: &Reply) -> Result<(), String> {
    ensure(reply.revision() == revision.0, || format!("the change is in {revision}"))?;
    let in_time = sent.began.0 < revision && revision <= sent.ended.0;
    ensure(in_time, || format!("the change in {revision} happened at another time"))
}

/// An answer that changed nothing was true at some moment between the question and the answer.
fn stands(checker: &Checker, sent: &Sent, reply: &Reply) -> Result<(), String> {
    let mut moments = checker.between(sent.began.0, sent.ended.0);
    let stood = match reply {
        Reply::AllocateAddresses(answer) => {
            ensure(answer.existing, || "an allocation that is not in".to_owned())?;
            let given = answer.allocation.as_ref().ok_or("an answer without an allocation")?;
            moments.any(|(_, cluster)| is_held(cluster, given))
        }
        Reply::ReleaseAddresses(answer) => {
            ensure(answer.released.is_empty(), || "a release that is not in".to_owned())?;
            moments.any(|(at, cluster)| replay::decide(&sent.ask, cluster, at).is_ok_and(|changes| changes.is_empty()))
        }
        Reply::DeleteNode(_) => false,
        _ => moments.any(|(at, cluster)| {
            let unchanged =
                |now: Timestamp| replay::decide(&sent.ask, cluster, at.max(now)).is_ok_and(|changes| changes.is_empty());
            sent.times().any(unchanged)
        }),
    };
    ensure(stood, || "an answer that was true at no moment".to_owned())
}

fn is_held(cluster: &Cluster, given: &Allocation) -> bool {
    let held = cluster.ipam.by_handle(&given.handle);
    held.is_some_and(|held| {
        let addresses = held.holdings.iter().map(|holding| holding.address.to_string());
        held.meta.uid.to_string() == given.uid && addresses.eq(given.addresses.iter().map(|one| one.address.clone()))
    })
}

/// 7: every item of a batch is in as a whole, or refused for a reason that held.
fn batch(checker: &Checker, sent: &Sent, answer: &BatchAllocateAddressesResponse) -> Result<(), String> {
    use polder_proto::ipam::v1::batch_allocate_addresses_result::Result as Item;
    let Ask::BatchAllocateAddresses(request) = &*sent.ask else { return Err("an answer to something else".to_owned()) };
    ensure(answer.results.len() == request.specs.len(), || "not one result for each item".to_owned())?;
    for (at, (spec, result)) in request.specs.iter().zip(&answer.results).enumerate() {
        let entry = checker.by_id.get(&format!("{}#{at}", request.request_id));
        match result.result.as_ref().ok_or("an item without a result")? {
            Item::Allocation(given) => {
                // The first answer is given again, also long after; it stands from the revision before that of its batch.
                let from = entry.map_or(sent.began.0, |entry| Revision(entry.revision.0 - 1).min(sent.began.0));
                let was = checker.between(from, sent.ended.0).any(|(_, cluster)| is_held(cluster, given));
                ensure(was, || format!("item {at} never had {given:?}"))?;
            }
            Item::Refusal(refusal) => {
                let reason: Reason = refusal.reason.parse().map_err(|()| format!("no reason: {}", refusal.reason))?;
                let item = AllocateAddressesRequest { spec: Some(spec.clone()), ..Default::default() };
                let passing = crate::calls::is_passing(&Refusal::new(reason, ""));
                if !passing && reason != Reason::RequestIdReused {
                    is_right(checker, sent, &Ask::AllocateAddresses(item), reason)?;
                }
            }
        }
    }
    Ok(())
}

/// 17: a refusal held at some moment between the question and the answer; one for want of addresses not only by the service's own
/// planner, but as nobody finds a free address who looks at each.
fn is_right(checker: &Checker, sent: &Sent, ask: &Ask, reason: Reason) -> Result<(), String> {
    let held = |now: Timestamp| {
        let mut moments = checker.between(sent.began.0, sent.ended.0);
        moments.any(|(at, cluster)| {
            let decided = replay::decide(ask, cluster, now.max(at));
            decided.is_err_and(|refusal| refusal.reason == reason) && exhausted(ask, cluster, reason, sent.began.1)
        })
    };
    ensure(sent.times().any(held), || format!("{} held at no moment", reason.as_str()))
}

fn exhausted(ask: &Ask, cluster: &Cluster, reason: Reason, now: Timestamp) -> bool {
    let (Ask::AllocateAddresses(request), true) =
        (ask, matches!(reason, Reason::PoolExhausted | Reason::BlockLimit | Reason::NoEligiblePool))
    else {
        return true;
    };
    let Ok(wish) = convert::allocation::allocate(request) else { return true };
    let named = !wish.wish.addresses.is_empty() || wish.wish.reservation.is_some();
    named || Oracle::at(cluster).is_exhausted(&wish.wish, now)
}
