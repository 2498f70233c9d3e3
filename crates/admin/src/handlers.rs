//! The handlers, which keys and tokens share.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use tower_api_key::{
    CallerInfo,
    manage::{Issued, ManageError},
    store::ManageStore,
};

use crate::{
    body::{Body, EditBody, Issue, RevokeBody, RotateBody},
    caller::{Caller, Id, IdempotencyKey},
    error::Fault,
    query::{EventListing, Listing},
    routes::Shared,
    view::{CredentialView, EventPageView, PageView, Views},
};

type Answer<T> = Result<Json<T>, Fault>;

/// Answers 201 with the secret and the place of the credential, or 200 without them if the request
/// was repeated. The place is relative to the path of the request (RFC 9110, section 10.2.2), which
/// a proxy may have changed.
fn issued(views: &Views, issued: Issued, collection: &str) -> Response {
    let (info, secret) = issued.into_parts();
    let body = Json(views.issued(&info, secret.as_ref()));
    match secret {
        Some(_) => {
            let place = format!("{collection}/{}", info.id);
            (StatusCode::CREATED, [(LOCATION, place)], body).into_response()
        }
        None => body.into_response(),
    }
}

pub(crate) async fn issue<S: ManageStore, B: Issue>(
    State(shared): State<Shared<S>>,
    caller: Caller,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<B>,
) -> Result<Response, Fault> {
    let new = body.issue(&shared.manager, &caller, key).await?;
    Ok(issued(&shared.views, new, &shared.collection))
}

pub(crate) async fn rotate<S: ManageStore>(
    State(shared): State<Shared<S>>,
    caller: Caller,
    Id(id): Id,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<RotateBody>,
) -> Result<Response, Fault> {
    let rotation = body.into_rotation(key);
    let rotated = shared
        .manager
        .rotate(&caller.actor, shared.kind, &id, rotation);
    Ok(issued(&shared.views, rotated.await?, ".."))
}

pub(crate) async fn list<S: ManageStore>(
    State(shared): State<Shared<S>>,
    caller: Caller,
    Listing {
        filter,
        cursor,
        limit,
    }: Listing,
) -> Answer<PageView> {
    let page = shared
        .reader
        .list(&caller.actor, shared.kind, &filter, cursor.as_ref(), limit)
        .await?;
    Ok(Json(shared.views.page(&page)))
}

pub(crate) async fn events<S: ManageStore>(
    State(shared): State<Shared<S>>,
    caller: Caller,
    EventListing { before, limit }: EventListing,
) -> Answer<EventPageView> {
    let events = shared
        .auditor
        .events(&caller.actor, shared.kind, before, limit)
        .await?;
    Ok(Json(shared.views.events(&events, limit)))
}

pub(crate) async fn read<S: ManageStore>(
    State(shared): State<Shared<S>>,
    caller: Caller,
    Id(id): Id,
) -> Answer<CredentialView> {
    let info = shared.reader.get(&caller.actor, shared.kind, &id).await?;
    Ok(Json(shared.views.credential(&info)))
}

pub(crate) async fn edit<S: ManageStore>(
    State(shared): State<Shared<S>>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<EditBody>,
) -> Answer<CredentialView> {
    let edit = body.into_edit()?;
    let edited = shared.manager.edit(&caller.actor, shared.kind, &id, edit);
    Ok(Json(shared.views.credential(&edited.await?)))
}

pub(crate) async fn disable<S: ManageStore>(
    State(shared): State<Shared<S>>,
    caller: Caller,
    Id(id): Id,
) -> Answer<CredentialView> {
    let disabled = shared.manager.disable(&caller.actor, shared.kind, &id);
    Ok(Json(shared.views.credential(&disabled.await?)))
}

pub(crate) async fn enable<S: ManageStore>(
    State(shared): State<Shared<S>>,
    caller: Caller,
    Id(id): Id,
) -> Answer<CredentialView> {
    let enabled = shared.manager.enable(&caller.actor, shared.kind, &id);
    Ok(Json(shared.views.credential(&enabled.await?)))
}

pub(crate) async fn delete<S: ManageStore>(
    State(shared): State<Shared<S>>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Fault> {
    let deleted = shared.manager.delete(&caller.actor, shared.kind, &id);
    gone(deleted.await)
}

/// Revokes the credential in the body. Who presents it is its bearer, whatever else the caller may
/// do.
pub(crate) async fn revoke<S: ManageStore>(
    State(shared): State<Shared<S>>,
    caller: Caller,
    body: Result<Body<RevokeBody>, Fault>,
) -> Result<StatusCode, Fault> {
    let Body(RevokeBody { pat_key }) = body.map_err(without_secret)?;
    let origin = caller.origin.as_deref();
    let revoked = shared.manager.revoke_presented(&pat_key, origin);
    gone(revoked.await)
}

/// Replaces the text of an error that may repeat the body, which has a secret.
fn without_secret(fault: Fault) -> Fault {
    match fault {
        Fault::Request {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            ..
        } => Fault::invalid_body("use an object with one member, `pat_key`, which is a string"),
        other => other,
    }
}

/// Answers 204. That the credential is already deleted is a success too, so that a request can be
/// repeated.
fn gone<T>(ended: Result<T, ManageError>) -> Result<StatusCode, Fault> {
    match ended {
        Ok(_) | Err(ManageError::Deleted) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn me<S: ManageStore>(_: State<Shared<S>>, caller: Caller) -> Response {
    let json = CallerInfo::of(&caller.principal).to_json();
    ([(CONTENT_TYPE, "application/json")], json).into_response()
}

pub(crate) async fn my_scopes<S: ManageStore>(
    _: State<Shared<S>>,
    caller: Caller,
) -> Json<Vec<String>> {
    let scopes = caller.principal.scopes().iter();
    Json(scopes.map(str::to_owned).collect())
}
