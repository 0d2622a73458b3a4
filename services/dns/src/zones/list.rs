//! Lists of zones and record sets: pages of what passes a filter.

use std::sync::Arc;

use polder_core::dns::RecordType;
use polder_core::dns::zones::{Owner, ZoneName, plan};
use polder_core::reason::Refusal;
use polder_proto::convert::dns::zones::Shown;
use polder_proto::convert::dns::{Page, SetPage};
use polder_proto::dns::v1 as pb;
use polder_proto::stored::ForNames;
use polder_store::Snapshot;

use super::Zones;

/// A page, whether there are more, and the view that it is from.
type Listed<M> = (Vec<M>, bool, Arc<Snapshot<ForNames>>);

impl Zones {
    /// A page of the zones, stored and computed, by name. A stored one stands for a computed one of its name.
    pub(crate) fn zones(&self, wanted: &Page<ZoneName>) -> Result<Listed<pb::Zone>, Refusal> {
        let view = self.view()?;
        let own = view.view.dns.zones().map(|zone| self.stored(&view, zone));
        let computed = self.service.computed_zones()?;
        let computed = computed.into_iter().filter(|zone| view.view.dns.zone(&zone.name).is_none());
        let later = |zone: &pb::Zone| wanted.after.as_ref().is_none_or(|after| zone.name.as_str() > after.as_str());
        let mut zones: Vec<pb::Zone> = own.chain(computed).filter(|zone| later(zone) && wanted.passes(zone)).collect();
        zones.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let more = zones.len() > wanted.size;
        zones.truncate(wanted.size);
        Ok((zones, more, view))
    }

    /// A page of the record sets of a stored zone, by name and type.
    pub(crate) fn sets(&self, zone: &ZoneName, wanted: &SetPage) -> Result<Listed<pb::RecordSet>, Refusal> {
        let view = self.view()?;
        let stored = plan::zone(&view.view, zone).map(drop);
        // A computed zone is known, and has none.
        stored.or_else(|refusal| self.service.computed_zone(zone).map(drop).map_err(|_| refusal))?;
        let after: Option<(Owner, RecordType)> = wanted.after.clone();
        let mut rest = view.view.dns.sets_after(zone, after).filter(|set| wanted.passes(set));
        let page = rest.by_ref().take(wanted.size).map(|set| pb::RecordSet::show(&view.view, set)).collect();
        let more = rest.next().is_some();
        Ok((page, more, Arc::clone(&view)))
    }
}
