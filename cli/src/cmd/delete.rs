//! `polder delete`: objects by kind and name, or what manifests describe, in the reverse order of applying.

use std::fmt::Write as _;
use std::time::Duration;

use polder_core::reason::{Reason, Refusal};
use polder_runtime::status;
use serde_json::{Map, Value, json};

use super::apply::Newest;
use super::{Context, object};
use crate::client::Client;
use crate::duration;
use crate::failure::Failure;
use crate::manifest::{Intent, Kind};
use crate::output::columns::{items, text};

/// How objects are deleted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Removal {
    /// Also when it holds addresses, or records.
    pub force: bool,
    /// How long to wait until every node and name server knows.
    pub wait: Option<Duration>,
}

/// Deletes one object, by its kind, its namespace and its name.
///
/// # Errors
/// [`Failure::Usage`] for an unknown kind; what the server refused; [`Failure::Late`] when the wait was too short.
pub async fn one(context: &Context, what: (&str, &str, &str), how: Removal) -> Result<String, Failure> {
    let (kind, namespace, name) = what;
    let kind = match kind {
        "pool" | "pools" => Kind::Pool,
        "reservation" | "reservations" => Kind::Reservation,
        "namespace" | "namespaces" | "ns" => Kind::Namespace,
        "node" | "nodes" | "no" => Kind::Node,
        "service" | "services" | "svc" => Kind::Service,
        "pod" | "pods" | "po" | "allocation" | "allocations" => Kind::Allocation,
        "bgp-peer" | "bgp-peers" | "bgppeer" | "bgppeers" => Kind::BgpPeer,
        "bgp-advertisement" | "bgp-advertisements" | "bgpadvertisement" | "bgpadvertisements" => Kind::BgpAdvertisement,
        "zone" | "zones" => Kind::Zone,
        "record-set" | "record-sets" | "recordset" | "recordsets" => Kind::RecordSet,
        _ => {
            let message = format!(
                "`{kind}` cannot be deleted; pool, reservation, namespace, node, service, pod, bgp-peer, bgp-advertisement, zone and \
                 record-set can"
            );
            return Err(Failure::Usage(message));
        }
    };
    let mut newest = Newest::default();
    newest.see(&remove(&context.client, kind, (namespace, name), how).await?);
    told(context, newest, how, format!("{}/{name} deleted\n", kind.word())).await
}

/// Deletes what manifests describe; what is gone already is no failure.
///
/// # Errors
/// The first refusal; [`Failure::Late`] when the wait was too short.
pub async fn all(context: &Context, intents: &[Intent], how: Removal) -> Result<String, Failure> {
    let (mut lines, mut newest) = (String::new(), Newest::default());
    let at_once = Removal { wait: None, ..how };
    let last = intents.iter().find(|intent| kept(intent).is_empty());
    for intent in intents.iter().rev() {
        if !kept(intent).is_empty() {
            eprintln!("note: {}: {}", intent.title(), kept(intent));
            continue;
        }
        let how = if last.is_some_and(|last| std::ptr::eq(last, intent)) { how } else { at_once };
        let state = match remove(&context.client, intent.kind, (&intent.namespace, &intent.path()), how).await {
            Ok(answer) => {
                newest.see(&answer);
                "deleted"
            }
            Err(failure) if failure.is_not_found() => "not found",
            Err(failure) => {
                print!("{lines}");
                eprintln!("{} is not deleted:", intent.title());
                return Err(failure);
            }
        };
        let _ = writeln!(lines, "{} {state}", intent.title());
    }
    told(context, newest, how, lines).await
}

/// The lines, and after a wait how far the changes have come.
async fn told(context: &Context, newest: Newest, how: Removal, lines: String) -> Result<String, Failure> {
    match how.wait {
        Some(limit) => newest.tell(&context.client, limit, context.now, lines).await,
        None => Ok(lines),
    }
}

/// Why an object stays; empty when it is deleted.
const fn kept(intent: &Intent) -> &'static str {
    match intent.kind {
        Kind::Network => "the compute network stays; apply another one to change it",
        Kind::Endpoints => "given endpoints go with their service",
        _ => "",
    }
}

async fn remove(client: &Client, kind: Kind, what: (&str, &str), how: Removal) -> Result<Value, Failure> {
    let (namespace, name) = what;
    let by_name = object([("name", json!(name))]);
    let (method, request) = match kind {
        Kind::Pool => ("ipam.PoolService/DeletePool", by_name),
        Kind::Reservation => ("ipam.PoolService/DeleteReservation", by_name),
        Kind::Namespace => ("ipam.NamespaceService/DeleteNamespace", by_name),
        Kind::Node => ("ipam.NodeService/DeleteNode", object([("name", json!(name)), ("force", json!(how.force))])),
        Kind::BgpPeer => ("lb.AnnouncementService/DeleteBgpPeer", by_name),
        Kind::BgpAdvertisement => ("lb.AnnouncementService/DeleteBgpAdvertisement", by_name),
        Kind::Zone => ("dns.DnsService/DeleteZone", object([("name", json!(name)), ("force", json!(how.force))])),
        Kind::RecordSet => ("dns.DnsService/DeleteRecordSet", record_set_request(name)?),
        Kind::Service | Kind::Endpoints => ("lb.ServiceCatalogService/DeleteService", service_request(namespace, name, how)),
        Kind::Allocation => {
            let found = allocation(client, namespace, name).await?;
            // By uid, so that nobody else's address is freed when the name has changed hands meanwhile.
            ("ipam.AllocationService/ReleaseAddresses", object([("uid", found["uid"].clone())]))
        }
        Kind::Network => return Err(Failure::Usage("the compute network cannot be deleted; apply another one".to_owned())),
    };
    client.change(method, request).await
}

fn service_request(namespace: &str, name: &str, how: Removal) -> Map<String, Value> {
    object([("namespace", json!(namespace)), ("name", json!(name)), ("wait", json!(how.wait.map(duration::json)))])
}

/// A record set by its path: `example.com/www/A`.
fn record_set_request(path: &str) -> Result<Map<String, Value>, Failure> {
    match path.split('/').collect::<Vec<_>>()[..] {
        [zone, name, rtype] => Ok(object([("zone", json!(zone)), ("name", json!(name)), ("type", json!(rtype))])),
        _ => Err(Failure::Usage(format!("`{path}` names no record set; write ZONE/NAME/TYPE, such as example.com/www/A"))),
    }
}

/// The allocation that a pod of this name holds.
async fn allocation(client: &Client, namespace: &str, name: &str) -> Result<Value, Failure> {
    let request = object([("namespace", json!(namespace))]);
    let listing = client.list("ipam.AllocationService/ListAllocations", "allocations", request).await?;
    let mut found = listing.items.into_iter().filter(|allocation| text(allocation, &["owner", "name"]) == name);
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => {
            let pod = super::qualified(namespace, name);
            let message = format!("pod `{pod}` holds no address. `polder get pods -n {namespace}` lists those that do.");
            Err(status::refuse(Refusal::new(Reason::AllocationNotFound, message).about("pod", pod)).into())
        }
        (Some(first), Some(second)) => {
            let handles = [&first, &second].map(|allocation| text(allocation, &["handle"]));
            let held: usize = [&first, &second].iter().map(|allocation| items(allocation, &["addresses"]).count()).sum();
            let message = format!(
                "pod `{namespace}/{name}` holds {held} addresses under several handles ({}); release them by handle",
                handles.join(", ")
            );
            Err(Failure::Usage(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use polder_proto::dynamic;
    use prost_reflect::{DeserializeOptions, DynamicMessage};

    use super::*;

    #[test]
    fn a_record_set_is_named_by_its_path() {
        let request = record_set_request("example.com/*.app/A").unwrap();
        assert_eq!((&request["zone"], &request["name"], &request["type"]), (&json!("example.com"), &json!("*.app"), &json!("A")));
        for bad in ["www", "example.com/www", "a/b/c/d"] {
            assert!(record_set_request(bad).unwrap_err().text().contains("ZONE/NAME/TYPE"));
        }
    }

    #[test]
    fn a_wait_is_asked_for_in_the_words_of_the_api() {
        let how = Removal { wait: Some(Duration::from_millis(1500)), ..Removal::default() };
        let request = service_request("shop", "web", how);
        assert_eq!(request["wait"], "1.5s");
        assert_eq!(service_request("shop", "web", Removal::default()).get("wait"), None, "absent: do not wait");
        let input = dynamic::method("polder.lb.v1.ServiceCatalogService", "DeleteService").unwrap().input();
        let options = DeserializeOptions::new().deny_unknown_fields(true);
        DynamicMessage::deserialize_with_options(input, Value::Object(request), &options).unwrap();
    }
}
