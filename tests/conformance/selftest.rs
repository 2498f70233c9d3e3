//! Tests of the checker: every expectation must be able to fail.

use serde_json::{Value, json};

use crate::case::Case;
use crate::check::{Seen, Setting, Verdict, check};
use crate::client::{Answer, Sent, http1::parse_fields};

const REFUSED: &[u8] = b"content-type: application/json\ncache-control: no-store\n\
    www-authenticate: Bearer realm=\"api\"";
const GRPC: &[u8] = b"content-type: application/grpc\ngrpc-status: 16\ngrpc-message: caf%C3%A9";

fn case(expect: &Value) -> Case {
    let case = json!([{
        "id": "T", "group": "t", "method": "GET", "path_kind": "scope_gated", "headers": [],
        "http_version": "1.1",
        "credential_state": "t", "why": "t", "undocumented": false, "expect": expect,
        "requires_any": ["a:read"],
        "setup": { "scopes": ["a:manage"] },
    }]);
    Case::read_all(&case.to_string()).remove(0).unwrap()
}

fn verdict(expect: &Value, answer: &Answer, calls: &[Value]) -> Verdict {
    let fixtures =
        json!({ "keys": { "KEY": { "id": "k", "org": "o" } }, "pats": { "PAT": { "user": "u" } } });
    let setting = Setting {
        fixtures: &fixtures,
        lookup_timeout_ms: 1000,
        proved: &[],
    };
    check(
        &case(expect),
        setting,
        &Sent::Answered(answer.clone()),
        &Seen {
            calls: calls.to_vec(),
            lookups: 1,
        },
    )
}

fn refused() -> Answer {
    let (fields, body) = (parse_fields(REFUSED), br#"{"detail":"No"}"#.to_vec());
    Answer {
        status: 401,
        fields,
        body,
        elapsed: std::time::Duration::from_millis(1100),
        ..Answer::default()
    }
}

fn grpc() -> Answer {
    Answer {
        status: 200,
        fields: parse_fields(GRPC),
        ended_with_headers: true,
        ..Answer::default()
    }
}

fn accepted() -> (Answer, Vec<Value>) {
    let principal = json!({ "kind": "org_key", "credential_id": "k", "org": "o", "user": null });
    (
        Answer {
            status: 200,
            body: b"inner".to_vec(),
            ..Answer::default()
        },
        vec![principal],
    )
}

/// Runs a table of keys, each with a value that is met and one that is not.
fn table(rows: &[(&str, Value, Value)], status: u16, answer: &Answer, calls: &[Value]) {
    for (key, met, broken) in rows {
        for (value, failures_wanted) in [(met, false), (broken, true)] {
            let mut expect = json!({ "status": status });
            expect[*key] = value.clone();
            let verdict = verdict(&expect, answer, calls);
            assert_eq!(
                !verdict.failures.is_empty(),
                failures_wanted,
                "{key}: {value}: {verdict:?}"
            );
        }
    }
}

#[test]
fn every_expectation_of_a_refusal_can_fail() {
    let rows = [
        ("status", json!(401), json!(403)),
        ("never_status", json!([200]), json!([401])),
        ("max_ms", json!("lookup_timeout + 250"), json!(250)),
        ("must_not_reach_inner", json!(true), json!("soon")),
        ("principal_org_any_of", json!(["o"]), json!("o")),
        ("store_lookups_max", json!(1), json!(0)),
        (
            "invariants",
            json!(["principal.org != b"]),
            json!(["all is well"]),
        ),
        (
            "invariants",
            json!(["if 200 then principal == KEY"]),
            json!(["if 200 then all is well"]),
        ),
        (
            "www_authenticate_contains",
            json!("Bearer realm=\""),
            json!("error="),
        ),
        ("www_authenticate_lacks", json!("error="), json!("Bearer")),
        (
            "content_type_starts_with",
            json!("application/json"),
            json!("application/grpc"),
        ),
        (
            "response_header_contains",
            json!({ "Cache-Control": "no-store" }),
            json!({ "cache-control": "public" }),
        ),
        (
            "response_header_absent",
            json!(["set-cookie"]),
            json!(["Cache-Control"]),
        ),
        (
            "response_must_not_contain",
            json!(["Yes"]),
            json!(["no-store"]),
        ),
        ("detail_message", json!("No"), json!("no")),
        ("detail_must_not_be", json!(["Yes"]), json!(["No"])),
        ("body_empty", Value::Null, json!(true)),
        (
            "body_json_equals",
            json!({ "detail": "No" }),
            json!({ "error": "No" }),
        ),
        ("body_equals", json!(r#"{"detail":"No"}"#), json!("No")),
        ("body_must_not_contain", json!(["Yes"]), json!(["No"])),
        (
            "body_must_not_be_hex",
            json!(["00"]),
            json!(["7B2264657461696C223A224E6F227D"]),
        ),
        ("grpc_status", Value::Null, json!(16)),
        ("trailers_only", Value::Null, json!(true)),
        ("status_in_headers", Value::Null, json!(true)),
    ];
    table(&rows, 401, &refused(), &[]);
}

#[test]
fn every_expectation_of_a_grpc_refusal_can_fail() {
    let rows = [
        ("grpc_status", json!(16), json!(7)),
        ("never_grpc_status", json!([0]), json!([0, 16])),
        ("detail_message", json!("café"), json!("caf%C3%A9")),
    ];
    table(&rows, 200, &grpc(), &[]);
    let later = Answer {
        ended_with_headers: false,
        ..grpc()
    };
    assert!(
        !verdict(&json!({ "trailers_only": true }), &later, &[])
            .failures
            .is_empty()
    );
    for message in ["caf\u{e9}", "100%"] {
        let mut bare = grpc();
        bare.fields.pop();
        bare.fields
            .push((b"grpc-message".to_vec(), message.as_bytes().to_vec()));
        let expect = json!({ "detail_message": message, "raw_grpc_message_ascii_only": true });
        assert!(
            !verdict(&expect, &bare, &[]).failures.is_empty(),
            "{message}"
        );
    }
    let continued = Answer {
        interim: vec![100],
        ..grpc()
    };
    assert!(
        !verdict(&json!({ "no_interim_100": true }), &continued, &[])
            .failures
            .is_empty()
    );
}

#[test]
fn every_expectation_about_calls_and_lookups_can_fail() {
    let (answer, calls) = accepted();
    let rows = [
        ("must_not_reach_inner", json!(false), json!(true)),
        (
            "principal",
            json!({ "org": "o", "user": null }),
            json!({ "org": "p" }),
        ),
        ("principal", json!({}), Value::Null),
        (
            "invariants",
            json!(["principal.org is never anything but o"]),
            json!(["principal.org is never anything but p"]),
        ),
        (
            "invariants",
            json!(["principal.org != p"]),
            json!(["principal.org != o"]),
        ),
        (
            "invariants",
            json!(["if 200 then principal == KEY"]),
            json!(["if 200 then principal == PAT"]),
        ),
        ("body_equals", json!("inner"), json!("other")),
    ];
    table(&rows, 200, &answer, &calls);
    let unseen =
        json!({ "status": 200, "must_not_reach_inner": false, "principal": { "org": "o" } });
    assert_eq!(verdict(&unseen, &answer, &[]).failures.len(), 2);
    let loose =
        json!({ "status": 200, "principal": { "org": null }, "principal_org_any_of": [null, "o"] });
    assert!(verdict(&loose, &answer, &calls).failures.is_empty());
}

#[test]
fn tolerated_results_are_reported_separately() {
    let tolerated = verdict(
        &json!({ "status": 400, "acceptable_status": [400, 401] }),
        &refused(),
        &[],
    );
    assert!(tolerated.failures.is_empty() && tolerated.deviations.len() == 1);
    let codes = json!({ "status": 200, "grpc_status": 14, "acceptable_grpc_status": [14, 16] });
    let tolerated = verdict(&codes, &grpc(), &[]);
    assert!(tolerated.failures.is_empty() && tolerated.deviations.len() == 1);
    let text = json!({ "status": 401, "detail_message": "Yes", "detail_may_be": ["No"] });
    assert!(verdict(&text, &refused(), &[]).failures.is_empty());
    assert!(
        verdict(
            &json!({ "detail_message": "Yes", "detail_null_ok": true }),
            &refused(),
            &[]
        )
        .failures
        .is_empty()
    );
}

#[test]
fn an_unknown_expectation_always_fails() {
    for value in [json!(true), Value::Null] {
        assert!(
            !verdict(
                &json!({ "status": 401, "moon_phase": value }),
                &refused(),
                &[]
            )
            .failures
            .is_empty()
        );
    }
}

#[test]
fn a_closed_connection_passes_only_if_allowed() {
    let setting = Setting {
        fixtures: &Value::Null,
        lookup_timeout_ms: 1000,
        proved: &[],
    };
    let closed = Sent::Rejected("closed".to_owned());
    let allowed =
        case(&json!({ "status": 400, "transport_reject_ok": true, "must_not_reach_inner": true }));
    let called = Seen {
        calls: vec![Value::Null],
        lookups: 0,
    };
    assert!(
        check(&allowed, setting, &closed, &Seen::default())
            .failures
            .is_empty()
    );
    assert!(
        !check(&allowed, setting, &closed, &called)
            .failures
            .is_empty(),
        "the service was called anyway"
    );
    assert!(
        !check(&allowed, setting, &Sent::Silent, &Seen::default())
            .failures
            .is_empty()
    );
    assert!(
        !check(
            &case(&json!({ "status": 400 })),
            setting,
            &closed,
            &Seen::default()
        )
        .failures
        .is_empty()
    );
}
