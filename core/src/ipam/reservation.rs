//! Decisions about reservations: addresses kept by name, outliving whoever uses them.

use std::sync::Arc;
use std::time::Duration;

use super::decision::{Decision, Fields};
use super::pool::{holders, overlap};
use super::record::{Change, Reservation};
use super::view::View;
use crate::cluster::Cluster;
use crate::meta::Meta;
use crate::net::{AddrRange, Labels, Name, RangeSet};
use crate::reason::{Reason, Refusal, Violations};
use crate::schema::{Domain, PlanContext};

/// What a caller says about a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name.
    pub name: Name,
    /// The addresses.
    pub ranges: Vec<AddrRange>,
    /// For whom they are kept, in words; may be empty.
    pub owner: String,
    /// How long it lasts after this change; `None` for ever.
    pub ttl: Option<Duration>,
    /// Labels.
    pub labels: Labels,
}

/// Makes a reservation. Addresses that somebody holds now may be reserved: the holder keeps them.
///
/// # Errors
/// `ALREADY_EXISTS`, `RANGE_OVERLAP` with another reservation.
pub fn create(cluster: &Cluster, draft: &Draft, context: PlanContext) -> Result<Decision<Arc<Reservation>>, Refusal> {
    if cluster.ipam.reservation(&draft.name).is_some() {
        let message = format!("Reservation `{}` exists already. Update it, or choose another name.", draft.name);
        let refusal = Refusal::new(Reason::AlreadyExists, message).with("reservation", &draft.name);
        return Err(refusal.about("reservation", &draft.name));
    }
    let made = filled(draft, Meta::new(context.now, context.entropy, 0), context);
    check(&cluster.ipam, &made)?;
    Ok(put(made))
}

fn filled(draft: &Draft, meta: Meta, context: PlanContext) -> Reservation {
    Reservation {
        name: draft.name.clone(),
        meta,
        ranges: draft.ranges.iter().copied().collect::<RangeSet>().ranges().to_vec(),
        owner: draft.owner.clone(),
        expires: draft.ttl.map(|ttl| context.now.after(ttl)),
        ttl: draft.ttl,
        labels: draft.labels.clone(),
        system: false,
    }
}

fn put(reservation: Reservation) -> Decision<Arc<Reservation>> {
    let reservation = Arc::new(reservation);
    let changes = vec![Change::Reservation(reservation.name.clone(), Some(Arc::clone(&reservation)))];
    Decision { changes, reads: &[], answer: reservation }
}

fn check(view: &View, reservation: &Reservation) -> Result<(), Refusal> {
    if reservation.ranges.is_empty() {
        let mut bad = Violations::new();
        bad.add("reservation.ranges", Reason::FieldRequired, "a reservation needs at least one range");
        return bad.finish(None);
    }
    for range in &reservation.ranges {
        if let Some((other, theirs)) = view.reserved_overlapping(*range).find(|(other, _)| **other != reservation.name) {
            let ours = format!("{range} of reservation `{}`", reservation.name);
            let (message, common) = overlap(&ours, *range, &format!("{theirs} of reservation `{other}`"), theirs);
            let refusal = Refusal::new(Reason::RangeOverlap, message).with("reservation", other).with("common", common);
            return Err(refusal.about("reservation", other));
        }
    }
    Ok(())
}

/// A change of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The new values; the name says which reservation.
    pub draft: Draft,
    /// The fields to replace: `ranges`, `owner`, `ttl`, `labels`.
    pub fields: Fields,
    /// The version the caller has seen; empty: any.
    pub etag: String,
    /// Make the reservation when there is none.
    pub allow_missing: bool,
}

/// Changes a reservation.
///
/// # Errors
/// `RESERVATION_NOT_FOUND`, `ETAG_MISMATCH`, `FIELD_LOCKED` for Polder's own, `RANGE_OVERLAP`.
pub fn update(cluster: &Cluster, request: &Update, context: PlanContext) -> Result<Decision<Arc<Reservation>>, Refusal> {
    let name = &request.draft.name;
    if cluster.ipam.reservation(name).is_none() && request.allow_missing && request.etag.is_empty() {
        return create(cluster, &request.draft, context);
    }
    let old = find(&cluster.ipam, name)?;
    changeable(old, &request.etag)?;
    let new = filled(&request.draft, old.meta, context);
    let mut changed = Reservation::clone(old);
    changed.ranges = request.fields.pick("ranges", &new.ranges, &old.ranges);
    changed.owner = request.fields.pick("owner", &new.owner, &old.owner);
    changed.ttl = request.fields.pick("ttl", &new.ttl, &old.ttl);
    changed.expires = changed.ttl.map(|ttl| context.now.after(ttl));
    changed.labels = request.fields.pick("labels", &new.labels, &old.labels);
    if changed == **old && changed.ttl.is_none() {
        return Ok(Decision { changes: Vec::new(), reads: &[Domain::IpamPools], answer: Arc::clone(old) });
    }
    check(&cluster.ipam, &changed)?;
    changed.meta = old.meta.changed(context.now);
    Ok(put(changed))
}

/// Deletes a reservation of which nobody holds an address.
///
/// # Errors
/// `RESERVATION_NOT_FOUND`, `ETAG_MISMATCH`, `FIELD_LOCKED` for Polder's own, `RESERVATION_IN_USE` with the holders.
pub fn delete(cluster: &Cluster, name: &Name, etag: &str) -> Result<Decision<()>, Refusal> {
    let old = find(&cluster.ipam, name)?;
    changeable(old, etag)?;
    let (count, obstacles) = holders(cluster, &old.ranges);
    if count > 0 {
        let message = format!("Reservation `{name}` cannot be deleted: {count} of its addresses are held. Release them first.");
        let mut refusal = Refusal::new(Reason::ReservationInUse, message).with("reservation", name).with("held", count);
        refusal.obstacles = obstacles;
        return Err(refusal.about("reservation", name));
    }
    let reads = &[Domain::IpamPools, Domain::IpamAllocations, Domain::LbServices];
    Ok(Decision { changes: vec![Change::Reservation(name.clone(), None)], reads, answer: () })
}

fn changeable(reservation: &Reservation, etag: &str) -> Result<(), Refusal> {
    let name = &reservation.name;
    reservation.meta.check_etag("reservation", name.as_str(), etag)?;
    if !reservation.system {
        return Ok(());
    }
    let message =
        format!("Reservation `{name}` is Polder's own, for {}. It changes only with the compute network.", reservation.owner);
    Err(Refusal::new(Reason::FieldLocked, message).with("reservation", name).about("reservation", name))
}

/// The reservation with this name.
///
/// # Errors
/// `RESERVATION_NOT_FOUND`.
pub fn find<'a>(view: &'a View, name: &Name) -> Result<&'a Arc<Reservation>, Refusal> {
    view.reservation(name).ok_or_else(|| Refusal::missing(Reason::ReservationNotFound, "reservation", name))
}
