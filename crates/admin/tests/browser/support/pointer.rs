//! The mouse.

use std::time::Duration;

use fantoccini::actions::{InputSource as _, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};

use super::tab::Tab;

impl Tab {
    /// Clicks an element twice, as fast as people do.
    pub(crate) async fn double_click(&self, selector: &str) {
        let element = self.find(selector).await;
        let (down, up) = (
            PointerAction::Down {
                button: MOUSE_BUTTON_LEFT,
            },
            PointerAction::Up {
                button: MOUSE_BUTTON_LEFT,
            },
        );
        let to = PointerAction::MoveToElement {
            element,
            duration: None,
            x: 0.0,
            y: 0.0,
        };
        let mouse = MouseActions::new("mouse".into())
            .then(to)
            .then(down.clone())
            .then(up.clone())
            .then(PointerAction::Pause {
                duration: Duration::from_millis(150),
            })
            .then(down)
            .then(up);
        self.client.perform_actions(mouse).await.expect(selector);
    }

    /// Clicks at a point of the window.
    pub(crate) async fn click_at(&self, x: f64, y: f64) {
        let mouse = MouseActions::new("mouse".into())
            .then(PointerAction::MoveTo {
                duration: None,
                x,
                y,
            })
            .then(PointerAction::Down {
                button: MOUSE_BUTTON_LEFT,
            })
            .then(PointerAction::Up {
                button: MOUSE_BUTTON_LEFT,
            });
        self.client.perform_actions(mouse).await.expect("a click");
    }
}
