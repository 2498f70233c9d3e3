//! Lists of keys.

use serde_json::{Value, json};
use tower_api_key::{
    clock::UnixMillis,
    credential::Kind,
    store::{Directory, ManageStore, Usage},
};

use crate::support::{KEYS, START, World};

over_each_store! {
    pages_show_every_key_once_newest_first
    filters_limit_the_list
    a_query_that_the_list_does_not_have_is_refused
    a_use_is_shown_with_its_client
}

fn names(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|key| key["name"].as_str().unwrap())
        .collect()
}

async fn pages_show_every_key_once_newest_first<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    for name in ["a", "b", "c"] {
        world.clock.advance_millis(1);
        world.issue(&json!({ "name": name }).to_string()).await;
    }
    let all = world.send("GET", KEYS, &world.admin, "").await.json();
    assert_eq!(names(&all)[..3], ["c", "b", "a"]);
    assert_eq!((names(&all).len(), &all["next"]), (5, &json!(null)));
    assert_eq!(all["items"][0]["created_at"], START + 3);
    let (mut paged, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let path = format!("{KEYS}?{query}");
        let page = world.send("GET", &path, &world.admin, "").await.json();
        paged.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => query = format!("limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(json!(paged), all["items"]);
    // A cursor is good for its list alone.
    let first = world
        .send("GET", &format!("{KEYS}?limit=1"), &world.admin, "")
        .await
        .json();
    let next = first["next"].as_str().unwrap();
    for (key, query) in [(&world.other, ""), (&world.admin, "&state=active")] {
        let path = format!("{KEYS}?cursor={next}{query}");
        let answer = world.send("GET", &path, key, "").await;
        assert_eq!(answer.code(), (422, "stale_cursor".into()));
    }
    let answer = world
        .send("GET", &format!("{KEYS}?cursor=x"), &world.admin, "")
        .await;
    assert_eq!(answer.code(), (422, "stale_cursor".into()));
    for (limit, count) in [(1, 1), (200, 5)] {
        let path = format!("{KEYS}?limit={limit}");
        let page = world.send("GET", &path, &world.admin, "").await.json();
        assert_eq!(names(&page).len(), count, "{limit}");
    }
}

async fn filters_limit_the_list<S: ManageStore + Directory + Clone>(world: World<S>) {
    world.clock.advance_millis(10);
    let end = START + 1_000;
    world
        .issue(&format!(r#"{{"name": "soon", "expires_at": {end}}}"#))
        .await;
    world
        .issue(r#"{"name": "red", "metadata": {"team": "red & blue"}}"#)
        .await;
    let off = world.issue(r#"{"name": "off"}"#).await;
    let gone = world.issue(r#"{"name": "gone"}"#).await;
    world
        .send(
            "POST",
            &format!("{KEYS}/{}/disable", off.id),
            &world.admin,
            "",
        )
        .await;
    world
        .send("DELETE", &format!("{KEYS}/{}", gone.id), &world.admin, "")
        .await;
    let shows = async |query: &str, mut wanted: Vec<&str>| {
        let path = format!("{KEYS}?{query}");
        let answer = world.send("GET", &path, &world.admin, "").await.json();
        let mut shown = names(&answer);
        shown.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(shown, wanted, "{query}");
    };
    shows("", vec!["soon", "red", "off", "admin", "viewer"]).await;
    shows("state=active", vec!["soon", "red", "admin", "viewer"]).await;
    shows("state=disabled", vec!["off"]).await;
    shows("state=deleted", vec!["gone"]).await;
    shows("state=expired", vec![]).await;
    shows(&format!("expires_before={}", end + 1), vec!["soon"]).await;
    shows(&format!("expires_before={end}"), vec![]).await;
    shows(
        &format!("unused_since={}", START + 10),
        vec!["admin", "viewer"],
    )
    .await;
    shows("metadata[team]=red+%26%20blue", vec!["red"]).await;
    shows("metadata%5Bteam%5D=red", vec![]).await;
    shows("name=O", vec!["soon", "off"]).await;
    shows("name=of&state=active", vec![]).await;
    shows("state=disabled&metadata%5Bteam%5D=red", vec![]).await;
    world.clock.advance_millis(1_000);
    shows("state=expired", vec!["soon"]).await;
    let path = format!("{KEYS}?state=expired");
    let page = world.send("GET", &path, &world.admin, "").await.json();
    assert_eq!(page["items"][0]["status"], "expired");
}

async fn a_query_that_the_list_does_not_have_is_refused<S>(world: World<S>)
where
    S: ManageStore + Directory + Clone,
{
    for (path, query, detail) in [
        ("", "limit=x", r#""limit": use 1 to 200"#),
        ("", "limit=-1", r#""limit": use 1 to 200"#),
        (
            "",
            "limit=1&limit=2",
            r#""limit": it is there more than once"#,
        ),
        (
            "",
            "expires_before=soon",
            r#""expires_before": use an integer of at most 64 bits"#,
        ),
        (
            "",
            "unused_since=1.5",
            r#""unused_since": use an integer of at most 64 bits"#,
        ),
        (
            "",
            "state=gone",
            r#""state": "gone" is not one of active, disabled, expired, deleted"#,
        ),
        (
            "",
            "metadata[]=1",
            r#""metadata": "" is not a key of metadata: use letters, digits and `-./:_`"#,
        ),
        (
            "",
            "metadata[a][b]=1",
            r#""metadata": "a][b" is not a key of metadata: use letters, digits and `-./:_`"#,
        ),
        ("", "limit=0", r#""limit": use 1 to 200"#),
        ("/events", "limit=201", r#""limit": use 1 to 200"#),
        (
            "",
            "names=ci",
            r#""names": this endpoint has no such parameter"#,
        ),
        (
            "",
            "metadata=a",
            r#""metadata": this endpoint has no such parameter"#,
        ),
        (
            "",
            "metadata[a]=1&metadata[b]=2",
            r#""metadata[b]": there is "metadata[a]" already"#,
        ),
        (
            "/events",
            "before=x",
            r#""before": use an integer of at most 64 bits"#,
        ),
        (
            "/events",
            "cursor=1",
            r#""cursor": this endpoint has no such parameter"#,
        ),
    ] {
        let path = format!("{KEYS}{path}?{query}");
        let answer = world.send("GET", &path, &world.admin, "").await;
        let detail = format!("query parameter {detail}");
        let body = format!(r#"{{"detail":{},"code":"invalid_query"}}"#, json!(detail));
        assert_eq!(answer.seen(), (400, &*body), "{query}");
    }
}

async fn a_use_is_shown_with_its_client<S: ManageStore + Directory + Clone>(world: World<S>) {
    let at = UnixMillis(START + 5);
    let mut used = Usage::new(Kind::OrgKey, world.viewer.id.clone(), at);
    used.address = Some("192.0.2.7".parse().unwrap());
    used.user_agent = Some("client/1".into());
    world.manager.store().record_uses(&[used]).await.unwrap();
    let page = world.send("GET", KEYS, &world.admin, "").await.json();
    let items = page["items"].as_array().unwrap();
    let uses = |name: &str| {
        let key = items.iter().find(|key| key["name"] == name).unwrap();
        [
            "first_used_at",
            "last_used_at",
            "last_address",
            "last_user_agent",
        ]
        .map(|member| key[member].clone())
    };
    let at = json!(START + 5);
    let wanted = [at.clone(), at, json!("192.0.2.7"), json!("client/1")];
    assert_eq!(uses("viewer"), wanted);
    assert_eq!(uses("admin"), [const { json!(null) }; 4]);
}
