//! Sections `[[raw]]` and `[[push]]`: raw endpoints and interval pushes, any number of each.
//! Declared here; read by `file` and `load`, checked by `check`.

use std::{path::PathBuf, time::Duration};

use super::declaration::sections;
use crate::config::setting_type::{Bool, FilePath, Optional, Text, TextList, Time};

sections! {
    /// Raw WebSocket endpoints, any number of them. With a file, only those that it lists exist.
    RawSection {
        /// Where it is served; begins with `/`.
        path: String as Text = String::new();
        /// Sent right after the handshake; absent: nothing.
        greeting: Option<String> as Optional<Text> = None;
        /// What a message does: `ignore`, `echo` (the same back), `reply` (the text of `reply`
        /// back), `relay` (to everyone in the client's channels, or to everyone on this path if it
        /// has none), or `hook` (to the backend at hooks.message, whose answer goes back).
        on_message: String as Text = "ignore".to_string();
        /// The text sent back by on_message = "reply"; `{message}` stands for the message.
        reply: Option<String> as Optional<Text> = None;
        /// With on_message = "relay": whether the sender gets its message too; false unless set.
        relay_self: Option<bool> as Optional<Bool> = None;
        /// Known subprotocols: the first one that a client offers and that is listed here is
        /// chosen; `["*"]` takes the first offered. A client that offers only others is accepted
        /// without one.
        subprotocols: Vec<String> as TextList = Vec::new();
        /// Allowed origins, such as `https://www.example.com` or `https://*.example.com` (all names
        /// below it); absent: any. A request without an
        /// Origin header is always allowed, since phones send none.
        origins: Option<Vec<String>> as Optional<TextList> = None;
        /// Channels that every session of this path joins.
        channels: Vec<String> as TextList = Vec::new();
        /// Channels of a session that asks for none and is given none.
        default_channels: Vec<String> as TextList = Vec::new();
        /// Whether hooks.connect is asked who a client is, before it may come in.
        connect_hook: bool as Bool = false;
        /// With on_message = "hook", when the backend does not answer: `close` (1011, as without
        /// it) or `reply` (the text of failure_reply).
        on_failure: Option<String> as Optional<Text> = None;
        /// With on_failure = "reply": the text.
        failure_reply: Option<String> as Optional<Text> = None;
    }

    /// Interval pushes, any number of them. With a file, only those that it lists exist.
    PushSection {
        /// The interval; the first push comes one interval after the start.
        every: Duration as Time = Duration::ZERO;
        /// To whom: the members of this channel; absent: every session.
        channel: Option<String> as Optional<Text> = None;
        /// The text, in which `{time}`, `{sessions}` and `{seq}` are filled in; `{seq}` is the
        /// number of this push, and a tick that is left out, since nobody listens or nothing
        /// changed, has none. Either this or data_file is required.
        data: Option<String> as Optional<Text> = None;
        /// A file with the text, read anew at each tick.
        data_file: Option<PathBuf> as Optional<FilePath> = None;
        /// Whether a tick is left out whose text equals the last one's.
        only_changed: bool as Bool = false;
    }
}
