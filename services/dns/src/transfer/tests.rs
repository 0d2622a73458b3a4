//! Clients that do not read, and more of them than there is room for.

use polder_core::cluster::Cluster;
use polder_core::dns::message::Message;
use polder_core::dns::transfer::Secondaries;
use polder_core::dns::wire::encode_query;
use polder_core::dns::{Heads, RecordType, Seed, Settings, Snapshot};
use polder_core::id::Revision;
use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};

use super::*;
use crate::metrics::PublishMetrics;

const IDLE: Duration = Duration::from_millis(20);

struct Site {
    transfers: Transfers,
    stop: CancellationToken,
}

impl Site {
    /// The cluster's domain for everybody, with room for so many transfers.
    fn new(room: usize) -> Self {
        let metrics = Metrics::new("polder-dns", "0");
        let mut settings = Settings::new("cluster.local".parse().unwrap(), Seed(7)).unwrap();
        settings.secondaries = Secondaries { transfer_to: vec!["0.0.0.0/0".parse().unwrap()], notify: Vec::new() };
        let names = Arc::new(Names::new(settings.clone(), PublishMetrics::register(&metrics)));
        let built = Snapshot::build(Arc::new(settings), &Cluster::default(), Heads::at(Revision(5)));
        names.current().store(Arc::new(built));
        let transfers = Transfers { slots: Semaphore::new(room), ..Transfers::new(names, &metrics) };
        Self { transfers, stop: CancellationToken::new() }
    }

    async fn ask(&self, stream: &mut DuplexStream) -> io::Result<Option<Sent>> {
        let message = encode_query(9, &"cluster.local".parse().unwrap(), RecordType::AXFR);
        let asked = Asked { message: &message, from: IpAddr::from([192, 0, 2, 1]), idle: IDLE };
        self.transfers.answer(asked, &mut vec![0; 65_537], stream, &self.stop).await
    }
}

async fn read(stream: &mut DuplexStream) -> Message {
    let length = usize::from(stream.read_u16().await.unwrap());
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await.unwrap();
    Message::read(&message).unwrap()
}

#[tokio::test]
async fn whoever_reads_gets_the_zone() {
    let site = Site::new(1);
    let (mut client, mut server) = duplex(1 << 16);
    assert_eq!(site.ask(&mut server).await.unwrap().unwrap().rcode, Rcode::NoError);
    let message = read(&mut client).await;
    assert_eq!((message.id, message.answer.len() > 3, message.answer.first()), (9, true, message.answer.last()));
    assert_eq!(site.transfers.slots.available_permits(), 1);
}

#[tokio::test]
async fn whoever_does_not_read_loses_the_connection_and_holds_nothing() {
    let site = Site::new(1);
    let (_client, mut server) = duplex(16);
    assert_eq!(site.ask(&mut server).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(site.transfers.slots.available_permits(), 1);
}

#[tokio::test]
async fn whoever_finds_no_room_waits_and_is_told() {
    let site = Site::new(0);
    let (mut client, mut server) = duplex(1 << 16);
    assert_eq!(site.ask(&mut server).await.unwrap().unwrap().rcode, Rcode::ServFail);
    assert_eq!(read(&mut client).await.rcode, Rcode::ServFail);
}

#[tokio::test]
async fn a_server_that_ends_waits_for_no_transfer() {
    let site = Site::new(1);
    let (_client, mut server) = duplex(16);
    site.stop.cancel();
    assert_eq!(site.ask(&mut server).await.unwrap_err().kind(), io::ErrorKind::Interrupted);
}
