//! What `polder get` shows besides the objects of a list: endpoints, records, the compute network.

use polder_core::reason::Reason;
use serde_json::{Value, json};

use super::{lines, own_name};
use crate::args::Namespace;
use crate::cmd::{Context, missing, object, qualified};
use crate::failure::Failure;
use crate::output::columns::{items, joined, text};
use crate::output::{Format, data};

/// One table, and what stands for it in the other forms.
struct View<'a> {
    header: &'a [&'a str],
    rows: Vec<Vec<String>>,
    /// `kind/name` of each row.
    names: Vec<String>,
    whole: Value,
}

fn show(context: &Context, view: &View<'_>) -> Result<String, Failure> {
    match context.format {
        Format::Json | Format::Yaml => data(&view.whole, context.format),
        Format::Name => Ok(view.names.iter().map(|name| format!("{name}\n")).collect()),
        Format::Table | Format::Wide => Ok(lines(context, view.header, &view.rows)),
    }
}

/// The endpoints of services; a filter is one of services.
pub(super) async fn endpoints(
    context: &Context,
    name: Option<&str>,
    namespace: &Namespace,
    filter: &str,
) -> Result<String, Failure> {
    let one_namespace = if namespace.all_namespaces { "" } else { namespace.namespace.as_str() };
    let request = object([("namespace", json!(one_namespace)), ("filter", json!(filter))]);
    let mut services = context.client.list("lb.ServiceCatalogService/ListServices", "services", request).await?;
    services.items.retain(|service| name.is_none_or(|name| own_name(service) == name));
    if let Some(name) = name.filter(|_| services.items.is_empty()) {
        return Err(missing(Reason::ServiceNotFound, "service", &qualified(one_namespace, name)));
    }
    let (mut rows, mut names, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for service in &services.items {
        let request = object([("namespace", service["namespace"].clone()), ("service", service["name"].clone())]);
        let found = context.client.list("lb.ServiceCatalogService/ListEndpoints", "endpoints", request).await?;
        let mut row = vec![own_name(service), addresses(&found.items, true), addresses(&found.items, false)];
        if namespace.all_namespaces {
            row.insert(0, text(service, &["namespace"]));
        }
        rows.push(row);
        names.push(format!("endpoints/{}", own_name(service)));
        all.push(json!({ "namespace": service["namespace"], "service": service["name"], "endpoints": found.items }));
    }
    let header = ["NAMESPACE", "NAME", "ENDPOINTS", "NOT READY"];
    let header = if namespace.all_namespaces { &header[..] } else { &header[1..] };
    show(context, &View { header, rows, names, whole: json!({ "services": all }) })
}

fn addresses(endpoints: &[Value], ready: bool) -> String {
    let wanted = endpoints.iter().filter(|endpoint| endpoint["ready"].as_bool().unwrap_or(false) == ready);
    let addresses = wanted.flat_map(|endpoint| {
        let address = text(endpoint, &["address"]);
        let bracketed = if address.contains(':') { format!("[{address}]") } else { address.clone() };
        let ports: Vec<String> = items(endpoint, &["ports"]).map(|port| format!("{bracketed}:{}", text(port, &["port"]))).collect();
        if ports.is_empty() { vec![address] } else { ports }
    });
    let addresses: Vec<String> = addresses.collect();
    if addresses.is_empty() { "<none>".to_owned() } else { addresses.join(",") }
}

/// The stored record sets of one zone, of all stored zones without one.
pub(super) async fn record_sets(context: &Context, zone: Option<&str>, filter: &str) -> Result<String, Failure> {
    let zones = match zone {
        Some(zone) => vec![zone.to_owned()],
        None => {
            let stored = object([("filter", json!("system = false"))]);
            let zones = context.client.list("dns.DnsService/ListZones", "zones", stored).await?;
            zones.items.iter().map(own_name).collect()
        }
    };
    let mut all = Vec::new();
    for zone in zones {
        let request = object([("zone", json!(zone)), ("filter", json!(filter))]);
        all.extend(context.client.list("dns.DnsService/ListRecordSets", "recordSets", request).await?.items);
    }
    let row = |set: &Value| {
        let data = joined(items(set, &["data"]));
        let ttl = set["ttlSeconds"].as_u64().map_or_else(|| "<zone>".to_owned(), |seconds| seconds.to_string());
        vec![text(set, &["zone"]), own_name(set), text(set, &["type"]), ttl, data]
    };
    let rows = all.iter().map(row).collect();
    let path = |set: &Value| format!("record-set/{}/{}/{}", text(set, &["zone"]), own_name(set), text(set, &["type"]));
    let names = all.iter().map(path).collect();
    let header = &["ZONE", "NAME", "TYPE", "TTL", "DATA"];
    show(context, &View { header, rows, names, whole: json!({ "recordSets": all }) })
}

/// DNS records, those of one name if it is given.
pub(super) async fn records(context: &Context, name: Option<&str>, filter: &str) -> Result<String, Failure> {
    let request = object([("filter", json!(filter))]);
    let mut listing = context.client.list("dns.DnsService/ListRecords", "records", request).await?;
    if let Some(name) = name {
        let is_of = |record: &Value| own_name(record).trim_end_matches('.').eq_ignore_ascii_case(name.trim_end_matches('.'));
        listing.items.retain(is_of);
        if listing.items.is_empty() {
            return Err(missing(Reason::RecordSetNotFound, "record", name));
        }
    }
    let row = |record: &Value| ["name", "ttlSeconds", "type", "data"].map(|key| text(record, &[key])).to_vec();
    let rows = listing.items.iter().map(row).collect();
    let names = listing.items.iter().map(|record| format!("record/{}", own_name(record))).collect();
    let header = &["NAME", "TTL", "TYPE", "DATA"];
    show(context, &View { header, rows, names, whole: json!({ "records": listing.items }) })
}

/// The one compute network.
pub(super) async fn network(context: &Context, name: Option<&str>, filter: &str) -> Result<String, Failure> {
    if name.is_some() || !filter.is_empty() {
        return Err(Failure::Usage("there is one compute network: it has no name, and nothing to filter".to_owned()));
    }
    let answer = context.client.call("ipam.ComputeNetworkService/GetComputeNetwork", json!({})).await?;
    let network = &answer["network"];
    let list = |key: &str| joined(items(network, &[key]));
    let row =
        vec![text(network, &["interface"]), list("nodeRange"), list("externalRange"), list("podSubnet"), list("serviceSubnet")];
    let header = &["INTERFACE", "NODE RANGE", "EXTERNAL RANGE", "POD SUBNET", "SERVICE SUBNET"];
    show(context, &View { header, rows: vec![row], names: vec!["computenetwork".to_owned()], whole: answer.clone() })
}
