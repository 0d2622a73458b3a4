use std::time::Duration;

use polder_core::reason::{Obstacle, Reason, Refusal, Violations};
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{decode, encode, explained, fallback_reason, rest};

fn bad_fields(count: usize) -> Refusal {
    let mut bad = Violations::new();
    for n in 0..count {
        bad.add(format!("pool.ranges[{n}]"), Reason::RangeReversed, format!("range {n} runs backwards; swap its ends"));
    }
    bad.finish::<()>(None).unwrap_err()
}

#[test]
fn every_reason_survives_the_way_there_and_back() {
    for &reason in Reason::ALL {
        let refusal = Refusal::new(reason, "why").with("pool", "external");
        let back = decode(&encode(&refusal));
        assert_eq!(back.reason, reason);
        assert_eq!(back.metadata.get("pool").map(String::as_str), Some("external"));
    }
}

#[test]
fn all_parts_of_a_refusal_arrive() {
    let refusal =
        Refusal::new(Reason::PoolInUse, "pool `a` is in use").about("pool", "a").retry_in(Duration::from_secs(3)).blocked_by(
            Obstacle { reason: Reason::AddressInUse, subject: "allocations/7".into(), description: "holds 10.0.0.7".into() },
        );
    let status = encode(&refusal);
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(decode(&status), refusal);
}

#[test]
fn every_bad_field_arrives_with_its_own_reason() {
    let refusal = bad_fields(3);
    assert_eq!(decode(&encode(&refusal)).violations, refusal.violations);
}

#[test]
fn a_long_list_is_cut_to_what_a_header_takes_and_says_so() {
    let refusal = bad_fields(1000);
    let status = encode(&refusal);
    let back = decode(&status);
    let omitted: usize = back.metadata["omitted_details"].parse().unwrap();
    assert_eq!(back.violations.len() + omitted, 1000);
    let http = status.into_http::<()>();
    let bytes: usize = http.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    assert!(bytes < 8 << 10, "{bytes} bytes of headers");
}

#[test]
fn a_huge_message_with_wide_characters_still_fits_a_header() {
    let http = encode(&Refusal::new(Reason::Internal, "ü".repeat(1 << 20))).into_http::<()>();
    let bytes: usize = http.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    assert!(bytes < 8 << 10, "{bytes} bytes of headers");
}

#[test]
fn a_quota_is_a_quota_failure() {
    let status = encode(&Refusal::new(Reason::QuotaExceeded, "namespace `shop` may hold 3 addresses").about("namespace", "shop"));
    let quota = status.get_details_quota_failure().unwrap();
    assert_eq!(quota.violations[0].subject, "namespaces/shop");
}

#[test]
fn unavailable_says_when_to_retry() {
    let status = encode(&Refusal::new(Reason::StoreUnavailable, "the store does not answer"));
    assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
}

#[test]
fn a_foreign_status_gets_a_reason_and_keeps_its_code() {
    let status = explained(Status::cancelled("gone"));
    assert_eq!(status.code(), Code::Cancelled);
    assert_eq!(status.get_details_error_info().unwrap().reason, fallback_reason(Code::Cancelled).as_str());
}

#[test]
fn the_rest_answer_is_a_google_rpc_status() {
    let refusal = Refusal::missing(Reason::PoolNotFound, "pool", "external");
    let (http, body) = rest::refusal(&refusal);
    assert_eq!(http, http::StatusCode::NOT_FOUND);
    assert_eq!(body["error"]["code"], json!(404));
    assert_eq!(body["error"]["status"], json!("NOT_FOUND"));
    assert_eq!(body["error"]["details"][0]["reason"], json!("POOL_NOT_FOUND"));
    assert_eq!(body["error"]["details"][0]["domain"], json!("polder.dev"));
    assert_eq!(body["error"]["details"][1]["resourceName"], json!("external"));
}
