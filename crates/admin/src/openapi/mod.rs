//! The OpenAPI 3.1 documents of the routers.

mod parts;

use http::HeaderName;
use parts::{
    BAD_BODY, BAD_ID, BAD_QUERY, CONFLICT, EVERYWHERE, STALE_CURSOR, UNKNOWN, errors, id,
    idempotency_key, integer, json, limit, listing, location, no_content, organization,
};
use tower_api_key::{credential::Kind, utoipa::security_scheme};
use utoipa::{
    ToSchema,
    openapi::{
        ComponentsBuilder, ContentBuilder, HttpMethod, InfoBuilder, ObjectBuilder, OpenApi,
        OpenApiBuilder, Paths, Ref, RefOr, Required, ResponseBuilder, Schema,
        path::OperationBuilder,
        request_body::RequestBodyBuilder,
        schema::{ArrayBuilder, Type},
        security::SecurityRequirement,
    },
};

use crate::{
    Admin,
    body::{EditBody, NewKeyBody, NewTokenBody, RevokeBody, RotateBody},
    error::Envelope,
    view::{CallerView, CredentialView, EventPageView, IssuedView, PageView},
};

/// The name of the security scheme in the documents.
const SCHEME: &str = "tower-api-key";

type Schemas = Vec<(String, RefOr<Schema>)>;

impl<S> Admin<S> {
    /// Returns the OpenAPI 3.1 document of
    /// [`organization_routes`](Self::organization_routes), with paths relative to where the router
    /// is nested.
    ///
    /// Each operation requires the security scheme `tower-api-key`, which is
    /// [that of the token format](tower_api_key::utoipa::security_scheme). It names no scopes, as
    /// the manager decides. Add the document to your own:
    ///
    /// ```
    /// use tower_api_key::{manage::Manager, store::MemoryStore};
    /// use tower_api_key_admin::Admin;
    /// use utoipa::openapi::OpenApi;
    ///
    /// fn with_admin(own: OpenApi, admin: &Admin<MemoryStore>) -> OpenApi {
    ///     own.nest("/admin", admin.organization_openapi())
    ///         .nest("/account", admin.personal_openapi())
    /// }
    /// # let admin = Admin::new(Manager::new(MemoryStore::new()));
    /// # let document = with_admin(OpenApi::default(), &admin);
    /// # assert!(document.paths.paths.contains_key("/admin/organization-pats/{id}"));
    /// # assert!(document.paths.paths.contains_key("/account/personal-tokens/{id}"));
    /// ```
    #[must_use]
    pub fn organization_openapi(&self) -> OpenApi {
        let mut document = Document::new("OrganizationKey", "organization keys");
        document.organization_header = Some(self.organization_header.clone());
        document.credentials::<NewKeyBody>(self.path(Kind::OrgKey));
        document.members();
        document.build("Organization keys", self)
    }

    /// Returns the OpenAPI 3.1 document of [`personal_routes`](Self::personal_routes), like
    /// [`organization_openapi`](Self::organization_openapi).
    #[must_use]
    pub fn personal_openapi(&self) -> OpenApi {
        let mut document = Document::new("PersonalToken", "personal tokens");
        document.credentials::<NewTokenBody>(self.path(Kind::PersonalToken));
        document.build("Personal tokens", self)
    }
}

/// A document under construction.
struct Document {
    /// The end of each operation's id.
    noun: &'static str,
    tag: &'static str,
    /// The header in which a personal token names the organization, where one is needed.
    organization_header: Option<HeaderName>,
    paths: Paths,
    schemas: Schemas,
}

impl Document {
    fn new(noun: &'static str, tag: &'static str) -> Self {
        let mut document = Self {
            noun,
            tag,
            organization_header: None,
            paths: Paths::new(),
            schemas: Vec::new(),
        };
        document.reference::<Envelope<'_>>();
        document
    }

    fn build<S>(self, title: &str, admin: &Admin<S>) -> OpenApi {
        let components = ComponentsBuilder::new()
            .schemas_from_iter(self.schemas)
            .security_scheme(SCHEME, security_scheme(admin.manager.token_format()))
            .build();
        let info = InfoBuilder::new()
            .title(title)
            .version(env!("CARGO_PKG_VERSION"))
            .build();
        OpenApiBuilder::new()
            .info(info)
            .paths(self.paths)
            .components(Some(components))
            .build()
    }

    /// Adds a schema, and returns the reference to it.
    fn reference<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let name = T::name().into_owned();
        T::schemas(&mut self.schemas);
        self.schemas.push((name.clone(), T::schema()));
        RefOr::Ref(Ref::from_schema_name(name))
    }

    /// Begins an operation on credentials, whose id is the verb and the noun.
    fn operation(&self, verb: &str, summary: &str) -> OperationBuilder {
        self.named(&format!("{verb}{}", self.noun), summary)
    }

    fn named(&self, id: &str, summary: &str) -> OperationBuilder {
        let operation = OperationBuilder::new()
            .operation_id(Some(id))
            .summary(Some(summary))
            .tag(self.tag)
            .parameters(
                self.organization_header
                    .as_ref()
                    .map(|name| [organization(name)]),
            )
            .security(SecurityRequirement::new(SCHEME, [""; 0]));
        errors(operation, EVERYWHERE)
    }

    fn json<T: ToSchema>(&mut self, text: &str) -> ResponseBuilder {
        json(self.reference::<T>(), text)
    }

    fn body<T: ToSchema>(&mut self, operation: OperationBuilder) -> OperationBuilder {
        let content = ContentBuilder::new()
            .schema(Some(self.reference::<T>()))
            .build();
        let body = RequestBodyBuilder::new()
            .content("application/json", content)
            .required(Some(Required::True))
            .build();
        errors(operation.request_body(Some(body)), BAD_BODY)
    }

    fn add(&mut self, method: HttpMethod, path: &str, operation: OperationBuilder) {
        self.paths
            .add_path_operation(path, vec![method], operation.build());
    }

    /// Adds the operations that both kinds have.
    fn credentials<New: ToSchema>(&mut self, path: &str) {
        self.issue::<New>(path);
        self.lists(path);
        self.one(&format!("{path}/{{id}}"));
        let revoke = self.operation("revoke", "Revokes a credential by its secret");
        let revoke = self.body::<RevokeBody>(errors(revoke, &[UNKNOWN]));
        let revoke = revoke.response("204", no_content());
        self.add(HttpMethod::Post, &format!("{path}/revoke"), revoke);
    }

    fn issue<New: ToSchema>(&mut self, path: &str) {
        let issue = self.operation("issue", "Issues a credential, and shows its secret once");
        let issue = self.body::<New>(errors(issue, &[CONFLICT]));
        let issue = self.issued(issue);
        self.add(HttpMethod::Post, path, issue);
    }

    /// Adds the header and the answers of a request that issues a credential.
    fn issued(&mut self, operation: OperationBuilder) -> OperationBuilder {
        let created = self
            .json::<IssuedView>("The new credential.")
            .header("Location", location());
        let repeated = self.json::<IssuedView>("What an earlier identical request has issued.");
        operation
            .parameter(idempotency_key())
            .response("201", created)
            .response("200", repeated)
    }

    fn lists(&mut self, path: &str) {
        let list = format!("list{}s", self.noun);
        let list = self.named(&list, "Lists credentials, newest first");
        let list = errors(list, &[BAD_QUERY, STALE_CURSOR]).parameters(Some(listing()));
        let list = list.response("200", self.json::<PageView>("A page of credentials."));
        self.add(HttpMethod::Get, path, list);
        let events = self.named(
            &format!("list{}Events", self.noun),
            "Lists audit events, newest first",
        );
        let before = integer("before", "`next` of the page before.");
        let events = errors(events, &[BAD_QUERY]).parameters(Some([before, limit()]));
        let events = events.response("200", self.json::<EventPageView>("A page of events."));
        self.add(HttpMethod::Get, &format!("{path}/events"), events);
    }

    /// Adds the operations on one credential.
    fn one(&mut self, path: &str) {
        let read = self.operation("read", "Returns a credential");
        let read = self.changed(errors(read, &[BAD_ID, UNKNOWN]));
        self.add(HttpMethod::Get, path, read);
        let edit = self.operation("edit", "Changes the name and the attributes");
        let edit = self.body::<EditBody>(errors(edit, &[UNKNOWN, CONFLICT]));
        let edit = self.changed(edit);
        self.add(HttpMethod::Patch, path, edit);
        let delete = self.operation("delete", "Deletes a credential");
        let delete = errors(delete, &[BAD_ID, UNKNOWN]).parameter(id());
        self.add(
            HttpMethod::Delete,
            path,
            delete.response("204", no_content()),
        );
        for (verb, summary) in [
            ("disable", "Disables a credential until it is enabled again"),
            ("enable", "Enables a disabled credential"),
        ] {
            let change = errors(self.operation(verb, summary), &[BAD_ID, UNKNOWN, CONFLICT]);
            let change = self.changed(change);
            self.add(HttpMethod::Post, &format!("{path}/{verb}"), change);
        }
        let rotate = self.operation("rotate", "Replaces a credential by a new one");
        let rotate = self.body::<RotateBody>(errors(rotate, &[UNKNOWN, CONFLICT]));
        let rotate = self.issued(rotate.parameter(id()));
        self.add(HttpMethod::Post, &format!("{path}/rotate"), rotate);
    }

    /// Adds the id in the path, and the credential as the answer.
    fn changed(&mut self, operation: OperationBuilder) -> OperationBuilder {
        let credential = self.json::<CredentialView>("The credential.");
        operation.parameter(id()).response("200", credential)
    }

    fn members(&mut self) {
        let who = self.named("readCaller", "Returns who the caller is");
        let who = who.response("200", self.json::<CallerView>("The caller."));
        self.add(HttpMethod::Get, "/members/me", who);
        let scopes = self.named("listCallerScopes", "Lists the scopes that the caller holds");
        let list = ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Type::String));
        let scopes = scopes.response("200", json(list.into(), "The scopes."));
        self.add(HttpMethod::Get, "/members/me/scopes", scopes);
    }
}
