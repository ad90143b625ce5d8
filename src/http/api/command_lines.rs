//! `POST /api`: commands as lines of `{"method","params"}`, the form of Centrifugo's API before it
//! had a route for each method. gocent and other libraries speak only this.
//!
//! All of the body is read before anything is done. Bounds: `api.body_bytes`, `COMMANDS_MAX`.

use std::fmt::Write as _;

use actix_web::{HttpResponse, http::StatusCode};
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use super::{
    answer::{self, ApiResult, bad_request},
    batch::{self, COMMANDS_MAX},
    call::ApiCall,
    form::nullable,
    table::{Call, METHODS},
};
use crate::protocol::ReplyError;

/// The numbers that Centrifugo's first API libraries write instead of names.
const NUMBERS: [(u64, &str); 17] = [
    (0, "publish"),
    (1, "broadcast"),
    (2, "unsubscribe"),
    (3, "disconnect"),
    (4, "presence"),
    (5, "presence_stats"),
    (6, "history"),
    (7, "history_remove"),
    (8, "channels"),
    (9, "info"),
    (11, "subscribe"),
    (12, "refresh"),
    (14, "connections"),
    (18, "block_user"),
    (19, "unblock_user"),
    (20, "revoke_token"),
    (21, "invalidate_user_tokens"),
];

/// One command.
#[derive(Default, Deserialize)]
#[serde(default)]
struct BodyCommand<'a> {
    /// Comes back with the reply, unless it is 0.
    #[serde(deserialize_with = "nullable")]
    id: u32,
    method: Method,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// Name of a method, in lower case.
#[derive(Default)]
struct Method(String);

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct NameOrNumber;

        impl de::Visitor<'_> for NameOrNumber {
            type Value = Method;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a method")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Method, E> {
                Ok(Method(name.to_ascii_lowercase()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Method, E> {
                let known = NUMBERS.iter().find(|(known, _)| *known == number);
                Ok(Method(known.map_or_else(
                    || number.to_string(),
                    |(_, name)| (*name).to_string(),
                )))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Method, E> {
                Ok(Method::default())
            }
        }

        input.deserialize_any(NameOrNumber)
    }
}

impl BodyCommand<'_> {
    /// The call; or what is wrong with it.
    fn call(&self) -> Result<Call, ReplyError> {
        let Method(method) = &self.method;
        if method.is_empty() {
            return Err(bad_request("bad request: method is missing".to_string()));
        }
        let params = self.params.map_or("{}", RawValue::get);
        // A list would be read as the fields in their order.
        if !params.starts_with('{') {
            let why = "bad request: params must be a JSON object";
            return Err(bad_request(why.to_string()));
        }
        match Call::read(method, params.as_bytes()) {
            Some(call) => call.map_err(|error| bad_request(format!("bad request: {error}"))),
            None => Err(ReplyError {
                message: unknown().into(),
                ..ReplyError::METHOD_NOT_FOUND
            }),
        }
    }
}

/// A batch is no method here: it is what the lines are.
fn unknown() -> String {
    let methods: Vec<&str> = METHODS
        .iter()
        .copied()
        .filter(|name| *name != "batch")
        .collect();
    format!("method not found; there are {}", methods.join(", "))
}

/// Answers `POST /api`: a reply a line, in the order of the commands.
pub(super) async fn run(call: &ApiCall<'_>, body: &[u8]) -> HttpResponse {
    let request = call.request;
    let body = body.trim_ascii();
    if !body.starts_with(b"{") {
        return answer::no_object(request, body);
    }
    let lines = serde_json::Deserializer::from_slice(body).into_iter::<BodyCommand>();
    let lines: Vec<BodyCommand> = match lines.take(COMMANDS_MAX + 1).collect() {
        Ok(lines) => lines,
        Err(error) => return answer::unreadable(request, &error),
    };
    if lines.len() > COMMANDS_MAX {
        let error = ReplyError {
            message: format!("limit exceeded: {COMMANDS_MAX} commands at most").into(),
            ..ReplyError::LIMIT_EXCEEDED
        };
        return answer::with_status(request, StatusCode::BAD_REQUEST, &error);
    }
    let answers = batch::run(call, lines.iter().map(BodyCommand::call)).await;
    let ids = lines.iter().map(|line| line.id);
    let answers = answers.into_iter().map(|(_, answer)| answer);
    answer::with_body(StatusCode::OK, replies(ids.zip(answers)))
}

/// `{"id":…,"result":…}` or `{"id":…,"error":…}`, each on a line.
fn replies(answers: impl Iterator<Item = (u32, ApiResult)>) -> String {
    let mut out = String::new();
    for (id, answer) in answers {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push('{');
        if id != 0 {
            // Writing to a String cannot fail.
            let _ = write!(out, "\"id\":{id},");
        }
        answer::write_member(&mut out, "result", &answer);
        out.push('}');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<&'static str, u32> {
        let line: BodyCommand = serde_json::from_str(text).expect("a line");
        line.call()
            .map(|call| call.name())
            .map_err(|error| error.code)
    }

    #[test]
    fn a_line_names_its_method_by_word_or_number() {
        for (text, expected) in [
            (
                r#"{"method":"publish","params":{"channel":"c"}}"#,
                Ok("publish"),
            ),
            (
                r#"{"method":"HISTORY_REMOVE","params":null}"#,
                Ok("history_remove"),
            ),
            (r#"{"id":null,"method":9}"#, Ok("info")),
            (r#"{"method":0,"params":{}}"#, Ok("publish")),
            (r#"{"params":{}}"#, Err(107)),
            (r#"{"method":null,"params":{}}"#, Err(107)),
            (r#"{"method":"publish","params":["c"]}"#, Err(107)),
            (r#"{"method":"publish","params":{"channel":7}}"#, Err(107)),
            (r#"{"method":"rpc"}"#, Err(104)),
            (r#"{"method":10}"#, Err(104)),
            (r#"{"method":"batch"}"#, Err(104)),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for (_, name) in NUMBERS {
            assert!(METHODS.contains(&name), "{name}");
        }
    }

    #[test]
    fn replies_are_lines_with_the_ids_that_came() {
        let answers = [
            (7, Ok("{}".to_string())),
            (0, Err(ReplyError::UNKNOWN_CHANNEL)),
        ];
        assert_eq!(
            replies(answers.into_iter()),
            "{\"id\":7,\"result\":{}}\n{\"error\":{\"code\":102,\"message\":\"unknown channel\"}}"
        );
    }
}
