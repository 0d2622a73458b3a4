//! Pods that become ready and unready, so many a second.

use std::sync::Arc;
use std::time::Duration;

use polder_core::cluster::{Change, Cluster};
use polder_core::ipam;
use polder_core::schema::{Plan, PlanContext};
use polder_proto::stored::Stored;
use polder_runtime::clock::monotonic;
use polder_runtime::tasks::Failure;
use polder_store::Ledger;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::agents::Agents;
use super::{intent, spent};
use crate::child::Running;
use crate::load::summary;
use crate::state::State;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Churn {
    pub(super) state: State,
    /// Changes a second.
    pub(super) rate: u32,
    pub(super) seconds: u32,
}

impl Churn {
    pub(super) async fn measure(
        &self,
        lb: &Running,
        ledger: &Ledger<Stored>,
        agents: &mut Agents,
        take: &mut impl FnMut(String, f64, &'static str),
    ) -> Result<(), Failure> {
        _ = (agents.marks(), agents.received());
        let (begun, before) = (monotonic(), lb.spent_until_now());
        let commits = self.changes(ledger).await?;
        let last = commits.last().map_or(0, |(revision, _)| *revision);
        agents.all_have(last).await?;
        let elapsed = begun.elapsed().as_secs_f64();
        take(format!("endpoints: changes, {} a second wanted", self.rate), commits.len() as f64 / elapsed, "a second");
        spent(lb, before, &format!("endpoints: processor time of polder-lb in {elapsed:.1} s"), take);
        let (messages, bytes) = agents.received();
        take("endpoints: messages for each change and node".to_owned(), messages as f64 / commits.len() as f64, "");
        take("endpoints: bytes for each change and node".to_owned(), bytes as f64 / commits.len() as f64, "bytes");
        let marks = agents.marks();
        let told = marks.first().map_or(0, Vec::len) as f64;
        take("endpoints: revisions told to a node".to_owned(), told / elapsed, "a second");
        let latencies = summary(&latencies(&commits, &marks))?;
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("the longest", 1.0)] {
            let millis = latencies.value_at_quantile(quantile) as f64 / 1000.0;
            take(format!("endpoints: from commit to a node, {name}"), millis, "ms");
        }
        Ok(())
    }

    /// Makes the changes at their rate, whatever their answers take; every revision, and when it was acknowledged, in order.
    async fn changes(&self, ledger: &Ledger<Stored>) -> Result<Vec<(u64, Instant)>, Failure> {
        let half = (self.rate * self.seconds / 2).max(1);
        let mut ticks = interval(Duration::from_secs(1) / self.rate);
        let mut asked: JoinSet<Result<(u64, Instant), Failure>> = JoinSet::new();
        for number in 0..self.rate * self.seconds {
            ticks.tick().await;
            // Pod after pod becomes unready, and in the second half ready again.
            let pod = self.state.pod(number % half % self.state.pods, number >= half)?;
            let change = Change::from(ipam::Change::Allocation(pod.meta.uid, Some(Arc::new(pod))));
            let ledger = ledger.clone();
            asked.spawn(async move {
                let planner = move |_: &Cluster, _: PlanContext| {
                    Ok(Plan { changes: vec![change.clone()], reads: Vec::new(), answer: Vec::new() })
                };
                let committed = ledger.submit(intent(), planner).await?;
                Ok((committed.revision.0, monotonic()))
            });
        }
        let mut commits = Vec::new();
        while let Some(committed) = asked.join_next().await {
            commits.push(committed??);
        }
        commits.sort_unstable();
        Ok(commits)
    }
}

/// For every change and node, from the acknowledgement until the node had it; nothing where the node was told first.
fn latencies(commits: &[(u64, Instant)], marks: &[Vec<(u64, Instant)>]) -> Vec<Duration> {
    let of_node = |marks: &Vec<(u64, Instant)>| {
        let mut marks = marks.iter().peekable();
        let mut found = Vec::with_capacity(commits.len());
        for (revision, committed) in commits {
            while marks.next_if(|(told, _)| told < revision).is_some() {}
            found.extend(marks.peek().map(|(_, at)| at.saturating_duration_since(*committed)));
        }
        found
    };
    marks.iter().flat_map(of_node).collect()
}
