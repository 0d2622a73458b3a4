//! Every record that the server lists is asked for by UDP and TCP, and the answers are read by hickory's parser.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use polder_proto::dns::v1::ListRecordsRequest;

use super::site::Site;

fn encode(id: u16, name: &str, rtype: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = id;
    message.add_query(Query::query(name.parse::<Name>().unwrap(), rtype));
    message.to_vec().unwrap()
}

fn by_udp(site: &Site, query: &[u8]) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.send_to(query, site.dns()).unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    assert!(length <= 512, "no EDNS, no more than 512 bytes");
    Message::from_vec(&buffer[..length]).unwrap()
}

fn by_tcp(site: &Site, query: &[u8]) -> Message {
    let mut stream = TcpStream::connect(site.dns()).unwrap();
    stream.write_all(&u16::try_from(query.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(query).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut buffer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut buffer).unwrap();
    Message::from_vec(&buffer).unwrap()
}

fn data(message: &Message, rtype: RecordType) -> BTreeSet<String> {
    message.answers.iter().filter(|record| record.record_type() == rtype).map(|record| record.data.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hickory_reads_every_answer_as_it_was_meant() {
    let (_folder, site) = Site::shop().await;
    let request = ListRecordsRequest { page_size: 1000, ..ListRecordsRequest::default() };
    let listed = site.client().await.list_records(request).await.unwrap().into_inner();
    assert!(listed.next_page_token.is_empty() && listed.records.len() > 600, "{}", listed.records.len());
    let mut sets: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for record in listed.records {
        sets.entry((record.name, record.r#type)).or_default().insert(record.data);
    }
    for (id, ((name, rtype), expected)) in (1..).zip(&sets) {
        let rtype: RecordType = rtype.parse().unwrap();
        // hickory prints text without quotes.
        let expected: BTreeSet<String> = expected.iter().map(|data| data.replace('"', "")).collect();
        let query = encode(id, name, rtype);
        let whole = by_tcp(&site, &query);
        assert_eq!(data(&whole, rtype), expected, "{name} {rtype}");
        let quick = by_udp(&site, &query);
        assert!(data(&quick, rtype).is_subset(&expected) && quick.metadata.truncation == (data(&quick, rtype) != expected));
        for message in [whole, quick] {
            assert_eq!((message.metadata.id, message.metadata.message_type), (id, MessageType::Response));
            assert_eq!(message.metadata.response_code, ResponseCode::NoError);
            assert!(message.metadata.authoritative && !message.metadata.recursion_available);
        }
    }
    let denied = by_udp(&site, &encode(9, "nothing.shop.svc.cluster.local.", RecordType::A));
    assert_eq!((denied.metadata.response_code, denied.authorities.len()), (ResponseCode::NXDomain, 1));
    site.stop().await;
}
