//! The JSON bodies that hooks are asked with, in the shapes of Centrifugo's proxy.
//!
//! Pure. Data that is JSON goes as it stands, whatever protocol the client speaks, checked but not
//! parsed into a tree; other data as `b64data`, and all data where the hook's `binary_encoding`
//! asks for that. Fields without a value are left out, except `user`,
//! which a backend always finds where there can be one. A request is as large as what the client
//! sent, which the limits of messages bound.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::context::{HookContext, UserContext};

/// `encoding` of a request whose data is JSON, in `data`.
const JSON: &str = "json";
/// `encoding` of a request whose data is bytes, in `b64data`.
const BINARY: &str = "binary";

/// What the `connect` hook is asked about.
pub(crate) struct ConnectHookRequest<'a> {
    /// The session that connects.
    pub(crate) context: &'a HookContext,
    /// Payload of the client's connect request; empty for none.
    pub(crate) data: Bytes,
    /// The client's name, such as `js`; empty for none.
    pub(crate) name: &'a str,
    /// The client's version; empty for none.
    pub version: &'a str,
    /// Channels that the client asks for.
    pub(crate) channels: &'a [String],
}

/// The body of one request; hooks fill in what their shape has.
#[derive(Serialize)]
pub(super) struct HookRequest<'a> {
    pub(super) client: &'a str,
    pub(super) transport: &'a str,
    pub(super) protocol: &'a str,
    pub(super) encoding: &'a str,
    /// Absent only in `connect`, where nobody knows it yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) version: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) channels: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) channel: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) b64data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) meta: Option<&'a RawValue>,
}

impl<'a> HookRequest<'a> {
    /// What `connect` says of a caller that has neither a user nor metadata yet.
    pub(super) fn newcomer(hook_context: &'a HookContext) -> Self {
        Self {
            client: &hook_context.client,
            transport: hook_context.transport,
            protocol: hook_context.protocol,
            encoding: JSON,
            user: None,
            name: "",
            version: "",
            channels: &[],
            channel: None,
            token: "",
            method: None,
            data: None,
            b64data: None,
            meta: None,
        }
    }

    /// What all other hooks say of a caller.
    pub(super) fn of(user_context: &'a UserContext) -> Self {
        Self {
            user: Some(user_context.user()),
            meta: serde_json::from_slice(user_context.meta()).ok(),
            ..Self::newcomer(user_context.context())
        }
    }

    /// With the client's data; none if it is empty. `binary_encoding`: as bytes, whatever it is.
    pub(super) fn with_data(mut self, data: &'a Bytes, binary_encoding: bool) -> Self {
        if !binary_encoding {
            self.data = serde_json::from_slice(data).ok();
        }
        let is_empty = data.is_empty();
        if self.data.is_none() && !is_empty {
            self.b64data = Some(STANDARD.encode(data));
        }
        if binary_encoding || self.b64data.is_some() {
            self.encoding = BINARY;
        }
        self
    }

    /// The request as JSON.
    pub(super) fn body(&self) -> Bytes {
        // Texts and checked JSON always serialise; an empty body would be the backend's to refuse.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::identity::Identity;

    fn hook_context() -> HookContext {
        HookContext {
            client: "c1".into(),
            transport: "websocket",
            protocol: "json",
            headers: Arc::default(),
        }
    }

    fn text(request: &HookRequest) -> String {
        String::from_utf8(request.body().to_vec()).unwrap()
    }

    const HEAD: &str =
        r#"{"client":"c1","transport":"websocket","protocol":"json","encoding":"json""#;

    #[test]
    fn connect_has_no_user_and_leaves_out_what_is_empty() {
        let hook_context = hook_context();
        assert_eq!(
            text(&HookRequest::newcomer(&hook_context)),
            format!("{HEAD}}}")
        );
        let channels = ["a".to_string(), "b".to_string()];
        let data = Bytes::from_static(br#"{ "x": 1 }"#);
        let request = HookRequest {
            name: "js",
            version: "2",
            channels: &channels,
            ..HookRequest::newcomer(&hook_context)
        };
        assert_eq!(
            text(&request.with_data(&data, false)),
            format!(
                r#"{HEAD},"name":"js","version":"2","channels":["a","b"],"data":{{ "x": 1 }}}}"#
            )
        );
    }

    #[test]
    fn the_others_always_have_a_user_and_meta_if_there_is_any() {
        let kept = Bytes::from_static(br#"{"kept":1}"#);
        for user in ["", "alice"] {
            for (meta, shown) in [(&kept, r#","meta":{"kept":1}"#), (&Bytes::new(), "")] {
                let identity = Identity {
                    user: user.to_string(),
                    meta: meta.clone(),
                    ..Identity::anonymous()
                };
                let user_context = UserContext::of(&identity, hook_context());
                let request = HookRequest {
                    channel: Some("news"),
                    ..HookRequest::of(&user_context)
                };
                assert_eq!(
                    text(&request),
                    format!(r#"{HEAD},"user":"{user}","channel":"news"{shown}}}"#)
                );
            }
        }
    }

    // The data of a client that speaks Protobuf went as base64 even where it was JSON, which
    // backends made for Centrifugo's proxy do not read. What the data is decides, not the protocol.
    #[test]
    fn data_that_is_json_goes_as_json_whatever_the_protocol_unless_the_hook_wants_bytes() {
        let mut hook_context = hook_context();
        hook_context.protocol = "protobuf";
        let asked = |data: &'static [u8], binary_encoding| {
            let data = Bytes::from_static(data);
            let request = HookRequest::newcomer(&hook_context).with_data(&data, binary_encoding);
            text(&request)
                .strip_prefix(
                    r#"{"client":"c1","transport":"websocket","protocol":"protobuf","encoding":"#,
                )
                .unwrap()
                .to_string()
        };
        assert_eq!(asked(b"{\"a\":1}", false), r#""json","data":{"a":1}}"#);
        assert_eq!(asked(b"null", false), r#""json","data":null}"#);
        assert_eq!(asked(b"", false), r#""json"}"#);
        assert_eq!(asked(b"\xff{", false), r#""binary","b64data":"/3s="}"#);
        assert_eq!(asked(b"{}", true), r#""binary","b64data":"e30="}"#);
        assert_eq!(asked(b"", true), r#""binary"}"#);
    }
}
