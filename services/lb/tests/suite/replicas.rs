//! Several replicas on one store: no address twice, every answer true.

use std::collections::BTreeSet;

use futures::future::join_all;
use polder_core::ipam::Purpose;
use polder_proto::lb::v1 as pb;
use polder_store::Store;
use polder_store::testing::Etcd;

use super::site::{Addresses, Replica, creation, embedded, vips, wait_for, web};

const SERVICES: usize = 60;

/// Two replicas are asked for more services than there are external addresses, all at once and each with an id of its own; half
/// of the calls are made twice.
async fn race(store: &Store) {
    let addresses = Addresses::open(store).await;
    addresses.pool("service", Purpose::ClusterService, "172.28.0.0/16").await;
    addresses.pool("external", Purpose::ExternalService, "10.0.0.0-10.0.0.39").await;
    let replicas = [Replica::start(store).await, Replica::start(store).await];
    let ask = async |number: usize, replica: &Replica| {
        let request_id = format!("create-{number}");
        let request = pb::CreateServiceRequest { request_id, ..creation(web(&format!("shop/s{number}"))) };
        replica.client().create_service(request).await.unwrap().into_inner().service.unwrap()
    };
    let calls = (0..SERVICES).flat_map(|number| {
        let twice = if number % 2 == 0 { 2 } else { 1 };
        replicas.iter().cycle().skip(number).take(twice).map(move |replica| (number, replica))
    });
    let made = join_all(calls.map(async |(number, replica)| (number, ask(number, replica).await))).await;
    let mut answers: Vec<Option<pb::Service>> = vec![None; SERVICES];
    for (number, service) in made {
        let first = answers[number].get_or_insert_with(|| service.clone());
        assert_eq!((&first.uid, vips(first)), (&service.uid, vips(&service)), "service {number}");
    }
    let answers: Vec<pb::Service> = answers.into_iter().map(Option::unwrap).collect();
    let cluster: BTreeSet<_> = answers.iter().flat_map(|service| vips(service).0).collect();
    let external: Vec<_> = answers.iter().flat_map(|service| vips(service).1).collect();
    assert_eq!((cluster.len(), external.len()), (SERVICES, 40));
    assert_eq!(external.iter().collect::<BTreeSet<_>>().len(), 40);

    addresses.pool("external", Purpose::ExternalService, "10.0.0.0-10.0.0.99").await;
    for replica in &replicas {
        let all = wait_for("an address for everybody", async || {
            let list = pb::ListServicesRequest { page_size: 1000, ..Default::default() };
            let services = replica.client().list_services(list).await.unwrap().into_inner().services;
            let held: Vec<_> = services.iter().flat_map(|service| vips(service).1).collect();
            (held.len() == SERVICES).then_some(held)
        })
        .await;
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), SERVICES);
        assert!(external.iter().all(|address| all.contains(address)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_on_the_embedded_store() {
    let (_folder, store) = embedded().await;
    race(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_on_etcd() {
    let etcd = Etcd::start().await;
    race(&etcd.store().await).await;
}
