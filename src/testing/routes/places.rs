//! The places that are probed: each listed path, and what is around it.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;

/// A segment that no route has.
pub(super) const UNKNOWN: &str = "no-such-route";

/// The listed paths, each with its listed methods, and folders that are known besides.
#[derive(Debug, Default)]
pub(super) struct Listed {
    paths: BTreeMap<String, BTreeSet<String>>,
    folders: BTreeSet<String>,
}

/// Where probes are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The path in the description.
    pub(super) shown: String,
    /// The path that is sent.
    pub(super) sent: String,
}

impl Place {
    fn new(shown: impl Into<String>, sent: impl Into<String>) -> Self {
        Self {
            shown: shown.into(),
            sent: sent.into(),
        }
    }
}

impl Listed {
    /// Adds a path without a method.
    pub(super) fn add_path(&mut self, path: &str) {
        self.paths.entry(path.to_owned()).or_default();
    }

    pub(super) fn add_route(&mut self, method: &Method, path: &str) {
        let methods = self.paths.entry(path.to_owned()).or_default();
        methods.insert(method.as_str().to_owned());
    }

    pub(super) fn add_folder(&mut self, folder: &str) {
        self.folders.insert(folder.trim_end_matches('/').to_owned());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Yields the listed paths.
    pub(super) fn paths(&self) -> impl Iterator<Item = Place> {
        self.paths.keys().map(|path| Place::new(path, path))
    }

    /// Yields the methods that are listed with any path.
    pub(super) fn methods(&self) -> impl Iterator<Item = &str> {
        self.paths.values().flatten().map(String::as_str)
    }

    /// Returns whether a method is listed with the path.
    pub(super) fn has(&self, method: &str, path: &str) -> bool {
        let methods = self.paths.get(path);
        methods.is_some_and(|methods| methods.contains(method))
    }

    /// Returns where fallbacks may answer, from the root down: for each path and each folder above
    /// one, an unknown segment in it, two of them, and none behind the slash.
    pub(super) fn around(&self) -> Vec<Place> {
        let mut folders = self.folders.clone();
        folders.insert(String::new());
        for path in self.paths.keys() {
            let above = path.match_indices('/').map(|(at, _)| path.split_at(at).0);
            folders.extend(above.chain([path.trim_end_matches('/')]).map(str::to_owned));
        }
        let places = folders.iter().flat_map(|folder| {
            [
                Place::new(format!("{folder}/*"), format!("{folder}/{UNKNOWN}")),
                Place::new(
                    format!("{folder}/*/*"),
                    format!("{folder}/{UNKNOWN}/{UNKNOWN}"),
                ),
                Place::new(format!("{folder}/"), format!("{folder}/")),
            ]
        });
        places
            .filter(|place| !self.paths.contains_key(&place.sent))
            .collect()
    }

    /// Yields the listed paths that may take a path for their own, with its segments as values of
    /// parameters.
    pub(super) fn takers<'l>(&'l self, sent: &'l str) -> impl Iterator<Item = &'l str> {
        let paths = self.paths.keys().map(String::as_str);
        paths.filter(move |path| takes(path, sent))
    }
}

/// Whether a path with parameters, `{name}` or `{*name}`, takes another one.
fn takes(path: &str, sent: &str) -> bool {
    let (mut wanted, mut given) = (path.split('/'), sent.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(_)) if wanted.starts_with("{*") => return true,
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(wanted), Some(_)) if wanted.starts_with('{') && wanted.ends_with('}') => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_takes_what_its_parameters_stand_for() {
        for (path, sent, wanted) in [
            ("/a/{id}", "/a/x", true),
            ("/a/{id}", "/a/x/y", false),
            ("/a/{id}/b", "/a/x/b", true),
            ("/a/{*rest}", "/a/x/y", true),
            ("/a/{id}.json", "/a/x", false),
            ("/a", "/b", false),
        ] {
            assert_eq!(takes(path, sent), wanted, "{path} {sent}");
        }
    }

    #[test]
    fn each_folder_is_probed_below_the_paths_and_above_them() {
        let mut listed = Listed::default();
        listed.add_path("/a/{id}");
        listed.add_path("/a/");
        let sent: Vec<_> = listed
            .around()
            .into_iter()
            .map(|place| place.shown)
            .collect();
        let wanted = [
            "/*",
            "/*/*",
            "/",
            "/a/*",
            "/a/*/*",
            "/a/{id}/*",
            "/a/{id}/*/*",
            "/a/{id}/",
        ];
        assert_eq!(sent, wanted);
    }
}
