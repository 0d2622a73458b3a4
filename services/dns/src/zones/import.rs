//! The import of a zone file, in one transaction or in several.

use polder_core::cluster::{Change, Cluster};
use polder_core::dns::DomainName;
use polder_core::dns::zones::import;
use polder_core::dns::zones::plan::{self, READS};
use polder_core::reason::Refusal;
use polder_core::schema::{Plan, PlanContext, Verdict};
use polder_proto::convert::dns::import::{Importing, TEXT, imported, too_large};
use polder_proto::dns::v1 as pb;
use polder_runtime::call::Call;
use prost::Message;

use super::Zones;

impl Zones {
    /// Makes a zone what a file says. Each part is planned on the state that the one before left.
    pub(crate) async fn import(&self, call: &Call, importing: Importing) -> Result<pb::ImportZoneResponse, Refusal> {
        let planner = |importing: Importing| {
            let domain = self.domain.clone();
            move |cluster: &Cluster, context: PlanContext| verdict(cluster, &domain, &importing, context)
        };
        // A later part under the id would be given the answer of the first.
        let id = importing.manner.request_id.clone().filter(|_| !importing.in_parts);
        let validate_only = importing.manner.validate_only;
        let (first, revision): (pb::ImportZoneResponse, _) =
            self.ledger.change(call.intent(id), validate_only, planner(importing.clone())).await?;
        let mut whole = pb::ImportZoneResponse { revision: revision.0, ..first };
        if validate_only {
            return Ok(whole);
        }
        // The caller has seen the zone as it was before the first part.
        let rest = Importing { etag: String::new(), ..importing };
        // As many as were planned: what others change meanwhile is not fought over for ever.
        for _ in 1..whole.parts {
            let (part, revision): (pb::ImportZoneResponse, _) =
                self.ledger.change(call.intent(None), false, planner(rest.clone())).await?;
            (whole.zone, whole.revision) = (part.zone, revision.0);
        }
        Ok(whole)
    }
}

fn verdict(cluster: &Cluster, domain: &DomainName, importing: &Importing, context: PlanContext) -> Verdict<Change> {
    let Importing { zone, file, etag, in_parts, .. } = importing;
    // Whoever has seen a version does not mean a new zone.
    if !etag.is_empty() {
        plan::zone(cluster, zone)?.meta.check_etag("zone", zone.as_str(), etag)?;
    }
    let import = import(cluster, domain, (zone, file), TEXT, context)?;
    if import.parts > 1 && !in_parts {
        return Err(too_large(&import));
    }
    let changes: Vec<Change> = import.decision.changes().into_iter().map(Change::from).collect();
    let mut after = cluster.clone();
    changes.iter().for_each(|change| after.apply(change));
    Ok(Plan { changes, reads: READS.to_vec(), answer: imported(&after, &import).encode_to_vec() })
}
