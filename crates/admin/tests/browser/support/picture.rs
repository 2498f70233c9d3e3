//! Pictures of the pages, in `target/screenshots`, for people to look at.

use std::{fs, path::PathBuf};

use serde_json::json;

use super::tab::Tab;

/// Returns the directory of what is built.
pub(super) fn target() -> PathBuf {
    // `target/tmp`, which cargo makes for the tests.
    let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().expect("it has a parent").to_owned()
}

impl Tab {
    /// Writes a picture of the whole page.
    pub(crate) async fn picture(&self, name: &str) {
        let metrics = self.devtools("Page.getLayoutMetrics", json!({})).await;
        let height = &metrics["cssContentSize"]["height"];
        // With what a scroll bar takes, which is not in the picture.
        let width = self.eval("innerWidth").await;
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let how = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = self.devtools("Page.captureScreenshot", how).await;
        let bytes = from_base64(picture["data"].as_str().expect("a picture"));
        let dir = target().join("screenshots");
        fs::create_dir_all(&dir).expect("a directory");
        fs::write(dir.join(format!("{name}.png")), bytes).expect("it is written");
    }
}

/// Reads base64 (RFC 4648, section 4).
fn from_base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.trim_end_matches('=').bytes().map(value).collect();
    let groups = digits.chunks(4).flat_map(|group| {
        let bits = group
            .iter()
            .fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit));
        let bytes = (bits << (6 * (4 - group.len()))).to_be_bytes();
        bytes[1..group.len()].to_vec()
    });
    groups.collect()
}
