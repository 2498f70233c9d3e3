//! Reads the paths of a router from its `Debug` output.
//!
//! It is the only place where axum's `Router` shows them. Each table of paths is
//! `paths: {RouteId(0): "/agents", …}`; the table of the fallbacks has the same form.

/// The paths that a router knows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Paths {
    /// Those of routes.
    pub(super) routes: Vec<String>,
    /// Those below which something answers that cannot be seen: a nested fallback or service.
    pub(super) folders: Vec<String>,
}

/// What begins a table of paths.
const TABLE: &str = "paths: {";
/// How the names of captures begin that axum adds.
const PRIVATE: &str = "/{*__private__axum_";

/// Returns the paths in the `Debug` output of a router or of layers around one, or `None` if it has
/// no table.
pub(super) fn read(debug: &str) -> Option<Paths> {
    let mut paths = Paths::default();
    let mut found = false;
    for (at, _) in debug.match_indices(TABLE) {
        found = true;
        let (before, table) = (debug.get(..at)?, debug.get(at + TABLE.len()..)?);
        let of_fallbacks = before.rfind("fallback_router: ") > before.rfind("path_router: ");
        for path in texts(table) {
            match path.split_once(PRIVATE) {
                Some((folder, _)) => paths.folders.push(folder.to_owned()),
                None if of_fallbacks => paths.folders.push(path),
                None => paths.routes.push(path),
            }
        }
    }
    found.then_some(paths)
}

/// Returns the quoted texts up to the brace that ends the table.
fn texts(table: &str) -> Vec<String> {
    let (mut texts, mut text) = (Vec::new(), None::<String>);
    let mut chars = table.chars();
    while let Some(next) = chars.next() {
        match (&mut text, next) {
            (None, '}') => break,
            (None, '"') => text = Some(String::new()),
            (None, _) => {}
            (Some(_), '"') => texts.extend(text.take()),
            // Other escapes stand for what no path can have.
            (Some(text), '\\') => text.extend(chars.next()),
            (Some(text), next) => text.push(next),
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_both_tables() {
        let debug = r#"Router { path_router: PathRouter { routes: {}, node: Node { paths: {
            RouteId(1): "/a/{id}", RouteId(0): "/files/{*__private__axum_nest_tail_param}",
            RouteId(2): "/\"}" } } }, fallback_router: PathRouter { node: Node { paths: {
            RouteId(0): "/", RouteId(1): "/api/{*__private__axum_fallback}"} } } }"#;
        let paths = read(debug).unwrap();
        assert_eq!(paths.routes, ["/a/{id}", "/\"}"]);
        assert_eq!(paths.folders, ["/files", "/", "/api"]);
    }

    /// As of axum, which names the fallbacks last, and of a text that has them first.
    #[test]
    fn the_nearest_name_before_a_table_says_whose_it_is() {
        let table = |path: &str| format!("{TABLE}RouteId(0): \"{path}\"}}");
        let debug = [
            "fallback_router: ",
            &table("/api"),
            "path_router: ",
            &table("/a"),
        ]
        .concat();
        let paths = read(&debug).unwrap();
        assert_eq!(
            (&paths.routes[..], &paths.folders[..]),
            (&["/a".into()][..], &["/api".into()][..])
        );
        // Neither name: a route, and the table begins after its brace.
        assert_eq!(read(&table("/a")).unwrap().routes, ["/a"]);
    }

    #[test]
    fn a_text_without_a_table_has_no_paths() {
        assert_eq!(read("BoxCloneSyncService { .. }"), None);
    }
}
