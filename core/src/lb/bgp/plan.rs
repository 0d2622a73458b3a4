//! What a request does to a peer or an advertisement: create, update, delete. Pure: a state and a request give a decision or a
//! refusal.
//!
//! Pools and nodes belong to others: what becomes of them afterwards is not refused there. Routes follow from the state as it is,
//! and [`conditions`](super::conditions) say what has become wrong. Nor is it a reason to refuse a change of something else, such
//! as labels, of the peer or advertisement concerned.

use std::fmt::Debug;
use std::sync::Arc;

use super::super::Change;
use super::record::{AdvertisementSpec, BgpAdvertisement, BgpPeer, PeerSpec};
use super::rivals::rival;
use super::rules;
use super::secret::Password;
use crate::cluster::Cluster;
use crate::meta::Meta;
use crate::net::{Label, Labels};
use crate::reason::{Reason, Refusal};
use crate::schema::{Domain, PlanContext};

/// The domains that a decision about BGP rests on: its own records; nodes and services, by their labels; pools.
pub const READS: [Domain; 4] = [Domain::LbAnnouncements, Domain::LbServices, Domain::IpamNodes, Domain::IpamPools];

const ADVERTISEMENT: &str = "bgp_advertisement.";

/// A record of BGP: what peers and advertisements have in common.
pub trait Record: Clone + PartialEq + Debug + Send + Sync + 'static {
    /// What it is called in references and refusals.
    const KIND: &'static str;
    /// Why there is none.
    const MISSING: Reason;
    /// What a caller may say about one.
    type Draft: Clone + Debug + Send + 'static;

    /// Its name.
    fn name(&self) -> &Label;
    /// Identity, version, times.
    fn meta(&self) -> &Meta;
    /// The record with other meta data.
    fn with_meta(&self, meta: Meta) -> Self;
    /// The record with this name.
    fn of<'a>(cluster: &'a Cluster, name: &Label) -> Option<&'a Arc<Self>>;
    /// The change that puts or deletes it.
    fn change(name: Label, record: Option<Arc<Self>>) -> Change;

    /// A new one.
    ///
    /// # Errors
    /// [`Reason::AlreadyExists`], [`Reason::BgpAdvertisementConflict`]; [`Reason::BgpPeerDuplicate`] for a peer; every field of an
    /// advertisement that names what is not there.
    fn create(cluster: &Cluster, draft: Self::Draft, context: PlanContext) -> Result<Decision<Self>, Refusal>;
    /// What is there, as the draft says. The password of a peer stays unless the draft says otherwise.
    ///
    /// # Errors
    /// [`Self::MISSING`], and those of [`Self::create`] apart from [`Reason::AlreadyExists`].
    fn update(cluster: &Cluster, draft: Self::Draft, context: PlanContext) -> Result<Decision<Self>, Refusal>;
    /// Whether nothing holds it back from its end.
    ///
    /// # Errors
    /// [`Reason::BgpPeerInUse`] with the advertisements that name a peer.
    fn may_end(cluster: &Cluster, name: &Label) -> Result<(), Refusal>;

    /// Its end.
    ///
    /// # Errors
    /// [`Self::MISSING`], [`Reason::EtagMismatch`], and those of [`Self::may_end`].
    fn delete(cluster: &Cluster, name: &Label, etag: &str) -> Result<Decision<Self>, Refusal> {
        let before = Self::find(cluster, name)?;
        before.meta().check_etag(Self::KIND, name.as_str(), etag)?;
        Self::may_end(cluster, name)?;
        Ok(Decision { before: Some(Arc::clone(before)), after: None })
    }

    /// The record with this name.
    ///
    /// # Errors
    /// [`Self::MISSING`].
    fn find<'a>(cluster: &'a Cluster, name: &Label) -> Result<&'a Arc<Self>, Refusal> {
        Self::of(cluster, name).ok_or_else(|| Refusal::missing(Self::MISSING, Self::KIND, name))
    }
}

impl Record for BgpPeer {
    const KIND: &'static str = "bgp-peer";
    const MISSING: Reason = Reason::BgpPeerNotFound;
    type Draft = PeerDraft;

    fn name(&self) -> &Label {
        &self.name
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn with_meta(&self, meta: Meta) -> Self {
        Self { meta, ..self.clone() }
    }

    fn of<'a>(cluster: &'a Cluster, name: &Label) -> Option<&'a Arc<Self>> {
        cluster.lb.bgp_peer(name)
    }

    fn change(name: Label, record: Option<Arc<Self>>) -> Change {
        Change::BgpPeer(name, record)
    }

    fn create(cluster: &Cluster, draft: PeerDraft, context: PlanContext) -> Result<Decision<Self>, Refusal> {
        absent::<Self>(cluster, &draft.name)?;
        let password = match draft.secret {
            Secret::Set(password) => Some(password),
            Secret::Keep | Secret::Remove => None,
        };
        let meta = Meta::new(context.now, context.entropy, 0);
        let peer = Self { name: draft.name, meta, labels: draft.labels, spec: draft.spec, password };
        settle_peer(cluster, None, peer)
    }

    fn update(cluster: &Cluster, draft: PeerDraft, context: PlanContext) -> Result<Decision<Self>, Refusal> {
        let before = Self::find(cluster, &draft.name)?;
        let password = match draft.secret {
            Secret::Keep => before.password.clone(),
            Secret::Set(password) => Some(password),
            Secret::Remove => None,
        };
        let peer = Self { name: draft.name, meta: before.meta, labels: draft.labels, spec: draft.spec, password };
        if peer == **before {
            return Ok(unchanged(before));
        }
        settle_peer(cluster, Some(before), peer.with_meta(before.meta.changed(context.now)))
    }

    fn may_end(cluster: &Cluster, name: &Label) -> Result<(), Refusal> {
        rules::unnamed(cluster, name)
    }
}

impl Record for BgpAdvertisement {
    const KIND: &'static str = "bgp-advertisement";
    const MISSING: Reason = Reason::BgpAdvertisementNotFound;
    type Draft = AdvertisementDraft;

    fn name(&self) -> &Label {
        &self.name
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn with_meta(&self, meta: Meta) -> Self {
        Self { meta, ..self.clone() }
    }

    fn of<'a>(cluster: &'a Cluster, name: &Label) -> Option<&'a Arc<Self>> {
        cluster.lb.bgp_advertisement(name)
    }

    fn change(name: Label, record: Option<Arc<Self>>) -> Change {
        Change::BgpAdvertisement(name, record)
    }

    fn create(cluster: &Cluster, draft: AdvertisementDraft, context: PlanContext) -> Result<Decision<Self>, Refusal> {
        absent::<Self>(cluster, &draft.name)?;
        let meta = Meta::new(context.now, context.entropy, 0);
        let advertisement = Self { name: draft.name, meta, labels: draft.labels, spec: draft.spec };
        settle_advertisement(cluster, None, advertisement)
    }

    fn update(cluster: &Cluster, draft: AdvertisementDraft, context: PlanContext) -> Result<Decision<Self>, Refusal> {
        let before = Self::find(cluster, &draft.name)?;
        let advertisement = Self { name: draft.name, meta: before.meta, labels: draft.labels, spec: draft.spec };
        if advertisement == **before {
            return Ok(unchanged(before));
        }
        settle_advertisement(cluster, Some(before), advertisement.with_meta(before.meta.changed(context.now)))
    }

    fn may_end(_: &Cluster, _: &Label) -> Result<(), Refusal> {
        Ok(())
    }
}

/// What was decided about one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<T> {
    /// The record as it was; `None` when it is new.
    pub before: Option<Arc<T>>,
    /// The record as it will be; `None` when it goes.
    pub after: Option<Arc<T>>,
}

impl<T: Record> Decision<T> {
    /// The change to commit; `None` when everything is as it should be.
    #[must_use]
    pub fn change(&self) -> Option<Change> {
        let record = self.after.as_ref().or(self.before.as_ref())?;
        (self.before != self.after).then(|| T::change(record.name().clone(), self.after.clone()))
    }
}

/// What becomes of the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// It stays as it is; a new peer has none.
    Keep,
    /// This is the password now.
    Set(Password),
    /// There is none any more.
    Remove,
}

/// What a caller may say about a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerDraft {
    /// Its name.
    pub name: Label,
    /// Labels.
    pub labels: Labels,
    /// What is asked for.
    pub spec: PeerSpec,
    /// The password.
    pub secret: Secret,
}

/// What a caller may say about an advertisement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvertisementDraft {
    /// Its name.
    pub name: Label,
    /// Labels.
    pub labels: Labels,
    /// What is asked for.
    pub spec: AdvertisementSpec,
}

fn absent<T: Record>(cluster: &Cluster, name: &Label) -> Result<(), Refusal> {
    if T::of(cluster, name).is_none() {
        return Ok(());
    }
    let message = format!("{} `{name}` exists. Update it, or choose another name.", T::KIND);
    Err(Refusal::new(Reason::AlreadyExists, message).with(T::KIND, name).about(T::KIND, name))
}

fn unchanged<T>(before: &Arc<T>) -> Decision<T> {
    Decision { before: Some(Arc::clone(before)), after: Some(Arc::clone(before)) }
}

/// The peer, unless it is the double of another or makes rivals of advertisements that were none.
fn settle_peer(cluster: &Cluster, before: Option<&Arc<BgpPeer>>, peer: BgpPeer) -> Result<Decision<BgpPeer>, Refusal> {
    let place = |peer: &BgpPeer| (peer.spec.router.clone(), peer.spec.port, peer.spec.nodes.clone());
    // What is so already, by a change of nodes, is no reason to refuse another change.
    if before.is_none_or(|before| place(before) != place(&peer)) {
        rules::single(cluster, &peer)?;
    }
    let peer = Arc::new(peer);
    let decision = Decision { before: before.cloned(), after: Some(Arc::clone(&peer)) };
    if peer.is_internal() {
        peaceful(cluster, &peer)?;
    }
    Ok(decision)
}

/// Whether no two advertisements become rivals by the peer.
fn peaceful(cluster: &Cluster, peer: &Arc<BgpPeer>) -> Result<(), Refusal> {
    let mut after = cluster.clone();
    after.lb.apply(&BgpPeer::change(peer.name.clone(), Some(Arc::clone(peer))));
    let this = |other: &BgpPeer| other.name == peer.name;
    for advertisement in after.lb.bgp_advertisements().filter(|advertisement| advertisement.spec.is_for(peer)) {
        let Some(found) = rival(&after, advertisement, this) else { continue };
        if rival(cluster, advertisement, this).is_none() {
            return Err(found.refusal());
        }
    }
    Ok(())
}

/// The advertisement, unless it names what is not there, or another says otherwise of the same prefixes.
fn settle_advertisement(
    cluster: &Cluster,
    before: Option<&Arc<BgpAdvertisement>>,
    advertisement: BgpAdvertisement,
) -> Result<Decision<BgpAdvertisement>, Refusal> {
    if before.is_none_or(|before| before.spec != advertisement.spec) {
        let mut bad = rules::faults(cluster, &advertisement.spec, ADVERTISEMENT);
        rules::heard(cluster, &advertisement.spec, ADVERTISEMENT, &mut bad);
        bad.finish(Some(()))?;
        if let Some(found) = rival(cluster, &advertisement, |_| true) {
            return Err(found.refusal());
        }
    }
    Ok(Decision { before: before.cloned(), after: Some(Arc::new(advertisement)) })
}
