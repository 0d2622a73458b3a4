//! Where connections come in: as many as there is room for, and of every network of clients no more than its share. What is decided
//! is [`admit`]; this is the loop that does it.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use polder_core::dns::admit::{Admission, Bounds, Held, admit};
use polder_core::dns::network::{Network, Networks};
use polder_runtime::clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::sleep_until;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{Closing, Idle, Shared, Visit, open};
use crate::ending::Farewell;
use crate::metrics::Closed;

/// After a refused accept (no file descriptors left, say) others may end first; and how often one that waits is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// Where connections come in.
pub(crate) struct Entrance {
    pub(crate) listener: std::net::TcpListener,
    /// With it everything is said under TLS.
    pub(crate) tls: Option<TlsAcceptor>,
    /// How many may be open at the same time.
    pub(crate) bounds: Bounds,
    /// Who is one client.
    pub(crate) networks: Networks,
    pub(crate) farewell: Farewell,
}

/// One open connection.
struct Place {
    network: Network,
    idle: Arc<Idle>,
    task: AbortHandle,
}

/// The open connections of one entrance.
struct Places {
    tls: Option<TlsAcceptor>,
    bounds: Bounds,
    networks: Networks,
    shared: Arc<Shared>,
    closing: Closing,
    tasks: JoinSet<()>,
    open: HashMap<Id, Place>,
}

/// Serves connections until `stop`. Those that are open then may go on asking for a while; those that wait in the listener are for
/// whoever has it next.
///
/// # Errors
/// When the listener cannot be used.
pub(crate) async fn serve(entrance: Entrance, shared: Arc<Shared>, stop: CancellationToken) -> io::Result<()> {
    let Entrance { listener, tls, bounds, networks, farewell } = entrance;
    let listener = TcpListener::from_std(listener)?;
    let closing = Closing { begun: stop.clone(), grace: farewell.grace, cut: CancellationToken::new() };
    let mut places = Places { tls, bounds, networks, shared, closing, tasks: JoinSet::new(), open: HashMap::new() };
    let mut waiting = None;
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            Some(ended) = places.tasks.join_next_with_id() => places.end(ended),
            (stream, client) = accept(&listener), if waiting.is_none() => waiting = Some((stream, client)),
            // Others become idle without a word.
            () = tokio::time::sleep(PAUSE), if waiting.is_some() => {}
        }
        waiting = waiting.and_then(|(stream, client)| places.admit(stream, client));
    }
    drop(listener);
    places.close(waiting, farewell.most).await;
    Ok(())
}

async fn accept(listener: &TcpListener) -> (TcpStream, IpAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => return (stream, client.ip()),
            Err(error) => {
                tracing::debug!("a connection was not accepted: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Places {
    /// Opens a connection if it may be; gives it back when it has to wait.
    fn admit(&mut self, stream: TcpStream, client: IpAddr) -> Option<(TcpStream, IpAddr)> {
        let network = self.networks.of(client);
        let held = self.open.iter().map(|(id, place)| Held { id: *id, network: place.network, idle: place.idle.lasts() });
        match admit(held, network, self.bounds) {
            Admission::Free => {}
            Admission::InsteadOf(id) => {
                if let Some(place) = self.open.remove(&id) {
                    place.task.abort();
                    self.shared.lane.closed(Closed::Displaced);
                }
            }
            Admission::Refused => {
                self.shared.lane.closed(Closed::Refused);
                return None;
            }
            Admission::Wait => return Some((stream, client)),
        }
        let idle = Arc::new(Idle::new());
        let visit = Visit { client, idle: Arc::clone(&idle), closing: self.closing.clone() };
        let (shared, tls) = (Arc::clone(&self.shared), self.tls.clone());
        let task = self.tasks.spawn(async move {
            let ended = tokio::select! {
                // What is cut off by itself says so first.
                biased;
                ended = open(stream, tls, &shared, &visit) => ended,
                () = visit.closing.cut.cancelled() => return,
            };
            // Clients come and go as they like; only their queries matter.
            if let Err(error) = ended {
                tracing::trace!("a connection ended: {error}");
            }
        });
        self.open.insert(task.id(), Place { network, idle, task });
        self.shared.lane.connections(self.open.len());
        None
    }

    /// Lets the connections end, for so long at most.
    async fn close(&mut self, mut waiting: Option<(TcpStream, IpAddr)>, most: Duration) {
        let until = clock::monotonic() + most;
        while !self.tasks.is_empty() || waiting.is_some() {
            tokio::select! {
                () = sleep_until(until), if !self.closing.cut.is_cancelled() => {
                    waiting = None;
                    self.closing.cut.cancel();
                }
                Some(ended) = self.tasks.join_next_with_id() => self.end(ended),
                () = tokio::time::sleep(PAUSE), if waiting.is_some() => {}
            }
            waiting = waiting.and_then(|(stream, client)| self.admit(stream, client));
        }
    }

    fn end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    tracing::error!("a connection failed: {error}");
                }
                error.id()
            }
        };
        self.open.remove(&id);
        self.shared.lane.connections(self.open.len());
    }
}
