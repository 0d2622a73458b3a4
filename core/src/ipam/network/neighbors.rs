//! What nodes have seen on the network that the ranges would meet: warnings, because a probe can be wrong.

use super::findings::Typed;
use crate::ipam::finding::{Finding, Severity};
use crate::ipam::neighbors::{Neighbors, strangers_in};
use crate::ipam::view::View;
use crate::net::{AddrRange, RangeSet};
use crate::reason::Reason;
use crate::time::Timestamp;

/// The most addresses that are named one by one.
const MOST_NAMED: usize = 50;

/// Addresses that come new into the node or the external range, and for which somebody answers already.
pub(super) fn answered(view: &View, typed: &[Typed], now: Timestamp, found: &mut Vec<Finding>) {
    for one in typed.iter().filter(|one| matches!(one.pool, "node" | "external")) {
        let pool = view.pools().find(|pool| pool.name.as_str() == one.pool);
        if pool.is_some_and(|pool| pool.ignore_neighbors) {
            continue;
        }
        let before: RangeSet = pool.iter().flat_map(|pool| pool.ranges.iter().copied()).collect();
        let new: RangeSet = [one.range].into_iter().collect::<RangeSet>().minus(&before);
        for range in new.ranges() {
            let strangers = strangers_in(view, *range, now).filter(|(address, _)| view.held(*address).is_none());
            found.extend(strangers.take(MOST_NAMED).map(|(address, stranger)| {
                let message = format!("{address} answers from {} (seen by node `{}`).", stranger.mac, stranger.seen_by);
                Finding::new(Severity::Warning, Reason::AddressAnswersArp, &one.field, message)
                    .advise("Pick another, or accept the warning to use it anyway.")
                    .about("nodes", &stranger.seen_by)
            }));
            let reports = view.neighbors().filter(|report| report.is_valid(now));
            found.extend(reports.filter_map(|report| proxied(one, *range, report)));
        }
    }
}

/// A host that answers for many addresses, some of them in the range.
fn proxied(one: &Typed, range: AddrRange, report: &Neighbors) -> Option<Finding> {
    let here = |mac| report.answers.iter().any(|answer| answer.mac == mac && range.contains(answer.address));
    let (mac, count) = report.proxies().into_iter().find(|(mac, _)| here(*mac))?;
    let message = format!(
        "{mac} answers for {count} addresses (seen by node `{}`), as a gateway with proxy ARP does: whether an address is in use \
         cannot be told here.",
        report.node
    );
    let finding = Finding::new(Severity::Warning, Reason::ProxyArpSuspected, &one.field, message).about("nodes", &report.node);
    Some(finding.advise("Check by hand that the addresses are free."))
}
