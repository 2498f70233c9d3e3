//! The names of the prelude do not clash with those of the frameworks when all are imported by `*`.

#![deny(
    ambiguous_glob_imports,
    reason = "a name from two globs is an error where it is used"
)]
#![allow(unused_imports, reason = "not every glob provides a name that is used")]

/// Uses every name of the prelude.
macro_rules! uses_the_prelude {
    () => {
        fn layers<S: CredentialStore + Clone>(
            store: S,
        ) -> (AuthLayer<S>, PublicLayer, RequireOrganizationLayer) {
            let _: Option<RequireScopesLayer> = RequireScopesLayer::any(["a"]).ok();
            let _: Option<RequireDescendantLayer> = None;
            let _: Option<(Principal, Rejection, Reason)> = None;
            (
                AuthLayer::new(store),
                PublicLayer::new(),
                RequireOrganizationLayer::new(),
            )
        }

        #[test]
        fn the_prelude_is_enough_to_set_up_layers() {
            let _ = layers(std::sync::Arc::new(tower_api_key::store::MemoryStore::new()));
        }
    };
}

mod alone {
    use tower_api_key::prelude::*;

    uses_the_prelude!();
}

mod with_tower_and_http {
    use http::{header::*, request::*, response::*, *};
    use tower::{builder::*, layer::*, util::*, *};
    use tower_api_key::prelude::*;

    uses_the_prelude!();
}

mod with_axum {
    use axum::{body::*, extract::*, handler::*, middleware::*, response::*, routing::*, *};
    use tower_api_key::prelude::*;

    uses_the_prelude!();

    async fn handler(request: Request) -> Html<&'static str> {
        let _ = request.extensions().get::<Principal>();
        Html("")
    }

    #[test]
    fn axum_names_are_not_shadowed() {
        let router: Router = Router::new()
            .route("/", get(handler))
            .layer(PublicLayer::new());
        let _ = router.merge(Router::new());
    }
}

mod with_tonic {
    use tonic::{body::*, metadata::*, server::*, service::*, transport::*, *};
    use tower_api_key::prelude::*;

    uses_the_prelude!();

    #[test]
    fn tonic_names_are_not_shadowed() {
        let _ = (Request::new(()), Status::ok(""), Code::Ok);
    }
}
