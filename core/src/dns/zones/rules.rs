//! The rules that look at the state: what a zone or a record set may not be beside what there is.
//!
//! Rules between sets hold between each two of them, so that what is left of a zone that keeps them keeps them too.

use std::sync::Arc;

use super::super::computed::reverse_apexes;
use super::super::name::DomainName;
use super::super::record::RecordType;
use super::super::views;
use super::name::{Owner, RecordSetKey, ZoneName};
use super::record::{RecordSet, Zone};
use super::view::View;
use crate::cluster::Cluster;
use crate::net::Label;
use crate::reason::{Obstacle, Reason, Refusal};

/// The most objects that a refusal names.
const MOST_NAMED: usize = 20;

/// Whether the zone leaves alone what is computed.
///
/// # Errors
/// [`Reason::ZoneOverlap`].
pub(super) fn beside_computed(cluster: &Cluster, domain: &DomainName, zone: &ZoneName) -> Result<(), Refusal> {
    let name = zone.domain();
    let refusal = |other: &DomainName, why: &str| {
        let message = format!("Zone `{zone}` {why} `{other}`, whose names are computed. Choose another zone.");
        Err(Refusal::new(Reason::ZoneOverlap, message).with("zone", zone).with("other", other).about("zone", other))
    };
    if name.is_under(domain) {
        return refusal(domain, "is, or lies in, the cluster's domain");
    }
    if domain.is_under(name) {
        return refusal(domain, "has in it the cluster's domain");
    }
    match computed_around(cluster, name) {
        Some(reverse) => refusal(&reverse, "is, or lies in, the reverse zone"),
        None => Ok(()),
    }
}

/// The computed reverse zone that the name is in.
pub(super) fn computed_around(cluster: &Cluster, name: &DomainName) -> Option<DomainName> {
    reverse_apexes(cluster).into_iter().find(|reverse| name.is_under(reverse))
}

/// Whether the view that the zone is in is one.
///
/// # Errors
/// [`Reason::ViewNotFound`].
pub(super) fn in_view(view: &View, zone: &ZoneName) -> Result<(), Refusal> {
    let views = view.resolver().map_or(&[][..], |settings| &settings.spec.views);
    let Some(wanted) = missing_view(views, zone) else { return Ok(()) };
    let message = format!(
        "Zone `{zone}` would be in view `{wanted}`, which does not exist. Set it in the resolver settings first, or leave `@{wanted}` out \
         for a zone that everybody sees."
    );
    Err(Refusal::new(Reason::ViewNotFound, message).with("zone", zone).with("view", wanted).about("resolver-settings", "resolver"))
}

/// The view that a zone is in, where it is none of these.
fn missing_view<'z>(views: &[views::View], zone: &'z ZoneName) -> Option<&'z Label> {
    zone.view().filter(|wanted| views.iter().all(|view| view.name != **wanted))
}

/// Whether these views are still all that zones are in.
///
/// # Errors
/// [`Reason::ViewInUse`], with the zones.
pub(in crate::dns) fn keeps_views(view: &View, views: &[views::View]) -> Result<(), Refusal> {
    let lost: Vec<&Arc<Zone>> = view.zones().filter(|zone| missing_view(views, &zone.name).is_some()).collect();
    let Some((first, gone)) = lost.first().and_then(|zone| Some((zone, zone.name.view()?))) else { return Ok(()) };
    let message = format!(
        "View `{gone}` is not among the views any more, and zone `{}` is in it: nobody would see it. Keep the view, or delete the zone first.",
        first.name
    );
    let refusal = Refusal::new(Reason::ViewInUse, message).with("view", gone).with("zone", &first.name).about("zone", &first.name);
    let subjects = lost.iter().map(|zone| format!("zones/{}", zone.name));
    Err(named(refusal, Reason::ViewInUse, subjects, "it is in a view that would be gone"))
}

/// Whether the zone around has nothing at the names that a new zone takes over but the way to it: name servers and addresses.
///
/// # Errors
/// [`Reason::ZoneOverlap`], with the record sets.
pub(super) fn beside_outer(view: &View, zone: &ZoneName) -> Result<(), Refusal> {
    let outer = zone.domain().parent().and_then(|above| view.zone_of(&above, zone.view()));
    let Some(outer) = outer else { return Ok(()) };
    let Ok(apex) = Owner::of(zone.domain(), &outer.name) else { return Ok(()) };
    let lost: Vec<&Arc<RecordSet>> = covered(view, &outer.name, &apex).collect();
    let Some(first) = lost.first() else { return Ok(()) };
    let message = format!(
        "Zone `{}` around it has {} record sets at or below `{zone}` that would not be answered any more, `{}` first. Delete them, and \
         store them in the new zone.",
        outer.name,
        lost.len(),
        first.key
    );
    let refusal = Refusal::new(Reason::ZoneOverlap, message).with("zone", zone).with("other", &outer.name);
    let refusal = refusal.with("record_sets", lost.len()).about("zone", &outer.name);
    Err(named(refusal, Reason::ZoneOverlap, subjects(&lost), "the new zone would answer for its name"))
}

/// The sets of a zone that nobody sees when others answer for `cut` and what is below.
fn covered<'v>(view: &'v View, zone: &ZoneName, cut: &Owner) -> impl Iterator<Item = &'v Arc<RecordSet>> {
    let cut = cut.clone();
    view.sets(zone).filter(move |set| set.key.owner().is_under(&cut) && !leads_to(&set.key, &cut))
}

/// Whether a set at or below a cut is part of the way to who answers for it: its name servers, and addresses (RFC 1034 §4.2.1).
fn leads_to(key: &RecordSetKey, cut: &Owner) -> bool {
    match key.rtype() {
        RecordType::A | RecordType::AAAA => true,
        RecordType::NS => key.owner() == cut,
        _ => false,
    }
}

/// Whether a zone without its records is left.
///
/// # Errors
/// [`Reason::ZoneNotEmpty`], with the record sets.
pub(super) fn empty(view: &View, zone: &ZoneName) -> Result<(), Refusal> {
    let sets: Vec<&Arc<RecordSet>> = view.sets(zone).collect();
    let Some(first) = sets.first() else { return Ok(()) };
    let message = format!(
        "Zone `{zone}` has {} record sets, `{}` first. Delete them first, or delete the zone with force.",
        sets.len(),
        first.key
    );
    let refusal = Refusal::new(Reason::ZoneNotEmpty, message).with("zone", zone).with("record_sets", sets.len());
    Err(named(refusal.about("zone", zone), Reason::ZoneNotEmpty, subjects(&sets), "it is stored in the zone"))
}

fn subjects(sets: &[&Arc<RecordSet>]) -> impl Iterator<Item = String> {
    sets.iter().map(|set| format!("record-sets/{}", set.key))
}

fn named(refusal: Refusal, reason: Reason, subjects: impl Iterator<Item = String>, description: &str) -> Refusal {
    let obstacles = subjects.take(MOST_NAMED).map(|subject| Obstacle { reason, subject, description: description.to_owned() });
    obstacles.fold(refusal, Refusal::blocked_by)
}

/// Whether the set can stand beside the others of its zone and the zones in it; it may be among them itself.
///
/// # Errors
/// [`Reason::CnameConflict`], [`Reason::NameDelegated`].
pub(super) fn beside_others(view: &View, key: &RecordSetKey) -> Result<(), Refusal> {
    let alias = |rtype| rtype == RecordType::CNAME;
    let mut others = view.sets_at(key.zone(), key.owner()).filter(|set| set.key.rtype() != key.rtype());
    if let Some(other) = others.find(|set| alias(key.rtype()) || alias(set.key.rtype())) {
        let message = format!(
            "`{key}` cannot stand beside `{}`: a CNAME is alone at its name. Delete one of them, or choose another name.",
            other.key
        );
        let refusal = Refusal::new(Reason::CnameConflict, message).with("record_set", key).with("other", &other.key);
        return Err(refusal.about("record-set", &other.key));
    }
    match cut_over(view, key) {
        Some(cut) => Err(cut.refusal(key)),
        None => Ok(()),
    }
}

/// Whether new name servers at a name take it over without hiding a set of the zone.
///
/// # Errors
/// [`Reason::NameDelegated`], with the record sets.
pub(super) fn hides_nothing(view: &View, key: &RecordSetKey) -> Result<(), Refusal> {
    if key.rtype() != RecordType::NS {
        return Ok(());
    }
    let lost: Vec<&Arc<RecordSet>> = covered(view, key.zone(), key.owner()).collect();
    let Some(first) = lost.first() else { return Ok(()) };
    let message = format!(
        "`{key}` would give the name and all below it to other servers, and zone `{}` has {} record sets there, `{}` first. Delete them \
         first.",
        key.zone(),
        lost.len(),
        first.key
    );
    let refusal = Refusal::new(Reason::NameDelegated, message).with("record_set", key).with("record_sets", lost.len());
    Err(named(
        refusal.about("record-set", &first.key),
        Reason::NameDelegated,
        subjects(&lost),
        "other servers would answer for its name",
    ))
}

/// Where others begin to answer.
enum Cut<'v> {
    /// At name servers in the same zone.
    Delegation(&'v Arc<RecordSet>),
    /// At the apex of a zone in it.
    Zone(&'v Arc<Zone>),
}

impl Cut<'_> {
    fn refusal(&self, key: &RecordSetKey) -> Refusal {
        let (who, kind, name) = match self {
            Self::Delegation(set) => (format!("the name servers of `{}`", set.key), "record-set", set.key.to_string()),
            Self::Zone(zone) => (format!("zone `{}`", zone.name), "zone", zone.name.to_string()),
        };
        let message = format!(
            "`{key}` would never be seen: {who} answer for the name. Only name servers and addresses that lead there can be stored here."
        );
        Refusal::new(Reason::NameDelegated, message).with("record_set", key).with(kind, &name).about(kind, name)
    }
}

/// Who hides the set.
fn cut_over<'v>(view: &'v View, key: &RecordSetKey) -> Option<Cut<'v>> {
    key.owner().with_above().filter(|name| !leads_to(key, name)).find_map(|name| {
        let apex = format!("{name}.{}", key.zone().apex());
        // A zone that everybody sees is seen in a view too, unless that has its own.
        let within = [key.zone().view(), None].into_iter().find_map(|within| view.zone(&ZoneName::text(&apex, within)));
        let zone = within.map(Cut::Zone);
        zone.or_else(|| {
            let servers = RecordSetKey::new(key.zone().clone(), name, RecordType::NS).ok()?;
            view.set(&servers).map(Cut::Delegation)
        })
    })
}
