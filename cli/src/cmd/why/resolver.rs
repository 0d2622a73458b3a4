//! The last step of a decision list: what the name server itself answers, asked like any client asks.

use std::net::IpAddr;

use polder_core::reason::Reason;
use serde_json::{Value, json};

use crate::client::Client;
use crate::cmd::object;
use crate::output::columns::{items, text};

/// The step that follows on an explanation.
pub(super) async fn step(client: &Client, explained: &Value) -> Value {
    let service = &explained["service"];
    let Some(name) = items(&service["status"], &["dnsNames"]).filter_map(Value::as_str).next() else {
        return told(Standing::Unknown, "the service does not say which name it has".to_owned());
    };
    let wanted = Wanted::of(service);
    let mut got = Vec::new();
    for record_type in wanted.types() {
        let request = object([("name", json!(format!("{name}."))), ("type", json!(record_type))]);
        match client.call("dns.DnsService/Resolve", Value::Object(request)).await {
            Ok(answer) => got.push(answer),
            Err(failure) => return told(Standing::Unknown, format!("the name server could not be asked: {}", failure.summary())),
        }
    }
    let mut steps = items(explained, &["steps"]);
    let is_published = steps.any(|step| step["step"] == "dns" && step["status"] == "CONDITION_STATUS_TRUE");
    match wanted.judge(name, &got) {
        (Standing::Wrong, message) if !is_published => told(Standing::Unknown, format!("{message}; it does not know of it yet")),
        (standing, message) => told(standing, message),
    }
}

fn told(standing: Standing, message: String) -> Value {
    let status = match standing {
        Standing::Well => "CONDITION_STATUS_TRUE",
        Standing::Wrong => "CONDITION_STATUS_FALSE",
        Standing::Unknown => "CONDITION_STATUS_UNKNOWN",
    };
    let reason = if standing == Standing::Wrong { Reason::NameNotServed.as_str() } else { "" };
    json!({ "step": "resolver", "status": status, "reason": reason, "message": message })
}

#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Well,
    Wrong,
    Unknown,
}

/// What the name is to answer with.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// Exactly these addresses.
    Addresses(Vec<IpAddr>),
    /// The addresses of so many ready endpoints.
    Endpoints(u64),
    /// Another name.
    Alias(String),
}

impl Wanted {
    fn of(service: &Value) -> Self {
        let spec = &service["spec"];
        if spec["type"] == "SERVICE_TYPE_EXTERNAL_NAME" {
            return Self::Alias(text(spec, &["externalName"]).trim_end_matches('.').to_owned());
        }
        if spec["headless"].as_bool() == Some(true) {
            return Self::Endpoints(service["status"]["readyEndpoints"].as_u64().unwrap_or_default());
        }
        let vips = items(&service["status"], &["clusterVips"]).filter_map(|vip| vip["address"].as_str()?.parse().ok());
        let mut vips: Vec<IpAddr> = vips.collect();
        vips.sort_unstable();
        Self::Addresses(vips)
    }

    fn types(&self) -> &'static [&'static str] {
        match self {
            Self::Alias(_) => &["CNAME"],
            Self::Addresses(vips) if vips.iter().all(IpAddr::is_ipv4) => &["A"],
            Self::Addresses(vips) if vips.iter().all(IpAddr::is_ipv6) => &["AAAA"],
            Self::Addresses(_) | Self::Endpoints(_) => &["A", "AAAA"],
        }
    }

    /// Whether the answers are that.
    fn judge(&self, name: &str, answers: &[Value]) -> (Standing, String) {
        let records = answers.iter().flat_map(|answer| items(answer, &["answers"]));
        let data: Vec<String> = records.map(|record| text(record, &["data"]).trim_end_matches('.').to_owned()).collect();
        let codes: Vec<String> = answers.iter().map(|answer| text(answer, &["rcode"])).collect();
        let said = if data.is_empty() { codes.join(", ") } else { data.join(", ") };
        let well = match self {
            Self::Alias(target) => data == [target.as_str()],
            Self::Endpoints(0) => return (Standing::Unknown, format!("{name} has nothing to answer with: no endpoint is ready")),
            Self::Endpoints(_) => !data.is_empty(),
            Self::Addresses(vips) if vips.is_empty() => {
                return (Standing::Unknown, format!("{name} has nothing to answer with: it waits for a cluster IP"));
            }
            Self::Addresses(vips) => {
                let mut got: Vec<IpAddr> = data.iter().filter_map(|text| text.parse().ok()).collect();
                got.sort_unstable();
                got == *vips
            }
        };
        match well {
            true => (Standing::Well, format!("the name server answers {name} with {said}")),
            false => (Standing::Wrong, format!("the name server answers {name} with {said}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(data: &[&str]) -> Value {
        let records: Vec<Value> = data.iter().map(|data| json!({ "data": data })).collect();
        json!({ "rcode": if data.is_empty() { "NXDOMAIN" } else { "NOERROR" }, "answers": records })
    }

    fn judged(service: &Value, answers: &[Value]) -> (Standing, String) {
        Wanted::of(service).judge("web.shop.svc.cluster.local", answers)
    }

    #[test]
    fn a_service_with_addresses_is_asked_for_all_of_them() {
        let service = json!({ "spec": { "type": "SERVICE_TYPE_CLUSTER_IP" },
            "status": { "clusterVips": [{ "address": "fd00::2" }, { "address": "172.28.0.2" }] } });
        assert_eq!(Wanted::of(&service).types(), ["A", "AAAA"]);
        let (both, one) = ([answered(&["172.28.0.2"]), answered(&["fd00::2"])], [answered(&["172.28.0.2"]), answered(&[])]);
        assert_eq!(judged(&service, &both).0, Standing::Well);
        let (standing, message) = judged(&service, &one);
        assert_eq!(standing, Standing::Wrong);
        assert!(message.ends_with(" with 172.28.0.2"), "{message}");
        assert!(judged(&service, &[answered(&[]), answered(&[])]).1.contains("with NXDOMAIN, NXDOMAIN"));
        assert_eq!(judged(&json!({ "spec": {} }), &[]).0, Standing::Unknown, "it waits for its address");
    }

    #[test]
    fn headless_services_and_aliases_are_asked_for_what_they_are() {
        let headless = |ready: u64| json!({ "spec": { "headless": true }, "status": { "readyEndpoints": ready } });
        assert_eq!(judged(&headless(0), &[]).0, Standing::Unknown);
        assert_eq!(judged(&headless(2), &[answered(&["172.27.0.1", "172.27.0.2"]), answered(&[])]).0, Standing::Well);
        assert_eq!(judged(&headless(2), &[answered(&[]), answered(&[])]).0, Standing::Wrong);
        let alias = json!({ "spec": { "type": "SERVICE_TYPE_EXTERNAL_NAME", "externalName": "db.example.com" } });
        assert_eq!(Wanted::of(&alias).types(), ["CNAME"]);
        assert_eq!(judged(&alias, &[answered(&["db.example.com."])]).0, Standing::Well);
        assert_eq!(judged(&alias, &[answered(&["old.example.com."])]).0, Standing::Wrong);
    }
}
