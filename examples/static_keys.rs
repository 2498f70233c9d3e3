//! A small service whose keys are listed in a file, without a database.
//!
//! ```text
//! cargo run --features axum,serde --example static_keys mint org_1 viewer >> keys.toml
//! cargo run --features axum,serde --example static_keys serve keys.toml
//! ```
//!
//! `mint` prints the token once, to the terminal, and the entry for the file. After a change of the
//! file, send SIGHUP to the service (`pkill -HUP static_keys`), or restart it where there are no
//! signals. A file with a mistake changes nothing.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example prints what it does"
)]

use std::{error::Error, fs};

use axum::{Router, routing::get};
use tower_api_key::{
    AuthLayer, Principal,
    credential::{Kind, TokenFormat},
    scope::Catalogue,
    store::{StaticCredentials, StaticStore},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["mint", organization, role] => mint(organization, role),
        ["serve", file] => serve(file, "127.0.0.1:3000").await,
        ["serve", file, address] => serve(file, address).await,
        _ => Err("use `mint ORGANIZATION ROLE` or `serve FILE [ADDRESS]`".into()),
    }
}

/// Mints a key. The file gets its digest, from which the token cannot be computed.
fn mint(organization: &str, role: &str) -> Result<(), Box<dyn Error>> {
    let key = TokenFormat::default().mint(Kind::OrgKey)?;
    eprintln!("the key, shown once: {}", key.secret.expose_secret());
    println!("[[keys]]");
    println!("id = \"{}\"", key.id);
    println!("digest = \"{}\"", key.digest.to_hex());
    println!("organization = {organization:?}");
    println!("role = {role:?}\n");
    Ok(())
}

async fn serve(file: &str, address: &str) -> Result<(), Box<dyn Error>> {
    let store = StaticStore::new(read(file)?, Catalogue::anyreach())?;
    println!("{file}: {store:?}");
    #[cfg(unix)]
    reload_on_hangup(store.clone(), file.to_owned())?;
    let app = Router::new()
        .route("/", get(hello))
        .route("/whoami", get(tower_api_key::axum::whoami))
        .layer(AuthLayer::new(store));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("curl -i http://{address}/whoami -H 'Authorization: Bearer <the key>'");
    axum::serve(listener, app).await?;
    Ok(())
}

async fn hello(caller: Principal) -> String {
    format!("hello, {}\n", caller.organization().unwrap_or("nobody"))
}

/// Reads the list. The error of the format is printed without the line that it is about, which may
/// contain a token.
fn read(file: &str) -> Result<StaticCredentials, Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let malformed = |error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        format!("{file}: {} in line {line}", error.message())
    };
    Ok(toml::from_str(&text).map_err(malformed)?)
}

/// Reads the file again on each SIGHUP.
#[cfg(unix)]
fn reload_on_hangup(store: StaticStore, file: String) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            match read(&file).and_then(|list| Ok(store.reload(list)?)) {
                Ok(()) => println!("{file}: {store:?}"),
                Err(error) => eprintln!("not reloaded: {error}"),
            }
        }
    });
    Ok(())
}
