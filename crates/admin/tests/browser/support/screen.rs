//! The screen: its size, its colours, and where in the world it stands.

use serde_json::json;

use super::tab::Tab;

/// A screen of a desk, in CSS pixels.
pub(crate) const WIDE: (u32, u32) = (1280, 800);

/// The narrowest screen on which nothing may be cut off (WCAG 2.2, 1.4.10).
pub(crate) const NARROW: (u32, u32) = (320, 640);

/// Which colours the reader prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Light,
    Dark,
}

impl Scheme {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

impl Tab {
    pub(crate) async fn prefer(&self, scheme: Scheme) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme.as_str() });
        let media = json!({ "features": [feature] });
        self.devtools("Emulation.setEmulatedMedia", media).await;
    }

    pub(crate) async fn resize(&self, (width, height): (u32, u32)) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        self.until(&format!("innerWidth === {width}")).await;
    }

    /// Moves the browser to a time zone, such as `Pacific/Auckland`.
    pub(crate) async fn travel(&self, zone: &str) {
        let zone = json!({ "timezoneId": zone });
        self.devtools("Emulation.setTimezoneOverride", zone).await;
    }
}
