//! A store of one's own: keys in a file of lines `id digest-in-hex organization role`, read at start.
//!
//! ```text
//! cargo run --example custom_store
//! ```

#![allow(
    clippy::print_stdout,
    reason = "an example talks to whoever started it"
)]

use std::{collections::HashMap, error::Error, sync::Arc};

use http::{Request, Response};
use tower::{ServiceBuilder, ServiceExt};
use tower_api_key::{
    AuthLayer, Principal,
    scope::Catalogue,
    secret::Digest,
    store::{CredentialStore, Lookup, LookupKey, Record, StoreError},
};

struct FileStore(HashMap<String, Arc<Record>>);

impl FileStore {
    fn parse(text: &str) -> Result<Self, Box<dyn Error>> {
        text.lines().map(record).collect::<Result<_, _>>().map(Self)
    }
}

fn record(line: &str) -> Result<(String, Arc<Record>), Box<dyn Error>> {
    let [id, digest, organization, role] = line.split(' ').collect::<Vec<_>>()[..] else {
        return Err(format!("four words expected: {line:?}").into());
    };
    let digest = Digest::from_hex(digest)?;
    let record =
        Record::org_key(id, digest, organization).with_role(role, &Catalogue::anyreach())?;
    Ok((id.to_owned(), Arc::new(record)))
}

#[tower_api_key::async_trait]
impl CredentialStore for FileStore {
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Option<Arc<Record>>, StoreError> {
        match lookup.key() {
            LookupKey::OrgKey { id } => Ok(self.0.get(id).cloned()),
            LookupKey::PersonalToken { .. } => Ok(None), // this service has none
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // `printf %s ak_test.not-a-real-secret | sha256sum`
    let store = FileStore::parse(
        "test 9436e65a7323d7ff4b85984af79b7c5cd708f663c0a1144586111e42952a2b53 org_1 viewer",
    )?;
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(store))
        .service_fn(async |request: Request<String>| {
            let caller = request.extensions().get::<Principal>();
            Ok::<_, std::convert::Infallible>(Response::new(format!("{caller:?}")))
        });
    let request = Request::builder()
        .header("authorization", "Bearer ak_test.not-a-real-secret")
        .body(String::new())?;
    println!("{}", service.oneshot(request).await?.into_body());
    Ok(())
}
