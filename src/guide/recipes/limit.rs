use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{StatusCode, header::RETRY_AFTER},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tower_api_key::{Principal, credential::Kind};

/// A key and a token may have the same id.
type Credential = (Kind, String);

/// How many requests each key may send in a window of time.
#[derive(Clone)]
pub struct PerKey {
    pub max: u32,
    pub window: Duration,
    /// When the window of a credential began, and its requests since.
    counts: Arc<Mutex<HashMap<Credential, (Instant, u32)>>>,
}

impl PerKey {
    pub fn new(max: u32, window: Duration) -> Self {
        Self {
            max,
            window,
            counts: Arc::default(),
        }
    }

    fn admits(&self, caller: &Principal) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (caller.kind(), caller.credential_id().to_owned());
        let (began, count) = counts.entry(key).or_insert((Instant::now(), 0));
        if began.elapsed() >= self.window {
            (*began, *count) = (Instant::now(), 0);
        }
        *count += 1;
        *count <= self.max
    }
}

/// For `middleware::from_fn_with_state`, inside the `AuthLayer`.
pub async fn limit_per_key(
    State(limit): State<PerKey>,
    caller: Principal,
    request: Request,
    next: Next,
) -> Response {
    if limit.admits(&caller) {
        return next.run(request).await;
    }
    let retry_after = [(RETRY_AFTER, limit.window.as_secs().to_string())];
    (StatusCode::TOO_MANY_REQUESTS, retry_after).into_response()
}
