//! The parts of operations: parameters, answers and errors.

use utoipa::{
    ToSchema,
    openapi::{
        ContentBuilder, Header, HeaderBuilder, ObjectBuilder, Ref, RefOr, Required,
        ResponseBuilder, Schema,
        path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn, ParameterStyle},
        schema::{KnownFormat, SchemaFormat, Type},
    },
};

use http::HeaderName;
use tower_api_key::{manage::MAX_PAGE, store::EffectiveStatus};

use crate::{
    body::Pairs,
    caller::IDEMPOTENCY_KEY,
    error::Envelope,
    query::{DEFAULT_LIMIT, STATES},
    view::word,
};

/// The errors of every operation: of the layers, and of the manager.
pub(super) const EVERYWHERE: &[(&str, &str)] = &[
    ("401", "The credential is missing or not valid."),
    ("403", "The caller may not do this."),
    ("500", "The service is not set up correctly."),
    (
        "503",
        "The store failed. It is not known whether something was changed.",
    ),
];

pub(super) const UNKNOWN: (&str, &str) = ("404", "The owner has no such credential.");

pub(super) const BAD_ID: (&str, &str) = ("400", "The id is not UTF-8.");

pub(super) const CONFLICT: (&str, &str) = (
    "409",
    "The state of the credential or of its owner forbids it.",
);

pub(super) const BAD_QUERY: (&str, &str) = (
    "400",
    "The query has another parameter, or a value that cannot be read.",
);

pub(super) const STALE_CURSOR: (&str, &str) = ("422", "The cursor belongs to another list.");

pub(super) const BAD_BODY: &[(&str, &str)] = &[
    (
        "400",
        "The body is not JSON, or an id in the path not UTF-8.",
    ),
    ("413", "The body has more than 64 KiB."),
    ("415", "The body is not `application/json`."),
    ("422", "A member of the body, or a header, is not allowed."),
];

pub(super) fn json(schema: RefOr<Schema>, text: &str) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description(text)
        .content("application/json", content)
}

pub(super) fn location() -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .description(Some("Where the credential is, relative to the request."))
        .build()
}

pub(super) fn no_content() -> ResponseBuilder {
    ResponseBuilder::new().description("Done, now or before.")
}

pub(super) fn errors(mut operation: OperationBuilder, errors: &[(&str, &str)]) -> OperationBuilder {
    for (status, text) in errors {
        let schema = Ref::from_schema_name(Envelope::name());
        operation = operation.response(*status, json(RefOr::Ref(schema), text));
    }
    operation
}

pub(super) fn id() -> Parameter {
    ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The credential's id."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

/// The header in which a personal token names the organization.
pub(super) fn organization(header: &HeaderName) -> Parameter {
    ParameterBuilder::new()
        .name(header.as_str())
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("The organization; required with a personal token."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

pub(super) fn idempotency_key() -> Parameter {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255));
    ParameterBuilder::new()
        .name(IDEMPOTENCY_KEY)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("Makes it safe to repeat the request: visible ASCII."))
        .schema(Some(key))
        .build()
}

fn query_of(name: &str, schema: ObjectBuilder, text: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(text))
        .schema(Some(schema))
        .build()
}

fn text(name: &str, text: &str) -> Parameter {
    query_of(name, ObjectBuilder::new().schema_type(Type::String), text)
}

pub(super) fn integer(name: &str, text: &str) -> Parameter {
    let integers = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    query_of(name, integers, text)
}

/// One pair of metadata, `metadata[key]=value`.
fn metadata() -> Parameter {
    ParameterBuilder::new()
        .name("metadata")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some("Only those whose metadata has this pair."))
        .style(Some(ParameterStyle::DeepObject))
        .explode(Some(true))
        .schema(Some(Pairs::schema_of(1)))
        .build()
}

pub(super) fn limit() -> Parameter {
    let sizes = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(MAX_PAGE as usize))
        .default(Some(DEFAULT_LIMIT.into()));
    query_of("limit", sizes, "Size of the page.")
}

pub(super) fn listing() -> [Parameter; 7] {
    let states = word(STATES.map(EffectiveStatus::as_str));
    let expires = "Only those that expire before this, in milliseconds since 1970-01-01T00:00:00Z.";
    let unused = "Only those created before this and not used since, in milliseconds since \
                  1970-01-01T00:00:00Z.";
    [
        text("cursor", "`next` of the page before."),
        limit(),
        query_of(
            "state",
            states,
            "Only those in this state; by default all but deleted ones.",
        ),
        integer("expires_before", expires),
        integer("unused_since", unused),
        text(
            "name",
            "Only those whose name contains this, in upper or lower case.",
        ),
        metadata(),
    ]
}
