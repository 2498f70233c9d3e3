//! The keyboard.

use fantoccini::{
    actions::{InputSource as _, KeyAction, KeyActions},
    key::Key,
};

use super::tab::Tab;

impl Tab {
    /// Presses a key.
    pub(crate) async fn key(&self, key: impl Into<char>) {
        let value = key.into();
        let keys = KeyActions::new("keyboard".into())
            .then(KeyAction::Down { value })
            .then(KeyAction::Up { value });
        self.client.perform_actions(keys).await.expect("a key");
    }

    /// Presses a letter together with the control key.
    pub(crate) async fn control(&self, letter: char) {
        let control = Key::Control.into();
        let keys = KeyActions::new("keyboard".into())
            .then(KeyAction::Down { value: control })
            .then(KeyAction::Down { value: letter })
            .then(KeyAction::Up { value: letter })
            .then(KeyAction::Up { value: control });
        self.client.perform_actions(keys).await.expect("keys");
    }
}
