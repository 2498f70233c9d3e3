//! Compares an answer, and what the service and the store received, with the expectations of a
//! case.
//!
//! Every key under `expect` is either checked here or proved by the scenario's own test. Any other
//! key fails the case: an unknown expectation is not met.

mod expectations;
mod invariants;

use serde_json::Value;

use crate::case::Case;
use crate::client::{Answer, Sent};

/// What the parts behind the layer received for one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// The principal of every call of the inner service; `null` if none.
    pub calls: Vec<Value>,
    pub lookups: usize,
}

/// What is known about the server besides the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// The fixtures, for expectations that name one of their credentials.
    pub fixtures: &'a Value,
    /// The deadline of a lookup, named `lookup_timeout` in the corpus.
    pub lookup_timeout_ms: u64,
    /// Keys and invariants that the steps of a scenario prove.
    pub proved: &'a [&'a str],
}

/// The outcome of one case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    pub failures: Vec<String>,
    pub deviations: Vec<String>,
}

/// Why an expectation is not met.
enum Fault {
    Failure(String),
    /// Tolerated, but reported separately.
    Deviation(String),
}

type CheckResult = Result<(), Fault>;

/// An answer being checked.
struct Check<'a> {
    case: &'a Case,
    setting: Setting<'a>,
    answer: &'a Answer,
    seen: &'a Seen,
    /// Whether the status is the expected one, so that the expected form can be checked.
    exact: bool,
}

/// Checks one exchange against its case.
pub(crate) fn check(case: &Case, setting: Setting<'_>, sent: &Sent, seen: &Seen) -> Verdict {
    let nothing = Answer::default();
    let answer = if let Sent::Answered(answer) = sent {
        answer
    } else {
        &nothing
    };
    let wanted = case.expect.get("status").and_then(Value::as_u64);
    let exact = wanted.is_none_or(|status| status == u64::from(answer.status));
    let check = Check {
        case,
        setting,
        answer,
        seen,
        exact,
    };
    let mut verdict = Verdict::default();
    check.transport(sent, &mut verdict);
    for (key, want) in &case.expect {
        check.check_key(key, want, matches!(sent, Sent::Answered(_)), &mut verdict);
    }
    verdict
}

impl Check<'_> {
    /// A request without an answer passes only where the case allows it, and never by silence.
    fn transport(&self, sent: &Sent, verdict: &mut Verdict) {
        match sent {
            Sent::Answered(_) => {}
            Sent::Rejected(_) if self.flag("transport_reject_ok") => {}
            Sent::Rejected(_) if self.setting.proved.contains(&"client_disconnect") => {}
            Sent::Rejected(how) => verdict.failures.push(format!(
                "expected an answer, got a closed connection: {how}"
            )),
            Sent::Silent => verdict
                .failures
                .push("expected an answer, got silence".to_owned()),
        }
    }

    /// Checks one key; without an answer only the expectations about what was received behind the
    /// layer apply.
    fn check_key(&self, key: &str, want: &Value, answered: bool, verdict: &mut Verdict) {
        if self.setting.proved.contains(&key) {
            return;
        }
        let on_seen = self.on_seen(key, want);
        let is_on_seen = on_seen.is_some();
        let met = on_seen
            .or_else(|| self.on_status(key, want))
            .or_else(|| self.on_fields(key, want))
            .or_else(|| self.on_body(key, want))
            .or_else(|| self.on_grpc(key, want));
        // `null` expects nothing, except for the principal, where it means that there is none.
        let asks = !want.is_null() || matches!(key, "principal" | "detail_message");
        match met {
            None => verdict
                .failures
                .push(format!("unknown expectation `{key}`: {want}")),
            Some(Err(Fault::Failure(why))) if asks && (answered || is_on_seen) => {
                verdict.failures.push(why)
            }
            Some(Err(Fault::Deviation(why))) if asks && (answered || is_on_seen) => {
                verdict.deviations.push(why)
            }
            Some(_) => {}
        }
    }

    /// Another key of the same case, for keys that belong together.
    fn also(&self, key: &str) -> Option<&Value> {
        self.case.expect.get(key).filter(|value| !value.is_null())
    }

    fn flag(&self, key: &str) -> bool {
        self.also(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Whether the answer has the form of a refusal by the layer, not by the service behind it or
    /// the server in front.
    fn refused_as_wanted(&self) -> bool {
        self.exact && self.seen.calls.is_empty() && matches!(self.answer.status, 401 | 403 | 503)
    }
}

/// Turns a condition into a result; builds the reason only if needed.
fn ensure(met: bool, why: impl FnOnce() -> String) -> CheckResult {
    if met {
        Ok(())
    } else {
        Err(Fault::Failure(why()))
    }
}

/// Like [`ensure`], for an expectation that `true` enables and `false` disables.
fn when(want: &Value, met: bool, why: impl FnOnce() -> String) -> CheckResult {
    let enabled = want.as_bool().ok_or_else(|| unknown_form(want))?;
    ensure(!enabled || met, why)
}

fn unknown_form(want: &Value) -> Fault {
    Fault::Failure(format!("unknown form of expectation: {want}"))
}

/// Reads a text or a list of texts.
fn texts(want: &Value) -> Result<Vec<&str>, Fault> {
    let read = match want {
        Value::String(text) => Some(vec![text.as_str()]),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    };
    read.ok_or_else(|| unknown_form(want))
}

/// Reads a number or a list of numbers.
fn numbers(want: &Value) -> Result<Vec<u64>, Fault> {
    let read = match want {
        Value::Array(items) => items.iter().map(Value::as_u64).collect(),
        single => single.as_u64().map(|number| vec![number]),
    };
    read.ok_or_else(|| unknown_form(want))
}
