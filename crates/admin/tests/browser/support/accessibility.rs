//! The page as a screen reader gets it.

use serde_json::{Map, Value, json};

use super::tab::Tab;

/// The accessibility tree, without the nodes that are ignored.
pub(crate) struct Tree(Vec<Value>);

impl Tree {
    /// Returns the first node with this role and name.
    pub(crate) fn find(&self, role: &str, name: &str) -> Value {
        let all = self.all(role);
        let found = all.iter().find(|node| node["name"] == name);
        let found = found.unwrap_or_else(|| panic!("no {role} {name:?} in {all:#?}"));
        (*found).clone()
    }

    /// Returns all nodes with this role.
    pub(crate) fn all(&self, role: &str) -> Vec<&Value> {
        self.0.iter().filter(|node| node["role"] == role).collect()
    }

    /// Returns the names of all nodes with this role.
    pub(crate) fn names(&self, role: &str) -> Vec<String> {
        let name = |node: &&Value| node["name"].as_str().unwrap_or_default().to_owned();
        self.all(role).iter().map(name).collect()
    }
}

impl Tab {
    pub(crate) async fn accessibility(&self) -> Tree {
        let tree = self
            .devtools("Accessibility.getFullAXTree", json!({}))
            .await;
        let nodes = tree["nodes"].as_array().expect("nodes").iter();
        Tree(
            nodes
                .filter(|node| node["ignored"] != true)
                .map(short)
                .collect(),
        )
    }
}

/// Returns the parts of a node that tests ask for.
fn short(node: &Value) -> Value {
    let properties = node["properties"].as_array().into_iter().flatten();
    let properties: Map<String, Value> = properties
        .map(|one| {
            let name = one["name"].as_str().unwrap_or_default();
            (name.to_owned(), one["value"]["value"].clone())
        })
        .collect();
    json!({
        "role": node["role"]["value"],
        "name": node["name"]["value"].as_str().unwrap_or_default(),
        "description": node["description"]["value"],
        "node": node["backendDOMNodeId"],
        "properties": properties,
    })
}
