//! Bad input gets its code and its reason, every bad field is named, and nothing changes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use std::net::UdpSocket;
use std::time::Duration;

use polder_proto::ipam::v1::allocation_service_client::AllocationServiceClient;
use polder_proto::ipam::v1::pool_service_client::PoolServiceClient;
use polder_proto::ipam::v1::{
    AllocateAddressesRequest, AllocationSpec, CreatePoolRequest, GetPoolRequest, ListPoolsRequest, LookupAddressRequest, Owner,
    OwnerKind, Pool, PoolPurpose, ReleaseAddressesRequest,
};
use polder_proto::lb::v1::GetConvergenceRequest;
use polder_proto::lb::v1::dataplane_service_client::DataplaneServiceClient;
use polder_runtime::status;
use polder_tests::tool::{dig, dig_raw};
use polder_tests::{Shape, Site};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

struct Api {
    pools: PoolServiceClient<Channel>,
    allocations: AllocationServiceClient<Channel>,
    dataplane: DataplaneServiceClient<Channel>,
}

impl Api {
    fn of(site: &Site) -> Self {
        let channel = |part: &str| {
            let endpoint = Endpoint::from_shared(format!("http://{}", site.grpc(part)[0])).unwrap();
            site.block_on(async { endpoint.connect_lazy() })
        };
        Self {
            pools: PoolServiceClient::new(channel("ipam")),
            allocations: AllocationServiceClient::new(channel("ipam")),
            dataplane: DataplaneServiceClient::new(channel("lb")),
        }
    }

    async fn create(&mut self, name: &str, ranges: &[&str]) -> Result<(), Status> {
        let pool = Pool {
            name: name.to_owned(),
            purpose: PoolPurpose::Pod.into(),
            ranges: ranges.iter().map(|&range| range.to_owned()).collect(),
            ..Pool::default()
        };
        let request = CreatePoolRequest { pool: Some(pool), ..CreatePoolRequest::default() };
        self.pools.create_pool(request).await.map(|_| ())
    }

    async fn allocate(&mut self, spec: AllocationSpec) -> Result<(), Status> {
        let request = AllocateAddressesRequest { spec: Some(spec), ..AllocateAddressesRequest::default() };
        self.allocations.allocate_addresses(request).await.map(|_| ())
    }

    /// The revision of the newest change, and the names of the pools: what must not move. The store's own revision moves with every
    /// word of a name server, too.
    async fn state(&mut self) -> (u64, Vec<String>) {
        let newest = self.dataplane.get_convergence(GetConvergenceRequest::default()).await.unwrap().into_inner();
        let answer = self.pools.list_pools(ListPoolsRequest::default()).await.unwrap().into_inner();
        (newest.convergence.unwrap().revision, answer.pools.into_iter().map(|pool| pool.name).collect())
    }
}

fn spec(handle: &str) -> AllocationSpec {
    let owner = Owner { kind: OwnerKind::Pod.into(), namespace: "shop".to_owned(), name: "web".to_owned(), ..Owner::default() };
    AllocationSpec { handle: handle.to_owned(), owner: Some(owner), ..AllocationSpec::default() }
}

#[track_caller]
fn refused(outcome: Result<(), Status>, code: Code, reason: &str) -> Status {
    let status = outcome.expect_err("it is refused");
    let refusal = status::decode(&status);
    assert_eq!((status.code(), refusal.reason.as_str()), (code, reason), "{}", status.message());
    assert!(!status.message().is_empty() && status.message().len() < 4096, "{}", status.message());
    status
}

#[test]
fn every_mistake_has_its_code_and_its_reason_and_nothing_changes() {
    let site = Site::start(Shape::Embedded);
    let mut api = Api::of(&site);
    site.block_on(async {
        api.create("small", &["192.0.2.0/31"]).await.unwrap();
        api.allocate(AllocationSpec { pools: vec!["small".to_owned()], ..spec("one") }).await.unwrap();
        api.allocate(AllocationSpec { pools: vec!["small".to_owned()], ..spec("two") }).await.unwrap();
        let before = api.state().await;

        refused(api.create("other", &["192.0.2.1-192.0.2.9"]).await, Code::FailedPrecondition, "POOL_OVERLAP");
        refused(api.create("small", &["198.51.100.0/24"]).await, Code::AlreadyExists, "ALREADY_EXISTS");
        refused(api.create("back", &["10.0.0.20-10.0.0.10"]).await, Code::InvalidArgument, "RANGE_REVERSED");
        refused(api.create("mix", &["10.0.0.1-fd00::1"]).await, Code::InvalidArgument, "FAMILY_MISMATCH");
        refused(api.create("garbage", &["banana"]).await, Code::InvalidArgument, "RANGE_MALFORMED");
        refused(api.create("Upper", &["10.0.0.0/24"]).await, Code::InvalidArgument, "NAME_MALFORMED");
        refused(api.create("", &["10.0.0.0/24"]).await, Code::InvalidArgument, "FIELD_REQUIRED");

        let both = api.create("Upper", &["10.0.0.20-10.0.0.10", "x"]).await.expect_err("it is refused");
        let mut fields: Vec<String> = status::decode(&both).violations.iter().map(|violation| violation.field.clone()).collect();
        fields.sort();
        assert_eq!(fields, ["pool.name", "pool.ranges[0]", "pool.ranges[1]"], "every bad field is named");

        let garbage = AllocationSpec { addresses: vec!["10.0.0.300".to_owned()], ..spec("x") };
        refused(api.allocate(garbage).await, Code::InvalidArgument, "ADDRESS_MALFORMED");
        let unknown = AllocationSpec { pools: vec!["nope".to_owned()], ..spec("x") };
        refused(api.allocate(unknown).await, Code::NotFound, "POOL_NOT_FOUND");
        let outside = AllocationSpec { addresses: vec!["203.0.113.7".to_owned()], ..spec("x") };
        refused(api.allocate(outside).await, Code::InvalidArgument, "ADDRESS_NOT_IN_POOL");
        let taken = AllocationSpec { addresses: vec!["192.0.2.0".to_owned()], ..spec("x") };
        refused(api.allocate(taken).await, Code::AlreadyExists, "ADDRESS_IN_USE");
        let exhausted = AllocationSpec { pools: vec!["small".to_owned()], ..spec("x") };
        let full = refused(api.allocate(exhausted).await, Code::ResourceExhausted, "POOL_EXHAUSTED");
        assert!(full.message().contains("small"), "{}", full.message());

        let lookup = LookupAddressRequest { address: "nonsense".to_owned(), ..LookupAddressRequest::default() };
        refused(api.allocations.lookup_address(lookup).await.map(|_| ()), Code::InvalidArgument, "ADDRESS_MALFORMED");
        let get = GetPoolRequest { name: "nope".to_owned() };
        refused(api.pools.get_pool(get).await.map(|_| ()), Code::NotFound, "POOL_NOT_FOUND");
        assert_eq!(api.state().await, before);

        let released =
            api.allocations.release_addresses(ReleaseAddressesRequest { handle: "nobody".to_owned(), ..Default::default() }).await;
        assert!(released.unwrap().into_inner().released.is_empty(), "a handle that holds nothing is no error");
    });
}

#[test]
fn ten_megabytes_of_name_get_an_answer_and_the_server_lives_on() {
    let site = Site::start(Shape::Embedded);
    let mut api = Api::of(&site);
    site.block_on(async {
        let before = api.state().await;
        let huge = api.create(&"n".repeat(10 << 20), &["10.0.0.0/24"]).await.expect_err("it is refused");
        assert!(matches!(huge.code(), Code::InvalidArgument | Code::ResourceExhausted | Code::OutOfRange), "{huge:?}");
        assert!(status::is_explained(&huge), "{huge:?}");
        let long = refused(api.create(&"n".repeat(1 << 20), &["10.0.0.0/24"]).await, Code::InvalidArgument, "NAME_MALFORMED");
        assert!(long.message().len() < 1000, "{}", long.message().len());
        assert_eq!(api.state().await, before);
    });
}

#[test]
fn malformed_dns_packets_get_formerr_or_silence_and_the_server_lives_on() {
    let site = Site::start(Shape::Embedded);
    let server = site.dns().remove(0);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    socket.connect(&server).unwrap();
    let question = b"\x03web\x04shop\x03svc\x07cluster\x05local\x00\x00\x01\x00\x01";
    let packet = |head: &[u8; 12], rest: &[u8]| [head.as_slice(), rest].concat();
    let head = |flags: u8, questions: u8| [0x12, 0x34, flags, 0, 0, questions, 0, 0, 0, 0, 0, 0];
    let malformed: Vec<(&str, Vec<u8>, Option<u8>)> = vec![
        ("empty", Vec::new(), None),
        ("half a header", vec![0x12, 0x34, 1], None),
        ("a reply", packet(&head(0x80, 1), question), None),
        ("no question", packet(&head(0, 0), &[]), Some(1)),
        ("two questions", packet(&head(0, 2), &[question.as_slice(), question].concat()), Some(1)),
        ("a cut question", packet(&head(0, 1), &question[..9]), Some(1)),
        ("a name that points at itself", packet(&head(0, 1), b"\xc0\x0c\x00\x01\x00\x01"), Some(1)),
        ("a label of 64 bytes", packet(&head(0, 1), &[&[64u8][..], &[b'a'; 64], b"\x00\x00\x01\x00\x01"].concat()), Some(1)),
        ("another opcode", packet(&head(0x10, 1), question), Some(4)),
    ];
    for (what, bytes, rcode) in malformed {
        socket.send(&bytes).unwrap();
        let mut answer = [0u8; 4096];
        let got = socket.recv(&mut answer).ok().map(|length| {
            assert!(length >= 12 && answer[..2] == [0x12, 0x34] && answer[2] & 0x80 != 0, "{what}: {:?}", &answer[..length]);
            answer[3] & 0x0f
        });
        assert_eq!(got, rcode, "{what}");
    }
    let alive = dig_raw(&server, &["cluster.local", "SOA"]).ok();
    assert!(alive.contains("status: NOERROR"), "{alive}");
    assert_eq!(dig(&server, &["+tcp", "TXT", "dns-version.cluster.local"]), ["\"1.1.0\""]);
}
