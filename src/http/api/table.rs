//! The methods: name, request and function of each, in one table. What else must know them all (the
//! list of an unknown method's answer, the commands of a batch, the test that holds openapi.json)
//! is made of it.

use serde::Deserialize;

use super::{
    answer::ApiResult, call::ApiCall, channels, form::nullable, message, request as r, sessions,
    users,
};

/// Makes the table's types of its lines.
macro_rules! methods {
    ($($name:ident $variant:ident($request:ty) => $run:path;)*) => {
        /// A method with its request.
        #[derive(Clone, Debug)]
        pub(super) enum Call {
            $(#[doc = stringify!($name)] $variant(Box<$request>),)*
        }

        /// The names of the methods; `batch` is one beside the table, since it holds the others.
        pub(super) const METHODS: &[&str] = &[$(stringify!($name),)* "batch"];

        impl Call {
            /// Reads a request; `None` where there is no such method.
            pub(super) fn read(method: &str, body: &[u8]) -> Option<serde_json::Result<Self>> {
                match method {
                    $(stringify!($name) => Some(serde_json::from_slice(body).map(Self::$variant)),)*
                    _ => None,
                }
            }

            /// The method's name.
            pub(super) fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => stringify!($name),)*
                }
            }

            /// Carries the call out.
            pub(super) async fn run(self, call: &ApiCall<'_>) -> ApiResult {
                match self {
                    $(Self::$variant(request) => {
                        call.tell(stringify!($name), &*request);
                        $run(call, *request).await
                    })*
                }
            }
        }

        /// One command of a batch: an object with one method as its key.
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default)]
        pub(super) struct Command {
            $(#[serde(deserialize_with = "nullable")] $name: Option<Box<$request>>,)*
            batch: Option<serde::de::IgnoredAny>,
        }

        impl Command {
            /// The call; `None` where it is not exactly one, or a batch in a batch.
            pub(super) fn call(self) -> Option<Call> {
                if self.batch.is_some() {
                    return None;
                }
                let mut calls = [$(self.$name.map(Call::$variant),)*].into_iter().flatten();
                let call = calls.next();
                call.filter(|_| calls.next().is_none())
            }
        }

        /// The fields of each method's request.
        #[cfg(test)]
        pub(super) fn fields() -> Vec<(&'static str, &'static [&'static str])> {
            vec![
                $((stringify!($name), super::openapi::fields_of::<$request>()),)*
                ("batch", super::openapi::fields_of::<Batch>()),
            ]
        }
    };
}

methods! {
    publish Publish(r::Publish) => message::publish;
    broadcast Broadcast(r::Broadcast) => message::broadcast;
    send Send(r::Send) => message::send;
    subscribe Subscribe(r::Subscribe) => sessions::subscribe;
    unsubscribe Unsubscribe(r::Unsubscribe) => sessions::unsubscribe;
    disconnect Disconnect(r::Disconnect) => sessions::disconnect;
    refresh Refresh(r::Refresh) => sessions::refresh;
    presence Presence(r::InChannel) => channels::presence;
    presence_stats PresenceStats(r::InChannel) => channels::presence_stats;
    history History(r::History) => channels::history;
    history_remove HistoryRemove(r::InChannel) => channels::history_remove;
    channels Channels(r::Channels) => channels::channels;
    info Info(r::Info) => super::info::info;
    connections Connections(r::Connections) => super::info::connections;
    block_user BlockUser(r::BlockUser) => users::block_user;
    unblock_user UnblockUser(r::UnblockUser) => users::unblock_user;
    revoke_token RevokeToken(r::RevokeToken) => users::revoke_token;
    invalidate_user_tokens InvalidateUserTokens(r::InvalidateUserTokens) => users::invalidate_user_tokens;
}

/// `batch`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Batch {
    /// The commands, in order.
    #[serde(deserialize_with = "nullable")]
    pub(super) commands: Vec<Command>,
    /// Accepted for Centrifugo's sake and without effect: publications do not wait for one another
    /// as it is, and all else keeps its order.
    #[serde(deserialize_with = "nullable")]
    pub(super) parallel: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> Option<&'static str> {
        let command: Command = serde_json::from_str(text).expect("a command");
        command.call().map(|call| call.name())
    }

    #[test]
    fn a_command_is_exactly_one_method_and_no_batch() {
        assert_eq!(
            call(r#"{"publish":{"channel":"c","data":1}}"#),
            Some("publish")
        );
        assert_eq!(call(r#"{"info":{},"history":null}"#), Some("info"));
        assert_eq!(call("{}"), None);
        assert_eq!(call(r#"{"publish":{},"info":{}}"#), None);
        assert_eq!(call(r#"{"batch":{"commands":[]}}"#), None);
        assert_eq!(call(r#"{"info":{},"batch":{}}"#), None);
        assert_eq!(call(r#"{"nothing":{}}"#), None);
    }

    #[test]
    fn every_method_takes_an_empty_request_and_null_fields() {
        for (method, fields) in fields().iter().filter(|(method, _)| *method != "batch") {
            let nulls: Vec<String> = fields
                .iter()
                .map(|name| format!("\"{name}\":null"))
                .collect();
            for body in ["{}".to_string(), format!("{{{}}}", nulls.join(","))] {
                let read = Call::read(method, body.as_bytes()).expect("a method");
                assert_eq!(read.map(|call| call.name()).ok(), Some(*method), "{body}");
            }
        }
        assert!(Call::read("nothing", b"{}").is_none());
    }
}
