//! What a run found, as a table for people and as JSON.

mod table;

use clap::ValueEnum;
use serde::Serialize;

use crate::bed::Engine;
use crate::load::Measured;
use crate::machine::Machine;
use crate::trips::Trips;

pub use table::Table;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Case {
    /// Bare tonic, a request like an allocation's, no handler behind it.
    Echo,
    /// The same behind Polder's server stack.
    StackEcho,
    /// The same without a socket: what the stack alone costs.
    StackEchoLocally,
    /// Raw transactions on the store, one per call.
    RawTransaction,
    /// Acquiring from a prefix that is one value, as a peer does; an emulation.
    WholePrefix,
    /// Acquiring from a go-ipam server over gRPC, if one was named.
    GoIpam,
    /// `AllocateAddresses` over a socket.
    Allocate,
    /// `ReleaseAddresses` over a socket.
    Release,
    /// `AllocateAddresses` over a local link.
    AllocateLocally,
    /// `ReleaseAddresses` over a local link.
    ReleaseLocally,
}

impl Case {
    /// Its name in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "bare tonic echo",
            Self::StackEcho => "echo behind our stack",
            Self::StackEchoLocally => "the same, local link",
            Self::RawTransaction => "raw transaction",
            Self::WholePrefix => "whole prefix per value",
            Self::GoIpam => "go-ipam, socket",
            Self::Allocate => "allocate, socket",
            Self::Release => "release, socket",
            Self::AllocateLocally => "allocate, local link",
            Self::ReleaseLocally => "release, local link",
        }
    }
}

/// One case at one number of callers.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was measured.
    pub case: Case,
    /// The store beneath; none for echoes.
    pub store: Option<Engine>,
    /// Callers at once.
    pub callers: usize,
    /// Calls answered per second.
    pub per_second: f64,
    /// Half of the calls took no longer, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 calls took no longer, in milliseconds.
    pub p99_ms: f64,
    /// Processor time of callers and service together per call, in microseconds; etcd's is not in it.
    pub cpu_micros: Option<f64>,
    /// Calls answered, the warm-up included.
    pub calls: u64,
    /// Calls that had to be made again.
    pub retries: u64,
    /// What the calls cost the store.
    pub trips: Option<Trips>,
    /// Calls per second over the raw transactions per second of the same store and number of callers.
    pub against_raw: Option<f64>,
    /// Calls per second over those of the bare echo with the same number of callers.
    pub against_echo: Option<f64>,
    /// Calls per second over those of the peer, or else of its way, on the same store with the same number of callers.
    pub against_peer: Option<f64>,
}

impl Row {
    /// A row without store, retries and ratios.
    #[must_use]
    pub fn new(case: Case, measured: &Measured) -> Self {
        Self {
            case,
            store: None,
            callers: measured.callers,
            per_second: measured.per_second(),
            p50_ms: measured.millis(0.5),
            p99_ms: measured.millis(0.99),
            cpu_micros: measured.cpu_micros(),
            calls: measured.answered,
            retries: 0,
            trips: None,
            against_raw: None,
            against_echo: None,
            against_peer: None,
        }
    }

    /// The same on a store.
    #[must_use]
    pub const fn on(mut self, store: Engine) -> Self {
        self.store = Some(store);
        self
    }
}

/// A figure that somebody else has published. Not measured here, so no ratio to it proves anything about this machine.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Published {
    /// What, by whom, where.
    pub what: &'static str,
    /// Per second.
    pub per_second: f64,
}

/// The only peer with a gRPC API.
pub const PUBLISHED: Published =
    Published { what: "go-ipam, acquire an address, etcd 3.5.15 on a Xeon 8370C, by its README", per_second: 368.0 };

/// A whole run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Where it was made.
    pub machine: Machine,
    /// Seconds that every case was measured.
    pub seconds: f64,
    /// Seconds of load before every measurement.
    pub warm_up: f64,
    /// The cases, in the order in which they ran.
    pub rows: Vec<Row>,
    /// For comparison, on other hardware.
    pub published: Published,
}

impl Report {
    /// Takes a row, puts it in relation to the limits that were measured before it, and hands it back.
    pub fn take(&mut self, mut row: Row) -> &Row {
        if let Some(store) = row.store.filter(|_| !matches!(row.case, Case::RawTransaction | Case::WholePrefix | Case::GoIpam)) {
            let peer = [Case::GoIpam, Case::WholePrefix].into_iter().find_map(|peer| self.rate(peer, Some(store), row.callers));
            row.against_peer = peer.map(|peer| row.per_second / peer);
            row.against_raw = self.rate(Case::RawTransaction, Some(store), row.callers).map(|raw| row.per_second / raw);
            row.against_echo = self.rate(Case::Echo, None, row.callers).map(|echo| row.per_second / echo);
        }
        let at = self.rows.len();
        self.rows.push(row);
        &self.rows[at]
    }

    /// Calls per second of a case, if it was measured.
    #[must_use]
    pub fn rate(&self, case: Case, store: Option<Engine>, callers: usize) -> Option<f64> {
        let same = |row: &&Row| (row.case, row.store, row.callers) == (case, store, callers);
        self.rows.iter().find(same).map(|row| row.per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: Case, store: Option<Engine>, per_second: f64) -> Row {
        Row {
            case,
            store,
            callers: 64,
            per_second,
            p50_ms: 1.0,
            p99_ms: 2.0,
            cpu_micros: None,
            calls: 100,
            retries: 0,
            trips: None,
            against_raw: None,
            against_echo: None,
            against_peer: None,
        }
    }

    fn report() -> Report {
        let machine = Machine {
            cores: 2,
            cpu: "cpu".to_owned(),
            etcd: "3".to_owned(),
            load_before: "0".to_owned(),
            sync_p50_ms: 0.1,
            sync_p99_ms: 0.2,
        };
        Report { machine, seconds: 3.0, warm_up: 1.0, rows: Vec::new(), published: PUBLISHED }
    }

    #[test]
    fn ratios_are_to_the_limits_of_the_same_store_and_callers() {
        let mut report = report();
        report.take(row(Case::Echo, None, 40_000.0));
        report.take(row(Case::RawTransaction, Some(Engine::Etcd), 5_000.0));
        report.take(row(Case::RawTransaction, Some(Engine::Embedded), 20_000.0));
        report.take(row(Case::WholePrefix, Some(Engine::Etcd), 500.0));
        let taken = report.take(row(Case::Allocate, Some(Engine::Etcd), 10_000.0)).clone();
        assert_eq!((taken.against_raw, taken.against_echo, taken.against_peer), (Some(2.0), Some(0.25), Some(20.0)));
        report.take(row(Case::GoIpam, Some(Engine::Etcd), 400.0));
        let taken = report.take(row(Case::Release, Some(Engine::Etcd), 10_000.0));
        assert_eq!(taken.against_peer, Some(25.0), "the peer itself counts more than its emulation");
        let alone = report.take(Row { callers: 1, ..row(Case::Allocate, Some(Engine::Etcd), 10_000.0) }).clone();
        assert_eq!((alone.against_raw, alone.against_echo), (None, None));
    }

    #[test]
    fn the_json_has_every_row_with_its_ratios() {
        let mut report = report();
        report.take(row(Case::RawTransaction, Some(Engine::Etcd), 5_000.0));
        report.take(row(Case::Allocate, Some(Engine::Etcd), 10_000.0));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["rows"][1]["case"], "allocate");
        assert_eq!(json["rows"][1]["store"], "etcd");
        assert_eq!(json["rows"][1]["against_raw"], 2.0);
        assert_eq!(json["published"]["per_second"], 368.0);
    }
}
