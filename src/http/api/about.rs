//! What a call of the API is about, as a line of the log shows it: to whom it is done, and nothing
//! of what it carries. Pure.

use super::request as r;

/// A request that a line of the log can be about.
pub(super) trait About {
    /// `channel=… user=…`, of what it names.
    fn about(&self) -> String;
}

/// The fields of each request that say whom or what it is about.
macro_rules! about {
    ($($name:ident: $($field:ident)*;)*) => {
        $(impl About for r::$name {
            fn about(&self) -> String {
                named(&[$((stringify!($field), self.$field.as_str()),)*])
            }
        })*
    };
}

about! {
    Publish: channel;
    Send: user client;
    Subscribe: channel user client session;
    Unsubscribe: channel user client session;
    Disconnect: user client session;
    Refresh: user client session;
    InChannel: channel;
    History: channel;
    Channels: pattern;
    Info: ;
    Connections: user channel;
    BlockUser: user;
    UnblockUser: user;
    RevokeToken: uid;
    InvalidateUserTokens: user channel;
}

impl About for r::Broadcast {
    fn about(&self) -> String {
        named(&[("channels", &self.channels.join(","))])
    }
}

/// What is named, of these.
pub(super) fn named(fields: &[(&str, &str)]) -> String {
    let named = fields.iter().filter(|(_, value)| !value.is_empty());
    let named: Vec<String> = named
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    named.join(" ")
}
