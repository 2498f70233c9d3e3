//! [`GrpcScopes`]: the scopes of each method of a gRPC service.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use http::Request;

use super::{Entry, Stated, descriptor::methods_of};
use crate::{error::ConfigError, scope::AcceptedScopes};

/// The scopes that each method of a gRPC service accepts, for
/// [`RequireScopesLayer::by_grpc_method`](crate::RequireScopesLayer::by_grpc_method). A method
/// without an entry is denied to everyone.
///
/// ```
/// use tonic::server::NamedService;
/// use tonic_health::pb::{FILE_DESCRIPTOR_SET, health_server::HealthServer};
/// use tower_api_key::{RequireScopesLayer, require::GrpcScopes};
///
/// let health = GrpcScopes::new(HealthServer::<()>::NAME)
///     .any("Check", ["health:read", "health:manage"])
///     .all("Watch", ["health:read", "streams:open"])
///     .with_descriptor_set(FILE_DESCRIPTOR_SET);
/// let scopes = RequireScopesLayer::by_grpc_method([health])?;
/// # Ok::<(), tower_api_key::ConfigError>(())
/// ```
///
/// # The service's methods
///
/// A forgotten or misspelled method is refused when it is called. To find it when the service
/// starts, state which methods the service has: building the layer then fails if one of them has no
/// entry, or if an entry is for none of them.
///
/// The code that tonic generates does not list the methods, but a descriptor set does. Let
/// `tonic-prost-build` write one (`file_descriptor_set_path`), include it with
/// `tonic::include_file_descriptor_set!`, and pass it to
/// [`with_descriptor_set`](Self::with_descriptor_set). Or list the names with
/// [`with_methods`](Self::with_methods).
///
/// The order of the calls does not matter. Names are those in the `.proto` file, `GetAgent` and not
/// `get_agent`. Mistakes are returned when the layer is built.
#[derive(Clone, Debug)]
#[must_use]
pub struct GrpcScopes {
    service: Box<str>,
    entries: Vec<(Box<str>, Stated)>,
    /// The methods that the service has, if that is known.
    methods: Result<Option<BTreeSet<Box<str>>>, ConfigError>,
}

impl GrpcScopes {
    /// Starts the table of a service: its name with the package, such as tonic's
    /// `NamedService::NAME`.
    pub fn new(service: &str) -> Self {
        Self {
            service: service.into(),
            entries: Vec::new(),
            methods: Ok(None),
        }
    }

    /// Accepts callers of `method` who hold at least one of `scopes`.
    pub fn any<T: Into<Box<str>>>(self, method: &str, scopes: impl IntoIterator<Item = T>) -> Self {
        self.stated(method, AcceptedScopes::any(scopes).map(Entry::from))
    }

    /// Accepts callers of `method` who hold each of `scopes`.
    pub fn all<T: Into<Box<str>>>(self, method: &str, scopes: impl IntoIterator<Item = T>) -> Self {
        self.stated(method, AcceptedScopes::all(scopes).map(Entry::from))
    }

    /// Accepts callers of `method` who hold the `accepted` scopes.
    pub fn accepting(self, method: &str, accepted: AcceptedScopes) -> Self {
        self.stated(method, Ok(accepted.into()))
    }

    /// Accepts every authenticated caller of `method`.
    pub fn authenticated(self, method: &str) -> Self {
        self.stated(method, Ok(Entry::Authenticated))
    }

    /// Denies `method` to everyone, as if it had no entry.
    pub fn denied(self, method: &str) -> Self {
        self.stated(method, Ok(Entry::Denied))
    }

    /// States the methods that the service has.
    pub fn with_methods<T: Into<Box<str>>>(self, methods: impl IntoIterator<Item = T>) -> Self {
        let methods = methods.into_iter().map(Into::into).collect();
        Self {
            methods: Ok(Some(methods)),
            ..self
        }
    }

    /// Reads the methods that the service has from an encoded `FileDescriptorSet`.
    pub fn with_descriptor_set(self, set: &[u8]) -> Self {
        let methods = match methods_of(&self.service, set) {
            Ok(Some(methods)) => Ok(Some(methods)),
            Ok(None) => Err(ConfigError::UnknownGrpcService(self.service.clone())),
            Err(_) => Err(ConfigError::InvalidDescriptorSet),
        };
        Self { methods, ..self }
    }

    fn stated(mut self, method: &str, entry: Stated) -> Self {
        self.entries.push((method.into(), entry));
        self
    }

    /// Validates the entries and adds them to those of other services.
    fn build_into(self, table: &mut GrpcTable) -> Result<(), ConfigError> {
        let mut stated = BTreeSet::new();
        for (method, entry) in self.entries {
            let path = path(&self.service, &method)?;
            stated.insert(path.clone());
            match table.0.entry(path) {
                btree_map::Entry::Vacant(vacant) => vacant.insert(entry?),
                btree_map::Entry::Occupied(taken) => {
                    return Err(ConfigError::DuplicateRoute(taken.key().clone()));
                }
            };
        }
        let Some(methods) = self.methods? else {
            return Ok(());
        };
        let known = methods.iter().map(|method| path(&self.service, method));
        let known = known.collect::<Result<BTreeSet<_>, _>>()?;
        if let Some(path) = stated.difference(&known).next() {
            return Err(ConfigError::UnknownGrpcMethod(path.clone()));
        }
        match known.difference(&stated).next() {
            Some(path) => Err(ConfigError::UnlistedGrpcMethod(path.clone())),
            None => Ok(()),
        }
    }
}

/// Returns the path of a method (gRPC over HTTP/2, "Requests").
fn path(service: &str, method: &str) -> Result<Box<str>, ConfigError> {
    let is_name = |name: &str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        !name.is_empty() && name.bytes().all(is_part)
    };
    match [service, method].into_iter().find(|name| !is_name(name)) {
        Some(name) => Err(ConfigError::InvalidGrpcName(name.into())),
        None => Ok(format!("/{service}/{method}").into()),
    }
}

/// The entries of services, by the paths of their methods.
#[derive(Debug, Default)]
pub(crate) struct GrpcTable(BTreeMap<Box<str>, Entry>);

impl GrpcTable {
    pub(crate) fn new(services: impl IntoIterator<Item = GrpcScopes>) -> Result<Self, ConfigError> {
        let mut table = Self::default();
        for service in services {
            service.build_into(&mut table)?;
        }
        Ok(table)
    }

    /// Returns the entry of the method that is called. Its path is compared byte for byte, as
    /// tonic's services compare it.
    pub(super) fn entry<B>(&self, request: &Request<B>) -> Option<&Entry> {
        self.0.get(request.uri().path())
    }
}
