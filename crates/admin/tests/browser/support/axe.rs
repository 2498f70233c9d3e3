//! axe-core, which finds what keeps people with a disability out.

use std::fs;

use serde_json::{Value, json};

use super::{driver::required, picture::target, tab::Tab};

/// Its source, as `.ci/axe` has fetched it.
pub(crate) struct Axe(String);

impl Axe {
    /// Reads the source; `None`, with a message, if it was not fetched.
    pub(crate) fn read() -> Option<Self> {
        let file = target().join("axe/node_modules/axe-core/axe.min.js");
        let source = fs::read_to_string(file).ok().map(Self);
        required("axe-core: run .ci/axe", source)
    }

    /// Loads it into the page, by the DevTools protocol: the policy of the pages allows no script
    /// in the document.
    pub(crate) async fn load_into(&self, tab: &Tab) {
        let source = json!({ "expression": self.0 });
        tab.devtools("Runtime.evaluate", source).await;
    }

    /// Checks the page as it is, by all rules unless the options say otherwise.
    pub(crate) async fn assert_no_violations(&self, tab: &Tab, state: &str, options: Value) {
        let run = "const [options, done] = arguments; \
                   axe.run(document, { resultTypes: ['violations'], ...options }).then( \
                       ({ violations }) => done(violations.map(({ id, help, nodes }) => \
                           [id, help, nodes.map(({ html, failureSummary }) => \
                               [html, failureSummary])])), \
                       (error) => done(String(error)));";
        let found = tab.client.execute_async(run, vec![options]).await.unwrap();
        assert_eq!(found, Value::Array(Vec::new()), "{state}: {found:#}");
    }
}
