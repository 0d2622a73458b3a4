//! One replica: changes, reads, refusals.

use polder_core::reason::Reason;
use polder_proto::lb::v1 as pb;
use polder_proto::types::v1::ConditionStatus;

use super::agent::{Agent, Network, register};
use super::site::{Addresses, Replica, creation, embedded, refused, reopen, split, vips, web};

#[tokio::test]
async fn a_service_comes_with_its_addresses_and_goes_with_them() {
    let (_folder, store) = embedded().await;
    Addresses::open(&store).await.usual().await;
    let lb = Replica::start(&store).await;
    let made = lb.client().create_service(creation(web("shop/web"))).await.unwrap().into_inner();
    let service = made.service.unwrap();
    assert_eq!(vips(&service), (vec!["172.28.0.0".to_owned()], vec!["10.0.0.13".to_owned()]));
    assert_eq!(made.impact.len(), 1);
    assert!(made.revision > 0);
    assert_eq!(lb.get("shop/web").await, service);
    assert_eq!(refused(lb.client().create_service(creation(web("shop/web"))).await).0, Reason::AlreadyExists);

    let (namespace, name) = split("shop/web");
    let stale = pb::DeleteServiceRequest { namespace, name, etag: "stale".to_owned(), ..Default::default() };
    assert_eq!(refused(lb.client().delete_service(stale.clone()).await).0, Reason::EtagMismatch);
    lb.client().delete_service(pb::DeleteServiceRequest { etag: service.etag, ..stale.clone() }).await.unwrap();
    assert_eq!(refused(lb.client().delete_service(stale).await).0, Reason::ServiceNotFound);
    let next = lb.client().create_service(creation(web("shop/next"))).await.unwrap().into_inner().service.unwrap();
    assert_eq!(vips(&next).1, ["10.0.0.13"]);
}

#[tokio::test]
async fn a_request_id_gets_its_first_answer_again_also_after_a_restart() {
    let (folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.usual().await;
    let lb = Replica::start(&store).await;
    let request = pb::CreateServiceRequest { request_id: "once".to_owned(), ..creation(web("shop/web")) };
    let first = lb.client().create_service(request.clone()).await.unwrap().into_inner();
    assert_eq!(lb.client().create_service(request.clone()).await.unwrap().into_inner(), first);
    let other = pb::CreateServiceRequest { service: Some(web("shop/other")), ..request.clone() };
    assert_eq!(refused(lb.client().create_service(other).await).0, Reason::RequestIdReused);
    lb.stop().await;
    drop((addresses, store));
    let store = reopen(&folder).await;
    let lb = Replica::start(&store).await;
    assert_eq!(lb.client().create_service(request).await.unwrap().into_inner(), first);
    assert_eq!(Some(lb.get("shop/web").await), first.service);
    assert_eq!(lb.list("").await, ["shop/web"]);
}

#[tokio::test]
async fn a_dry_run_says_what_would_come_and_changes_nothing() {
    let (_folder, store) = embedded().await;
    Addresses::open(&store).await.usual().await;
    let lb = Replica::start(&store).await;
    let dry = pb::CreateServiceRequest { validate_only: true, ..creation(web("shop/web")) };
    let told = lb.client().create_service(dry).await.unwrap().into_inner();
    assert!(lb.list("").await.is_empty());
    let done = lb.client().create_service(creation(web("shop/web"))).await.unwrap().into_inner();
    assert_eq!(
        (vips(&told.service.unwrap()), told.impact[0].description.clone()),
        (vips(&done.service.unwrap()), done.impact[0].description.clone())
    );
    let dry = pb::CreateServiceRequest { validate_only: true, ..creation(web("shop/web")) };
    assert_eq!(refused(lb.client().create_service(dry).await).0, Reason::AlreadyExists);
}

#[tokio::test]
async fn updates_replace_all_or_what_the_mask_names() {
    let (_folder, store) = embedded().await;
    Addresses::open(&store).await.usual().await;
    let lb = Replica::start(&store).await;
    let update = |service: pb::Service| pb::UpdateServiceRequest { service: Some(service), ..Default::default() };
    assert_eq!(refused(lb.client().update_service(update(web("shop/web"))).await).0, Reason::ServiceNotFound);
    let missing = pb::UpdateServiceRequest { allow_missing: true, ..update(web("shop/web")) };
    let first = lb.client().update_service(missing.clone()).await.unwrap().into_inner();
    let again = lb.client().update_service(missing).await.unwrap().into_inner();
    assert_eq!((again.service.clone(), again.impact.len()), (first.service.clone(), 0));

    let labelled = pb::Service { labels: [("a".to_owned(), "b".to_owned())].into(), ..web("shop/web") };
    let mask = prost_types::FieldMask { paths: vec!["labels".to_owned()] };
    let masked = pb::UpdateServiceRequest {
        update_mask: Some(mask),
        ..update(pb::Service { spec: None, etag: first.service.as_ref().unwrap().etag.clone(), ..labelled })
    };
    let changed = lb.client().update_service(masked.clone()).await.unwrap().into_inner().service.unwrap();
    assert_eq!((&changed.labels["a"], vips(&changed)), (&"b".to_owned(), vips(&first.service.unwrap())));
    assert_eq!(refused(lb.client().update_service(masked).await).0, Reason::EtagMismatch);
    let replaced = lb.client().update_service(update(web("shop/web"))).await.unwrap().into_inner().service.unwrap();
    assert!(replaced.labels.is_empty());
}

#[tokio::test]
async fn bad_input_names_every_field_and_changes_nothing() {
    let (_folder, store) = embedded().await;
    Addresses::open(&store).await.usual().await;
    let lb = Replica::start(&store).await;
    let mut bad = web("Shop/-");
    bad.spec.as_mut().unwrap().ports[0].port = 0;
    let (reason, refusal) = refused(lb.client().create_service(creation(bad)).await);
    assert_eq!((reason, refusal.violations.len()), (Reason::NameMalformed, 3));
    let mut wish = web("shop/web");
    let addresses = vec!["192.0.2.1".to_owned()];
    wish.spec.as_mut().unwrap().external = Some(pb::ExternalSpec { addresses, ..pb::ExternalSpec::default() });
    assert_eq!(refused(lb.client().create_service(creation(wish)).await).0, Reason::AddressNotInPool);
    assert!(lb.list("").await.is_empty());
}

#[tokio::test]
async fn lists_come_in_pages_and_filtered() {
    let (_folder, store) = embedded().await;
    Addresses::open(&store).await.usual().await;
    let lb = Replica::start(&store).await;
    for name in ["shop/b", "shop/a", "bank/c"] {
        let mut service = web(name);
        service.labels = [("tier".to_owned(), name.chars().last().unwrap().to_string())].into();
        lb.client().create_service(creation(service)).await.unwrap();
    }
    let mut request = pb::ListServicesRequest { page_size: 2, ..Default::default() };
    let first = lb.client().list_services(request.clone()).await.unwrap();
    assert!(first.metadata().contains_key("x-polder-age-ms"));
    let first = first.into_inner();
    request.page_token = first.next_page_token;
    let second = lb.client().list_services(request.clone()).await.unwrap().into_inner();
    let names: Vec<_> = first.services.iter().chain(&second.services).map(|service| service.name.as_str()).collect();
    assert_eq!((names, second.next_page_token.as_str()), (vec!["c", "a", "b"], ""));
    assert_eq!(lb.list("namespace = shop AND labels.tier = a").await, ["shop/a"]);
    assert_eq!(lb.list("external_ip = 10.0.0.13 OR type = EXTERNAL_NAME").await, ["shop/b"]);
    request.page_token = "nonsense".to_owned();
    let foreign = pb::ListServicesRequest { page_token: "41410a4242".to_owned(), ..Default::default() };
    assert_eq!(refused(lb.client().list_services(foreign).await).0, Reason::PageTokenMalformed, "`AA` names no namespace");
    assert_eq!(refused(lb.client().list_services(request).await).0, Reason::PageTokenMalformed);
    let filter = pb::ListServicesRequest { filter: "colour = red".to_owned(), ..Default::default() };
    assert_eq!(refused(lb.client().list_services(filter).await).0, Reason::FilterMalformed);
}

#[tokio::test]
async fn endpoints_follow_the_pods_and_the_explanation_says_what_is_missing() {
    let (_folder, store) = embedded().await;
    let addresses = Addresses::open(&store).await;
    addresses.usual().await;
    let lb = Replica::start(&store).await;
    lb.client().create_service(creation(web("shop/web"))).await.unwrap();
    let (namespace, name) = split("shop/web");
    let explain = pb::ExplainServiceRequest { namespace: namespace.clone(), name: name.clone() };
    let steps = async || lb.client().explain_service(explain.clone()).await.unwrap().into_inner().steps;
    let unhappy = async || {
        // Names and what nodes have programmed are another matter: neither a name server nor a whole agent is here.
        let is_elsewhere = |step: &pb::ExplainStep| ["dns", "programmed"].contains(&step.step.as_str());
        let bad = steps().await.into_iter().filter(|step| step.status() != ConditionStatus::True && !is_elsewhere(step));
        bad.map(|step| (step.step.clone(), step.status(), step.reason)).collect::<Vec<_>>()
    };
    let step = |name: &str, status, reason: &str| (name.to_owned(), status, reason.to_owned());
    let unannounced = [step("nodes", ConditionStatus::False, "NOT_ANNOUNCED"), step("announcement", ConditionStatus::Unknown, "")];
    let endpoints = step("endpoints", ConditionStatus::False, "NO_READY_ENDPOINTS");
    assert_eq!(unhappy().await, [&[endpoints], &unannounced[..]].concat());
    addresses.pod(5, "WS").await;
    addresses.pod(6, "DB").await;
    addresses.pod(7, "WS").await;
    let request = pb::ListEndpointsRequest { namespace, service: name, ..Default::default() };
    super::site::wait_for("both pods", async || {
        let all = lb.client().list_endpoints(request.clone()).await.unwrap().into_inner().endpoints;
        let found: Vec<_> = all.iter().map(|endpoint| (endpoint.address.as_str(), endpoint.ports[0].port)).collect();
        (found == [("172.27.0.5", 80), ("172.27.0.7", 80)]).then_some(())
    })
    .await;
    let paged = pb::ListEndpointsRequest { page_size: 1, filter: "address = *.7".to_owned(), ..request };
    let page = lb.client().list_endpoints(paged).await.unwrap().into_inner();
    assert_eq!((page.endpoints[0].address.as_str(), page.next_page_token.as_str()), ("172.27.0.7", ""));
    assert_eq!(unhappy().await, unannounced);
    register(&addresses, "node-a", |_| {}).await;
    let asked_for = step("announcement", ConditionStatus::False, "NOT_ANNOUNCED");
    super::site::wait_for("a node", async || (unhappy().await == std::slice::from_ref(&asked_for)).then_some(())).await;
    let network = Network::new(std::slice::from_ref(&lb.link));
    let _agent = Agent::start(&network, "node-a");
    super::site::wait_for("its agent", async || unhappy().await.is_empty().then_some(())).await;
    let programmed = steps().await.into_iter().find(|step| step.step == "programmed").unwrap();
    assert_eq!(
        (programmed.status(), programmed.message.as_str()),
        (ConditionStatus::Unknown, "node `node-a` has not reported yet")
    );
}
