//! What is counted of transfers and of telling others.

use polder_core::dns::transfer::{Form, Kind, Told};
use polder_runtime::metrics::Metrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransferLabels {
    kind: &'static str,
    result: &'static str,
}

/// What became of a transfer.
#[derive(Debug, Clone, Copy)]
pub(super) enum TransferResult {
    /// The zone was sent.
    Whole,
    /// What is new was sent.
    Steps,
    /// There was nothing new.
    Current,
    /// Whoever asked may not have the zone, or it is none of ours.
    Refused,
    /// There were too many others.
    Busy,
    /// The connection broke, took too long, or the server ended.
    Failed,
}

impl From<Form> for TransferResult {
    fn from(form: Form) -> Self {
        match form {
            Form::Whole => Self::Whole,
            Form::Steps => Self::Steps,
            Form::Current => Self::Current,
        }
    }
}

/// The counters of transfers.
pub(super) struct TransferMetrics(Family<TransferLabels, Counter>);

impl TransferMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let this = Self(Family::default());
        metrics.register(|registry| {
            let help = "Questions for zones, by kind and by what was sent, or why nothing was";
            registry.sub_registry_with_prefix("polder_dns").register("transfers", help, this.0.clone());
        });
        this
    }

    pub(super) fn count(&self, kind: Kind, result: TransferResult) {
        let kind = match kind {
            Kind::Axfr => "axfr",
            Kind::Ixfr => "ixfr",
        };
        let result = match result {
            TransferResult::Whole => "whole",
            TransferResult::Steps => "steps",
            TransferResult::Current => "current",
            TransferResult::Refused => "refused",
            TransferResult::Busy => "busy",
            TransferResult::Failed => "failed",
        };
        self.0.get_or_create(&TransferLabels { kind, result }).inc();
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NotifyLabels {
    result: &'static str,
}

/// The counters of telling others.
pub(super) struct NotifyMetrics(Family<NotifyLabels, Counter>);

impl NotifyMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let this = Self(Family::default());
        metrics.register(|registry| {
            let help = "Servers told that a zone has changed, by what they answered; unsent: messages that could not be sent";
            registry.sub_registry_with_prefix("polder_dns").register("notifies", help, this.0.clone());
        });
        this
    }

    pub(super) fn told(&self, told: Told) {
        self.add(
            match told {
                Told::Acknowledged => "acknowledged",
                Told::Refused => "refused",
                Told::Unanswered => "unanswered",
            },
            1,
        );
    }

    pub(super) fn given_up(&self, servers: u64) {
        if servers > 0 {
            self.add("unanswered", servers);
        }
    }

    pub(super) fn unsent(&self) {
        self.add("unsent", 1);
    }

    fn add(&self, result: &'static str, count: u64) {
        self.0.get_or_create(&NotifyLabels { result }).inc_by(count);
    }
}
