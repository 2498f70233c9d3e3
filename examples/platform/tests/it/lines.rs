//! The `curl` lines that it prints, read back.

use http::{Request, StatusCode};

use super::browser::{Seen, send};

pub(super) struct Line {
    pub(super) comment: String,
    pub(super) status: StatusCode,
    arguments: Vec<String>,
}

/// Finds the lines, each below a comment that begins with a status.
pub(super) fn of(printed: &str) -> Vec<Line> {
    let mut before = "";
    let mut lines = Vec::new();
    for line in printed.lines() {
        if let Some(arguments) = line.strip_prefix("curl -i ") {
            let comment = before.strip_prefix("# ").unwrap();
            lines.push(Line {
                comment: comment.to_owned(),
                status: comment.split(',').next().unwrap().parse().unwrap(),
                arguments: words(arguments),
            });
        }
        before = line;
    }
    lines
}

/// Splits a line as a shell does: what is in single quotes is one word.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        match number % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

impl Line {
    /// Sends what curl would.
    pub(super) async fn send(&self) -> Seen {
        let (mut method, mut body, mut url) = ("GET", String::new(), "");
        let mut request = Request::builder();
        let mut arguments = self.arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "-X" => method = arguments.next().unwrap(),
                "-d" => (method, body) = ("POST", arguments.next().unwrap().clone()),
                "-H" => {
                    let (name, value) = arguments.next().unwrap().split_once(": ").unwrap();
                    request = request.header(name, value);
                }
                other => url = other,
            }
        }
        let request = request.method(method).uri(format!("http://{url}"));
        send(request.body(body).unwrap()).await
    }
}
