//! One question to upstreams: to one, as it is to be asked ([`Way`]), then to the next one, for a bounded number of tries.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use polder_core::dns::Rcode;
use polder_core::dns::resolver::{Answer, Key, Spec, Unusable};
use polder_runtime::clock;
use tokio::time::error::Elapsed;

use super::metrics::ForwardMetrics;
use super::servers::{Route, Server, Way};

/// Why one try gave no answer.
pub(super) enum Fault {
    /// The server did not answer, or not us; and why.
    Silent(String),
    /// It answered with something that is of no use.
    Unusable(Unusable),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Silent(error.to_string())
    }
}

impl From<Elapsed> for Fault {
    fn from(_: Elapsed) -> Self {
        Self::Silent("it did not answer in time".to_owned())
    }
}

/// Asks the servers of a route until one answers; `None` when none did.
pub(super) async fn exchange(route: &Route, spec: &Spec, key: &Key, metrics: &ForwardMetrics) -> Option<Answer> {
    let (servers, any_up) = route.order(spec);
    if !any_up {
        metrics.broken();
    }
    let (mut next, mut edns) = (servers.iter().cycle(), true);
    let mut server = next.next()?;
    for _ in 0..spec.tries {
        let fault = match attempt(server, key, edns, spec.timeout, metrics).await {
            Ok(answer) => return Some(answer),
            Err(fault) => fault,
        };
        // A server from before EDNS (RFC 6891 §7) is asked again without it.
        if edns && matches!(fault, Fault::Unusable(Unusable::Failed(Rcode::FormErr | Rcode::NotImp))) {
            edns = false;
            continue;
        }
        (server, edns) = (next.next()?, true);
    }
    None
}

/// One try, counted.
async fn attempt(server: &Arc<Server>, key: &Key, edns: bool, within: Duration, metrics: &ForwardMetrics) -> Result<Answer, Fault> {
    let began = clock::monotonic();
    metrics.asked(&server.upstream);
    let result = match &server.way {
        Way::Plain(plain) => plain.ask(key, edns, within).await,
        Way::Tls(lines) => lines.ask(key, edns, began + within).await,
    };
    let rcode = match &result {
        Ok(answer) => answer.rcode,
        Err(Fault::Unusable(Unusable::Failed(rcode))) => *rcode,
        Err(Fault::Unusable(_)) => Rcode::ServFail,
        Err(Fault::Silent(why)) => {
            server.was_silent(why);
            metrics.silent(&server.upstream);
            return result;
        }
    };
    server.answered();
    metrics.answered(&server.upstream, rcode, began.elapsed());
    result.map(|mut answer| {
        answer.by = Some(server.upstream.clone());
        answer
    })
}

/// Asks a server for a name that only it can bring back to us, and notes whether it is alive.
pub(super) async fn probe(server: &Arc<Server>, key: &Key, within: Duration, metrics: &ForwardMetrics) {
    // Any answer shows that it is alive, a refusal too.
    drop(attempt(server, key, true, within, metrics).await);
}
