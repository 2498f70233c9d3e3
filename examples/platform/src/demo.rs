//! What a first start creates, and what each start prints.

use tower_api_key::{
    manage::{Actor, Manager, NewKey, NewToken},
    secret::Secret,
    store::{Directory, ManageStore, Owner, WriteError},
};

use super::accounts::{ACCOUNTS, Accounts, ORGANIZATIONS};

/// A key of the first organization, and a token of who may only read there.
pub(super) struct Secrets {
    key: Secret,
    token: Secret,
}

/// Creates the organizations, the users, and the first key and token; `None` if the store already
/// has those.
pub(super) async fn first_credentials<S>(manager: &Manager<S>) -> super::Result<Option<Secrets>>
where
    S: ManageStore + Directory,
{
    let store = manager.store();
    let [(first, _), _] = ORGANIZATIONS;
    let mut is_new = false;
    for (organization, _) in ORGANIZATIONS {
        let created = is_created(store.create_organization(organization, None).await)?;
        is_new |= created && organization == first;
    }
    for account in &ACCOUNTS {
        is_created(store.create_user(account.user).await)?;
        for (organization, _) in ORGANIZATIONS {
            let set = store.set_member(account.user, organization, account.role);
            set.await?;
        }
    }
    if !is_new {
        return Ok(None);
    }
    let organization = Actor::operator("first start", Owner::Organization(first.into()));
    let key = NewKey::named("first key").with_role("admin");
    let key = manager.issue_key(&organization, key).await?.into_secret();
    let person = Actor::operator("first start", Owner::User("user_demo".into()));
    let token = NewToken::named("first token");
    let token = manager.issue_token(&person, token).await?.into_secret();
    Ok(key.zip(token).map(|(key, token)| Secrets { key, token }))
}

/// Returns whether something was created; `false` if it was there before.
fn is_created(written: Result<(), WriteError>) -> Result<bool, WriteError> {
    match written {
        Ok(()) => Ok(true),
        Err(WriteError::Taken(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Prints where to look, the accounts, and lines to try.
pub(super) fn print(address: &str, accounts: &Accounts, secrets: Option<&Secrets>, afresh: &str) {
    match secrets {
        Some(Secrets { key, token }) => {
            print_curl_lines(address, key.expose_secret(), token.expose_secret());
        }
        None => {
            println!("# It has its credentials from an earlier start; they work as before.");
            println!("# A secret is shown once, when it is made. To start afresh: {afresh}");
            print_curl_lines(address, "<the key>", "<the token>");
        }
    }
    println!("# In a browser, with one of the accounts of this example:");
    for path in ["/api-keys", "/account/tokens"] {
        println!("http://{address}{path}");
    }
    let password = &accounts.password;
    for account in &ACCOUNTS {
        println!("#   demo account {:<6}  password {password}", account.name);
    }
    println!("# The API, for everybody:\nhttp://{address}/docs/");
}

fn print_curl_lines(address: &str, key: &str, token: &str) {
    let org = "-H 'X-Anyreach-Org: org_demo'";
    let json = "-H 'Content-Type: application/json'";
    let lines = [
        (
            "200, the key carries its organization",
            format!("-H 'Authorization: Bearer {key}' {address}/agents"),
        ),
        (
            "200, the key may also write",
            format!("-X POST -H 'Authorization: Bearer {key}' {address}/agents"),
        ),
        (
            "200, the token with an organization",
            format!("-H 'Authorization: Bearer {token}' {org} {address}/agents"),
        ),
        (
            "200, the token where none is needed",
            format!("-H 'Authorization: Bearer {token}' {address}/me"),
        ),
        (
            "200, who the service says the key is",
            format!("-H 'Authorization: Bearer {key}' {address}/whoami"),
        ),
        ("401, no credential", format!("{address}/agents")),
        (
            "401, neither kind of token",
            format!("-H 'Authorization: Bearer nonsense' {address}/agents"),
        ),
        (
            "401, the token without an organization",
            format!("-H 'Authorization: Bearer {token}' {address}/agents"),
        ),
        (
            "403, the token may only read",
            format!("-X POST -H 'Authorization: Bearer {token}' {org} {address}/agents"),
        ),
        ("200, a public route", format!("{address}/status")),
        (
            "200, a widget, for any browser on one of its sites",
            format!(
                "-H 'Origin: https://shop.example' {address}/core/public/web-widgets/widget_demo"
            ),
        ),
        (
            "403, the same on another site",
            format!(
                "-H 'Origin: https://other.example' {address}/core/public/web-widgets/widget_demo"
            ),
        ),
        (
            "202, a workflow that a webhook starts",
            format!("-X POST {address}/workflow/public/workflows/workflow_demo/1/execute"),
        ),
        (
            "201, another key, shown once",
            format!(
                "-H 'Authorization: Bearer {key}' {json} -d '{{\"name\": \"ci\"}}' \
                 {address}/admin/organization-pats"
            ),
        ),
        (
            "200, the keys",
            format!("-H 'Authorization: Bearer {key}' {address}/admin/organization-pats"),
        ),
        (
            "403, the token may not manage them",
            format!("-H 'Authorization: Bearer {token}' {org} {address}/admin/organization-pats"),
        ),
    ];
    for (comment, arguments) in lines {
        println!("# {comment}\ncurl -i {arguments}\n");
    }
}
