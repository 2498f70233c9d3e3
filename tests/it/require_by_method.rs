//! A table of scopes by gRPC method: each method needs its own, any other path is denied, and a
//! table that does not fit its service cannot be built.

use crate::support;

use std::collections::BTreeMap;

use http::{Request, Uri};
use proptest::prelude::*;
use support::{Answer, KEY, ask, bearer, grpc_call, holding, key, memory, request};
use tower::ServiceBuilder;
use tower_api_key::{
    AuthLayer, ConfigError, PublicLayer, RequireScopesLayer, require::GrpcScopes,
    scope::AcceptedScopes,
};

const SERVICE: &str = "test.v1.Agents";

fn agents() -> GrpcScopes {
    GrpcScopes::new(SERVICE)
        .any("Get", ["agents:read", "agents:manage"])
        .all("Export", ["agents:read", "billing:manage"])
        .authenticated("WhoAmI")
        .denied("Purge")
}

fn layer(services: impl IntoIterator<Item = GrpcScopes>) -> RequireScopesLayer {
    RequireScopesLayer::by_grpc_method(services).unwrap()
}

fn at(mut request: Request<String>, path: &str) -> Request<String> {
    *request.uri_mut() = path.parse::<Uri>().unwrap();
    request
}

/// Calls with a key that holds `held`.
async fn call(table: &RequireScopesLayer, held: &[&str], path: &str) -> Answer {
    let auth = AuthLayer::new(holding(held));
    let stack = ServiceBuilder::new().layer(auth).layer(table.clone());
    ask(&stack, at(bearer(key("held")), path)).await
}

#[tokio::test]
async fn each_grpc_method_needs_its_own_scopes() {
    let other = GrpcScopes::new("Other").any("Get", ["trunks:read"]);
    let table = layer([agents(), other]);
    let every = [
        "agents:read",
        "agents:manage",
        "billing:manage",
        "trunks:read",
    ];
    for (held, method, cause) in [
        (&["agents:read"][..], "/test.v1.Agents/Get", "accepted"),
        (&["agents:manage"], "/test.v1.Agents/Get", "accepted"),
        (
            &["billing:manage"],
            "/test.v1.Agents/Get",
            "no_accepted_scope",
        ),
        (&["trunks:read"], "/test.v1.Agents/Get", "no_accepted_scope"),
        (
            &["agents:read", "billing:manage"],
            "/test.v1.Agents/Export",
            "accepted",
        ),
        (
            &["agents:manage", "billing:manage"],
            "/test.v1.Agents/Export",
            "no_accepted_scope",
        ),
        (
            &["agents:read"],
            "/test.v1.Agents/Export",
            "no_accepted_scope",
        ),
        (&[], "/test.v1.Agents/WhoAmI", "accepted"),
        (&[], "/test.v1.Agents/Get", "no_accepted_scope"),
        (&every, "/test.v1.Agents/Purge", "unlisted_route"),
        (&every, "/test.v1.Agents/List", "unlisted_route"),
        (&["trunks:read"], "/Other/Get", "accepted"),
        (&["agents:read"], "/Other/Get", "no_accepted_scope"),
        (&every, "/Other/Export", "unlisted_route"),
    ] {
        let answer = call(&table, held, method).await;
        assert_eq!(answer.cause(), cause, "{held:?} {method}");
        let wanted = if cause == "accepted" { 200 } else { 403 };
        assert_eq!(answer.status, wanted, "{held:?} {method}");
    }
}

#[tokio::test]
async fn any_other_path_is_denied_whatever_its_caller_holds() {
    let table = layer([agents()]);
    let denied = layer([]);
    let held = ["agents:read", "agents:manage", "billing:manage"];
    for path in [
        "/",
        "*",
        "/test.v1.Agents",
        "/test.v1.Agents/",
        "/test.v1.Agents/Get/",
        "//test.v1.Agents/Get",
        "/test.v1.Agents//Get",
        "/test.v1.Agents/Get/Get",
        "/test.v1.agents/Get",
        "/test.v1.Agents/get",
        "/TEST.V1.AGENTS/GET",
        "/test.v1.Agents/%47et",
        "/test.v1.Agents%2FGet",
        "/test%2ev1.Agents/Get",
        "/test.v1.Agents/Get%00",
        "/test.v1.Agents/Get;x",
        "/test.v1.Agents/./Get",
        "/test.v1.Agents/WhoAmI/../Get",
        "/x/test.v1.Agents/Get",
        "/test.v1.Agents/Get%20",
        "/Agents/Get",
        "/v1.Agents/Get",
        "host:80",
    ] {
        let answer = call(&table, &held, path).await;
        assert_eq!(
            (answer.status, answer.cause()),
            (403, "unlisted_route"),
            "{path}"
        );
        assert_eq!(
            answer.header("www-authenticate"),
            Some(INSUFFICIENT),
            "{path}"
        );
        assert!(answer.rejection.unwrap().accepted_scopes().is_none());
    }
    for path in ["/test.v1.Agents/Get?x=/y", "http://host/test.v1.Agents/Get"] {
        assert_eq!(
            call(&table, &held, path).await.cause(),
            "accepted",
            "{path}: the path is equal"
        );
        assert_eq!(
            call(&denied, &held, path).await.cause(),
            "unlisted_route",
            "an empty table"
        );
    }
}

const INSUFFICIENT: &str = r#"Bearer realm="api", error="insufficient_scope""#;

#[tokio::test]
async fn a_refused_method_has_the_challenge_of_its_own_scopes() {
    let table = layer([agents()]);
    let answer = call(&table, &[], "/test.v1.Agents/Export").await;
    let challenge = format!("{INSUFFICIENT}, scope=\"agents:read billing:manage\"");
    assert_eq!(answer.header("www-authenticate"), Some(&*challenge));
    let wanted = AcceptedScopes::all(["billing:manage", "agents:read"]).unwrap();
    assert_eq!(answer.rejection.unwrap().accepted_scopes(), Some(&wanted));
    let answer = call(&table, &[], "/test.v1.Agents/Get").await;
    assert_eq!(answer.header("www-authenticate"), Some(INSUFFICIENT));
}

#[tokio::test]
async fn who_is_not_authenticated_does_not_learn_which_methods_are_listed() {
    let auth = AuthLayer::new(memory());
    for path in [
        "/test.v1.Agents/Get",
        "/test.v1.Agents/WhoAmI",
        "/test.v1.Agents/List",
        "/",
    ] {
        let table = || layer([agents()]).with_responses_of(&auth);
        let sent = || at(request(), path);
        let optional = ServiceBuilder::new()
            .layer(auth.clone().optional())
            .layer(table());
        assert_eq!(ask(&optional, sent()).await.cause(), "anonymous", "{path}");
        let public = ServiceBuilder::new()
            .layer(PublicLayer::new())
            .layer(table());
        let answer = ask(&public, at(bearer(KEY), path)).await;
        assert_eq!(
            (answer.status, answer.cause()),
            (401, "anonymous"),
            "{path}"
        );
        let answer = ask(&table(), at(bearer(KEY), path)).await;
        assert_eq!(
            (answer.status, answer.cause()),
            (500, "no_auth_layer"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_grpc_call_is_refused_in_its_own_form() {
    let auth = AuthLayer::new(holding(&[])).with_grpc();
    let table = layer([agents()]).with_responses_of(&auth);
    let stack = ServiceBuilder::new().layer(auth).layer(table);
    for path in ["/test.v1.Agents/Export", "/test.v1.Agents/List"] {
        let sent = grpc_call(at(bearer(key("held")), path), "application/grpc");
        let answer = ask(&stack, sent).await;
        let (status, message) = (answer.header("grpc-status"), answer.header("grpc-message"));
        assert_eq!((answer.status, status), (200, Some("7")), "{path}");
        assert_eq!(message, Some("Token does not grant access to this action"));
    }
}

#[tokio::test]
async fn an_observed_table_refuses_nothing() {
    let table = layer([agents()]).observed();
    for path in ["/test.v1.Agents/Get", "/test.v1.Agents/List", "/x"] {
        assert_eq!(call(&table, &[], path).await.status, 200, "{path}");
    }
}

#[cfg(all(feature = "metrics", feature = "tracing"))]
#[tokio::test]
async fn refusals_by_a_table_are_counted_and_reported() {
    use support::logs;
    use tower_api_key::observe::TARGET;

    let recorder = support::recorder::TestRecorder::default();
    let _local = metrics::set_default_local_recorder(&recorder);
    logs::start();
    let table = layer([agents()]);
    for path in ["/test.v1.Agents/Export", "/test.v1.Agents/List"] {
        call(&table, &[], path).await;
        call(&table.clone().observed(), &[], path).await;
    }
    let wanted = [
        "tower_api_key_accepted_total{kind=org_key}",
        "tower_api_key_refused_total{kind=org_key,cause=no_accepted_scope}",
        "tower_api_key_refused_total{kind=org_key,cause=unlisted_route}",
        "tower_api_key_would_refuse_total{kind=org_key,cause=no_accepted_scope}",
        "tower_api_key_would_refuse_total{kind=org_key,cause=unlisted_route}",
    ];
    assert_eq!(recorder.all(), wanted);
    let fields = |event: &serde_json::Value| {
        let field = |name: &str| event["fields"][name].as_str().unwrap_or("-").to_owned();
        ["outcome", "cause", "accepted"].map(field).join(" ")
    };
    let events = logs::events(TARGET);
    let refusals = events
        .iter()
        .filter(|event| event["level"] == "INFO")
        .map(fields);
    assert_eq!(
        refusals.collect::<Vec<_>>(),
        [
            "insufficient_scope no_accepted_scope -",
            "would_refuse no_accepted_scope agents:read & billing:manage",
            "insufficient_scope unlisted_route -",
            "would_refuse unlisted_route -",
        ]
    );
}

fn assert_fits(service: GrpcScopes) {
    assert!(RequireScopesLayer::by_grpc_method([service]).is_ok());
}

fn refused(services: impl IntoIterator<Item = GrpcScopes>) -> ConfigError {
    RequireScopesLayer::by_grpc_method(services).unwrap_err()
}

#[test]
fn a_table_has_to_list_the_methods_of_its_service() {
    let methods = ["Get", "Export", "WhoAmI", "Purge"];
    assert_fits(agents().with_methods(methods));
    let fewer = agents().with_methods(["Get", "Export", "WhoAmI"]);
    let unknown = ConfigError::UnknownGrpcMethod("/test.v1.Agents/Purge".into());
    assert_eq!(refused([fewer]), unknown, "a denied one is checked, too");
    let misspelled = agents().any("get", ["a"]).with_methods(methods);
    assert_eq!(
        refused([misspelled]).to_string(),
        r#"the gRPC service has no method "/test.v1.Agents/get""#
    );
    let more = agents().with_methods(methods.into_iter().chain(["List"]));
    assert_eq!(
        refused([GrpcScopes::new("Other").any("Get", ["a"]), more]).to_string(),
        r#"the table has no entry for "/test.v1.Agents/List": state its scopes, or deny it"#
    );
    assert_fits(GrpcScopes::new(SERVICE).with_methods([""; 0]));
}

#[test]
fn the_methods_can_be_read_from_a_descriptor_set() {
    let set = tonic_health::pb::FILE_DESCRIPTOR_SET;
    let health = || GrpcScopes::new("grpc.health.v1.Health").any("Check", ["a"]);
    let complete = health().authenticated("Watch").with_descriptor_set(set);
    assert_fits(complete);
    let missing = ConfigError::UnlistedGrpcMethod("/grpc.health.v1.Health/Watch".into());
    assert_eq!(refused([health().with_descriptor_set(set)]), missing);
    let unknown = GrpcScopes::new("grpc.health.v2.Health").with_descriptor_set(set);
    let wanted = ConfigError::UnknownGrpcService("grpc.health.v2.Health".into());
    assert_eq!(refused([unknown]), wanted);
    let invalid = health().with_descriptor_set(&set[..set.len() - 1]);
    assert_eq!(refused([invalid]), ConfigError::InvalidDescriptorSet);
}

#[test]
fn an_impossible_table_is_a_config_error() {
    for name in ["", "a/b", "/a", "a b", "a?b", "a%62", "é"] {
        let wanted = ConfigError::InvalidGrpcName(name.into());
        assert_eq!(refused([agents().any(name, ["a"])]), wanted);
        assert_eq!(refused([GrpcScopes::new(name).any("Get", ["a"])]), wanted);
        assert_eq!(refused([agents().with_methods([name])]), wanted);
    }
    let twice = ConfigError::DuplicateRoute("/test.v1.Agents/Get".into());
    assert_eq!(refused([agents().denied("Get")]), twice);
    assert_eq!(
        refused([agents(), GrpcScopes::new(SERVICE).any("Get", ["a"])]),
        twice
    );
    assert_eq!(
        refused([agents().any("List", [""; 0])]),
        ConfigError::NoScopes
    );
    assert_eq!(
        refused([agents().all("List", [""; 0])]),
        ConfigError::NoScopes
    );
    let invalid = ConfigError::InvalidScope("a b".into());
    assert_eq!(refused([agents().all("List", ["c", "a b"])]), invalid);
}

/// What an entry of the reference says: sets of which each has to be met, or a denial.
type Reference = BTreeMap<String, Option<Vec<Vec<String>>>>;

/// Scopes of the catalogue: a key holds no others.
fn scope() -> impl Strategy<Value = String> {
    prop_oneof!["agents:read", "billing:manage", "trunks:read"]
}

fn references() -> impl Strategy<Value = Reference> {
    let set = proptest::collection::vec(scope(), 1..3);
    let entry = proptest::option::weighted(0.9, proptest::collection::vec(set, 0..3));
    proptest::collection::btree_map("/[AB]/[A-C]", entry, 0..5)
}

fn table_of(reference: &Reference) -> RequireScopesLayer {
    layer(reference.iter().map(|(path, entry)| {
        let (service, method) = path[1..].split_once('/').unwrap();
        let table = GrpcScopes::new(service);
        let Some(sets) = entry else {
            return table.denied(method);
        };
        let Some((first, others)) = sets.split_first() else {
            return table.authenticated(method);
        };
        let first = AcceptedScopes::any(first.iter().map(String::as_str));
        let accepted = others.iter().fold(first, |accepted, set| {
            accepted?.and_any(set.iter().map(String::as_str))
        });
        table.accepting(method, accepted.unwrap())
    }))
}

proptest! {
    #[test]
    fn a_table_by_method_decides_as_the_reference(
        reference in references(),
        path in "/?/?[ABab]?/?[A-Ca-c]?[/.%?]?",
        held in proptest::collection::vec(scope(), 0..4),
    ) {
        let Ok(uri) = path.parse::<Uri>() else { return Ok(()) };
        let held: Vec<_> = held.iter().map(String::as_str).collect();
        let wanted = match reference.get(uri.path()) {
            Some(Some(sets)) => {
                let meets = |set: &Vec<String>| set.iter().any(|scope| held.contains(&&**scope));
                if sets.iter().all(meets) { "accepted" } else { "no_accepted_scope" }
            }
            Some(None) | None => "unlisted_route",
        };
        let answer = support::now(call(&table_of(&reference), &held, &path));
        prop_assert_eq!(answer.cause(), wanted);
    }
}
