//! Writes refusals into the bodies of hyper services: `Bytes` and the types of `http-body-util`.

use bytes::Bytes;
use http_body_util::{
    BodyExt, Full,
    combinators::{BoxBody, UnsyncBoxBody},
};

use super::RefusalBody;

impl RefusalBody for Bytes {
    fn from_text(text: String) -> Self {
        text.into()
    }
}

impl RefusalBody for Full<Bytes> {
    fn from_text(text: String) -> Self {
        Self::new(text.into())
    }
}

impl<E: 'static> RefusalBody for BoxBody<Bytes, E> {
    fn from_text(text: String) -> Self {
        Full::<Bytes>::from(text)
            .map_err(|never| match never {})
            .boxed()
    }
}

impl<E: 'static> RefusalBody for UnsyncBoxBody<Bytes, E> {
    fn from_text(text: String) -> Self {
        Full::<Bytes>::from(text)
            .map_err(|never| match never {})
            .boxed_unsync()
    }
}
