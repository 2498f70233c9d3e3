use axum::http::{
    HeaderValue, Request, Uri,
    header::{AUTHORIZATION, UPGRADE},
};

/// Moves `access_token` of a WebSocket handshake from the query into the header. Other requests
/// stay as they are.
pub fn token_from_query<B>(mut request: Request<B>) -> Request<B> {
    let upgrade = request.headers().get(UPGRADE);
    if !upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        return request;
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    let is_token = |pair: &&str| pair.starts_with("access_token=");
    let (tokens, others): (Vec<_>, Vec<_>) = query.split('&').partition(is_token);
    if tokens.is_empty() {
        return request;
    }
    for pair in tokens {
        let token = pair.trim_start_matches("access_token=");
        // A value that no header can carry is refused like an empty one. A second credential is
        // added and not preferred: the layer refuses both.
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))
            .unwrap_or(HeaderValue::from_static("Bearer"));
        value.set_sensitive(true);
        request.headers_mut().append(AUTHORIZATION, value);
    }
    *request.uri_mut() = with_query(request.uri(), &others.join("&"));
    request
}

fn with_query(uri: &Uri, query: &str) -> Uri {
    let path = match query {
        "" => uri.path().to_owned(),
        _ => format!("{}?{query}", uri.path()),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    Uri::from_parts(parts).unwrap_or_default() // never fails: only the query became shorter
}
