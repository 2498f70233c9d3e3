//! Every key that a case may have under `expect`, grouped by the part of the exchange that it
//! describes.
//!
//! A group returns `None` for a key that is not its own.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Check, CheckResult, Fault, ensure, invariants, numbers, texts, when};

impl Check<'_> {
    /// Expectations about what the inner service and the store received.
    pub(super) fn on_seen(&self, key: &str, want: &Value) -> Option<CheckResult> {
        Some(match key {
            "must_not_reach_inner" => self.reaches_inner(want),
            "principal" => self.principal(want),
            "principal_org_any_of" => ensure(want.is_array(), || format!("not a list: {want}")),
            "invariants" => invariants::check_all(self, want),
            "store_lookups_max" => self.lookups(want),
            _ => return None,
        })
    }

    /// Expectations about the status, the time and the way the answer arrived.
    pub(super) fn on_status(&self, key: &str, want: &Value) -> Option<CheckResult> {
        let status = u64::from(self.answer.status);
        Some(match key {
            "status" => self.status(want),
            "acceptable_status" => numbers(want).map(drop),
            "never_status" => numbers(want).and_then(|never| {
                ensure(!never.contains(&status), || {
                    format!("never {status}, got {status}")
                })
            }),
            "transport_reject_ok" => when(want, true, String::new),
            "indistinguishable_group" => texts(want).map(drop),
            "max_ms" => self.in_time(want),
            "no_interim_100" => when(want, self.answer.interim.is_empty(), || {
                format!("expected no interim answer, got {:?}", self.answer.interim)
            }),
            _ => return None,
        })
    }

    /// Expectations about the header fields.
    pub(super) fn on_fields(&self, key: &str, want: &Value) -> Option<CheckResult> {
        Some(match key {
            "www_authenticate_contains" => self.challenge_contains(want),
            "www_authenticate_optional" => when(want, true, String::new),
            "www_authenticate_lacks" => self.challenge_lacks(want),
            "content_type_starts_with" => self.content_type(want),
            "response_header_contains" => self.fields_contain(want),
            "response_header_absent" => texts(want).and_then(|names| {
                let present = names.iter().find(|name| !self.answer.all(name).is_empty());
                ensure(present.is_none(), || {
                    format!("expected no field {present:?}")
                })
            }),
            "response_must_not_contain" => lacks(&self.answer.everything(), want),
            _ => return None,
        })
    }

    /// Expectations about the body and its text.
    pub(super) fn on_body(&self, key: &str, want: &Value) -> Option<CheckResult> {
        let body = &self.answer.body;
        let shown = || String::from_utf8_lossy(body).into_owned();
        Some(match key {
            "detail_message" => self.detail(want),
            "detail_must_not_be" => texts(want).and_then(|never| {
                let detail = self.detail_text().unwrap_or_default();
                ensure(!never.contains(&detail.as_str()), || {
                    format!("the text must not be {detail:?}")
                })
            }),
            "detail_may_be" => texts(want).map(drop),
            "detail_null_ok" => when(want, true, String::new),
            "body_empty" => when(want, !self.exact || body.is_empty(), || {
                format!("expected no body, got {:?}", shown())
            }),
            "body_json_equals" => self.body_json(want),
            "body_equals" => texts(want).and_then(|text| {
                ensure(text.iter().any(|text| text.as_bytes() == body), || {
                    format!("expected {want}, got {:?}", shown())
                })
            }),
            "body_must_not_contain" => lacks(body, want),
            "body_must_not_be_hex" => self.body_is_not(want),
            _ => return None,
        })
    }

    /// Expectations about the status that gRPC sends in fields or trailers.
    pub(super) fn on_grpc(&self, key: &str, want: &Value) -> Option<CheckResult> {
        Some(match key {
            "grpc_status" => self.grpc_status(want),
            "acceptable_grpc_status" => numbers(want).map(drop),
            "never_grpc_status" => numbers(want).and_then(|never| {
                let got = self.grpc_status_got();
                ensure(!got.is_some_and(|code| never.contains(&code)), || {
                    format!("never grpc-status {got:?}")
                })
            }),
            "trailers_only" => {
                let only =
                    self.answer.ended_with_headers && !self.answer.all("grpc-status").is_empty();
                when(want, !self.exact || only, || {
                    "expected trailers only: nothing after the header block".to_owned()
                })
            }
            "status_in_headers" => when(
                want,
                !self.exact || !self.answer.all("grpc-status").is_empty(),
                || "expected grpc-status among the header fields".to_owned(),
            ),
            "grpc_message_percent_decode_before_compare" => when(want, true, String::new),
            "raw_grpc_message_ascii_only" => {
                let raw = self
                    .answer
                    .field_or_trailer("grpc-message")
                    .unwrap_or_default();
                let plain = raw.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
                when(want, plain, || {
                    format!("expected grpc-message in printable ASCII, got {raw:?}")
                })
            }
            _ => return None,
        })
    }

    fn reaches_inner(&self, want: &Value) -> CheckResult {
        let calls = self.seen.calls.len();
        match want.as_bool() {
            Some(true) => ensure(calls == 0, || {
                format!("the inner service must not be called, was called {calls} times")
            }),
            // Only a 200 means that the service itself answered.
            Some(false) if self.exact && self.answer.status == 200 => ensure(calls == 1, || {
                format!("expected one call of the inner service, got {calls}")
            }),
            _ => when(want, true, String::new),
        }
    }

    fn principal(&self, want: &Value) -> CheckResult {
        let Some(got) = self.seen.calls.last() else {
            let unseen = self.exact && want.is_object() && self.answer.status != 0;
            return ensure(!unseen, || {
                format!("expected principal {want}, the inner service was not called")
            });
        };
        if !self.exact {
            return Ok(());
        }
        let Some(members) = want.as_object() else {
            return ensure(want == got, || format!("expected no principal, got {got}"));
        };
        for (name, value) in members {
            let any = self
                .also("principal_org_any_of")
                .and_then(Value::as_array)
                .filter(|_| name == "org");
            let member = got.get(name).unwrap_or(&Value::Null);
            let met = any.map_or(member == value, |any| any.contains(member));
            ensure(met, || format!("expected principal {want}, got {got}"))?;
        }
        Ok(())
    }

    fn lookups(&self, want: &Value) -> CheckResult {
        let got = self.seen.lookups;
        if numbers(want)?
            .first()
            .is_some_and(|most| got as u64 <= *most)
        {
            return Ok(());
        }
        let why = format!("expected at most {want} lookups, got {got}");
        Err(if self.case.undocumented {
            Fault::Deviation(why)
        } else {
            Fault::Failure(why)
        })
    }

    fn status(&self, want: &Value) -> CheckResult {
        let got = u64::from(self.answer.status);
        let why = format!("expected status {want}, got {got}");
        let acceptable = self
            .also("acceptable_status")
            .map(numbers)
            .transpose()?
            .unwrap_or_default();
        match numbers(want)?.contains(&got) {
            true => Ok(()),
            false if acceptable.contains(&got) => Err(Fault::Deviation(why)),
            false => Err(Fault::Failure(why)),
        }
    }

    /// Reads a number of milliseconds, or a sum that contains `lookup_timeout`.
    fn in_time(&self, want: &Value) -> CheckResult {
        let term = |term: &str| match term.trim() {
            "lookup_timeout" => Some(self.setting.lookup_timeout_ms),
            number => number.parse().ok(),
        };
        let most: Option<u64> = match want {
            Value::String(sum) => sum.split('+').map(term).sum(),
            number => number.as_u64(),
        };
        let most = most.ok_or_else(|| Fault::Failure(format!("unknown form of time: {want}")))?;
        let took = self.answer.elapsed.as_millis();
        ensure(took <= u128::from(most), || {
            format!("expected an answer within {most} ms, got it after {took} ms")
        })
    }

    fn challenge_contains(&self, want: &Value) -> CheckResult {
        let challenges = self.answer.all("www-authenticate");
        let contains = texts(want)?
            .iter()
            .all(|text| challenges.iter().any(|value| value.contains(text)));
        let absent = challenges.is_empty() && self.flag("www_authenticate_optional");
        ensure(!self.exact || absent || contains, || {
            format!("expected {want} in WWW-Authenticate, got {challenges:?}")
        })
    }

    fn challenge_lacks(&self, want: &Value) -> CheckResult {
        let challenges = self.answer.all("www-authenticate");
        let lacks = texts(want)?
            .iter()
            .all(|text| !challenges.iter().any(|value| value.contains(text)));
        ensure(lacks, || {
            format!("expected no {want} in WWW-Authenticate, got {challenges:?}")
        })
    }

    fn content_type(&self, want: &Value) -> CheckResult {
        let got = self.answer.all("content-type");
        let starts = texts(want)?
            .iter()
            .all(|start| got.iter().any(|value| value.starts_with(start)));
        ensure(!self.exact || starts, || {
            format!("expected content-type {want}…, got {got:?}")
        })
    }

    fn fields_contain(&self, want: &Value) -> CheckResult {
        let members = want
            .as_object()
            .ok_or_else(|| Fault::Failure(format!("not a map: {want}")))?;
        for (name, text) in members {
            let got = self.answer.all(name);
            let found = texts(text)?
                .iter()
                .all(|text| got.iter().any(|value| value.contains(text)));
            ensure(found, || format!("expected {text} in {name}, got {got:?}"))?;
        }
        Ok(())
    }

    fn detail(&self, want: &Value) -> CheckResult {
        self.message_is_encoded()?;
        let got = self.detail_text();
        let Some(text) = want.as_str() else {
            let wordless = self.refused_as_wanted() && self.case.method != "HEAD" && got.is_none();
            return ensure(!wordless, || {
                "expected a text in the body, got none".to_owned()
            });
        };
        let may = self
            .also("detail_may_be")
            .map(texts)
            .transpose()?
            .unwrap_or_default();
        let met = got
            .as_deref()
            .is_some_and(|got| got == text || may.contains(&got));
        let loose = !self.exact || self.flag("detail_null_ok");
        ensure(met || loose, || {
            format!("expected the text {text:?}, got {got:?}")
        })
    }

    /// The text for the caller: gRPC's message, or the value under the key of the JSON body.
    fn detail_text(&self) -> Option<String> {
        if let Some(message) = self.answer.field_or_trailer("grpc-message") {
            return Some(
                percent_decode_str(&message)
                    .decode_utf8_lossy()
                    .into_owned(),
            );
        }
        let body: Value = serde_json::from_slice(&self.answer.body).ok()?;
        Some(body.get(self.case.body_key())?.as_str()?.to_owned())
    }

    /// Decoding is lenient, so a bare `%` would not show in the text.
    fn message_is_encoded(&self) -> CheckResult {
        let message = self
            .answer
            .field_or_trailer("grpc-message")
            .unwrap_or_default();
        let digits = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
        ensure(message.split('%').skip(1).all(digits), || {
            format!("expected grpc-message percent-encoded, got {message:?}")
        })
    }

    fn body_json(&self, want: &Value) -> CheckResult {
        let body: Option<Value> = serde_json::from_slice(&self.answer.body).ok();
        ensure(body.as_ref() == Some(want), || {
            format!("expected the body {want}, got {body:?}")
        })
    }

    fn body_is_not(&self, want: &Value) -> CheckResult {
        let hex = |body: &[u8]| {
            body.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let forms = [hex(&self.answer.body), hex(&self.answer.binary_body())];
        let found = texts(want)?
            .into_iter()
            .find(|never| forms.iter().any(|form| form.eq_ignore_ascii_case(never)));
        ensure(found.is_none(), || {
            format!("the body must not be {found:?}")
        })
    }

    fn grpc_status(&self, want: &Value) -> CheckResult {
        let got = self.grpc_status_got();
        let why = format!("expected grpc-status {want}, got {got:?}");
        let acceptable = self
            .also("acceptable_grpc_status")
            .map(numbers)
            .transpose()?
            .unwrap_or_default();
        match got {
            _ if !self.exact => Ok(()),
            Some(code) if numbers(want)?.contains(&code) => Ok(()),
            Some(code) if acceptable.contains(&code) => Err(Fault::Deviation(why)),
            _ => Err(Fault::Failure(why)),
        }
    }

    fn grpc_status_got(&self) -> Option<u64> {
        self.answer.field_or_trailer("grpc-status")?.parse().ok()
    }
}

fn lacks(bytes: &[u8], want: &Value) -> CheckResult {
    let text = String::from_utf8_lossy(bytes);
    let found = texts(want)?.into_iter().find(|never| text.contains(never));
    ensure(found.is_none(), || {
        format!("{found:?} must not be in the answer")
    })
}
