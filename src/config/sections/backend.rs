//! Sections about the backend: the API for it, the hooks that ask it, the endpoints that are
//! polled. Declared here; read by `file` and `load`, checked by `check`.

use std::time::Duration;

use super::declaration::sections;
use crate::config::{
    backend::{HOOK_TIMEOUT, Hook, Hooks},
    setting_type::{
        Bool, Bytes, Headers, Key, KeyOrList, Optional, Text, TextList, Time, U32, Usize,
    },
    values::Secret,
};

/// Headers that are passed on unless the settings say otherwise: none that may hold a secret.
fn passed_headers() -> Vec<String> {
    let names = ["user-agent", "accept-language", "origin", "x-request-id"];
    names.map(str::to_string).to_vec()
}

sections! {
    /// The API of backends at /api/*: publish, disconnect, and whatever else the backend says.
    Api {
        /// Whether it is served.
        enabled: bool as Bool = true;
        /// The key that backends send as `X-API-Key`, or several. Without one the API answers only
        /// on loopback, with a key that is made at start and printed once.
        key: Vec<Secret> as KeyOrList = Vec::new();
        /// Publications a second that one key may make; 0 is no limit.
        publishes_per_second: u32 as U32 = 0;
        /// Largest body of a request; a larger one gets 413.
        body_bytes: usize as Bytes = 4 << 20;
    }

    /// Calls to the backend, which decides and is told; [hooks.connect] with url and timeout is the
    /// same as connect.url.
    HooksSection {
        /// Asked who a client is, when it connects.
        connect_url ("connect.url"): Option<String> as Optional<Text> = None;
        /// How long that may take; absent: 5s, as for all hooks.
        connect_timeout ("connect.timeout"): Option<Duration> as Optional<Time> = None;
        /// Whether the client's data goes as base64 (`b64data`, `encoding` is `binary`), JSON too.
        connect_binary_encoding ("connect.binary_encoding"): bool as Bool = false;
        /// Asked whether a session that the connect hook made may go on when it expires.
        refresh_url ("refresh.url"): Option<String> as Optional<Text> = None;
        /// How long that may take.
        refresh_timeout ("refresh.timeout"): Option<Duration> as Optional<Time> = None;
        /// Whether `encoding` is `binary`, as with connect; no data goes.
        refresh_binary_encoding ("refresh.binary_encoding"): bool as Bool = false;
        /// Asked whether a client may subscribe, where `hook` is in allow.subscribe.
        subscribe_url ("subscribe.url"): Option<String> as Optional<Text> = None;
        /// How long that may take.
        subscribe_timeout ("subscribe.timeout"): Option<Duration> as Optional<Time> = None;
        /// Whether data goes as base64, as with connect.
        subscribe_binary_encoding ("subscribe.binary_encoding"): bool as Bool = false;
        /// Asked whether a subscription that the subscribe hook made may go on when it expires.
        sub_refresh_url ("sub_refresh.url"): Option<String> as Optional<Text> = None;
        /// How long that may take.
        sub_refresh_timeout ("sub_refresh.timeout"): Option<Duration> as Optional<Time> = None;
        /// Whether `encoding` is `binary`, as with connect; no data goes.
        sub_refresh_binary_encoding ("sub_refresh.binary_encoding"): bool as Bool = false;
        /// Asked whether a client may publish, and what, where `hook` is in allow.publish.
        publish_url ("publish.url"): Option<String> as Optional<Text> = None;
        /// How long that may take.
        publish_timeout ("publish.timeout"): Option<Duration> as Optional<Time> = None;
        /// Whether data goes as base64, as with connect.
        publish_binary_encoding ("publish.binary_encoding"): bool as Bool = false;
        /// Answers the rpc command.
        rpc_url ("rpc.url"): Option<String> as Optional<Text> = None;
        /// How long that may take.
        rpc_timeout ("rpc.timeout"): Option<Duration> as Optional<Time> = None;
        /// Whether data goes as base64, as with connect.
        rpc_binary_encoding ("rpc.binary_encoding"): bool as Bool = false;
        /// Answers messages on raw endpoints with on_message = "hook".
        message_url ("message.url"): Option<String> as Optional<Text> = None;
        /// How long that may take.
        message_timeout ("message.timeout"): Option<Duration> as Optional<Time> = None;
        /// Told what happens: sessions, subscriptions, channels that fill and empty.
        events_url ("events.url"): Option<String> as Optional<Text> = None;
        /// How long that may take.
        events_timeout ("events.timeout"): Option<Duration> as Optional<Time> = None;
        /// Signs every call, in the header X-Fanfare-Signature; absent: calls are not signed.
        secret: Option<Secret> as Optional<Key> = None;
        /// Headers of the client's request that are passed on.
        headers: Vec<String> as TextList = passed_headers();
        /// Calls at a time of `connect`, `refresh`, `subscribe` and `sub_refresh` together, and as
        /// many of `publish`, `rpc` and `message`.
        concurrency: usize as Usize = 256;
        /// Calls of each of the two kinds that may wait for their turn; further ones fail at once.
        queue: usize as Usize = 4096;
        /// Events that may wait while the backend does not take them; further ones are dropped and
        /// counted.
        events_queue: usize as Usize = 65_536;
        /// Events that one call carries at most.
        events_batch: usize as Usize = 100;
    }

    /// HTTP endpoints of the backend that are asked again and again, any number of them, with their
    /// answers published when they change.
    PollSection {
        /// What is asked with GET, as long as someone listens on the channel.
        url: String as Text = String::new();
        /// From one question to the next, at least 100ms; failures make it longer.
        every: Duration as Time = Duration::ZERO;
        /// Where the answer is published when it differs from the last one.
        channel: String as Text = String::new();
        /// Headers of the question, also as a list such as `["X-Key: secret"]`.
        headers: Vec<(String, Secret)> as Headers = Vec::new();
        /// How long one answer may take.
        timeout: Duration as Time = Duration::from_secs(10);
        /// Whether an outage is published, once, as `{"error":"…"}`.
        publish_failures: bool as Bool = false;
    }
}

/// One hook as it is written.
pub(in crate::config) struct HookCall<'a> {
    /// Its name in the settings: `connect` of `hooks.connect.url`.
    pub(in crate::config) name: &'static str,
    pub(in crate::config) url: Option<&'a str>,
    pub(in crate::config) timeout: Option<Duration>,
    pub(in crate::config) binary_encoding: bool,
}

impl HooksSection {
    /// The hooks, set or not, in the order of the documentation.
    pub(in crate::config) fn calls(&self) -> [HookCall<'_>; 8] {
        let written = [
            ("connect", &self.connect_url, self.connect_timeout),
            ("refresh", &self.refresh_url, self.refresh_timeout),
            ("subscribe", &self.subscribe_url, self.subscribe_timeout),
            (
                "sub_refresh",
                &self.sub_refresh_url,
                self.sub_refresh_timeout,
            ),
            ("publish", &self.publish_url, self.publish_timeout),
            ("rpc", &self.rpc_url, self.rpc_timeout),
            ("message", &self.message_url, self.message_timeout),
            ("events", &self.events_url, self.events_timeout),
        ];
        written.map(|(name, url, timeout)| HookCall {
            name,
            url: url.as_deref(),
            timeout,
            binary_encoding: self.binary_encoding(name),
        })
    }

    /// `message` carries the message as it is, `events` no data of clients.
    fn binary_encoding(&self, name: &str) -> bool {
        match name {
            "connect" => self.connect_binary_encoding,
            "refresh" => self.refresh_binary_encoding,
            "subscribe" => self.subscribe_binary_encoding,
            "sub_refresh" => self.sub_refresh_binary_encoding,
            "publish" => self.publish_binary_encoding,
            "rpc" => self.rpc_binary_encoding,
            _ => false,
        }
    }

    /// The hooks as they are used, with their defaults; one without a URL is `None`.
    pub(in crate::config) fn checked(&self) -> Hooks {
        let hook = |call: HookCall<'_>| {
            call.url.map(|url| Hook {
                url: url.to_string(),
                timeout: call.timeout.unwrap_or(HOOK_TIMEOUT),
                binary_encoding: call.binary_encoding,
            })
        };
        let [
            connect,
            refresh,
            subscribe,
            sub_refresh,
            publish,
            rpc,
            message,
            events,
        ] = self.calls().map(hook);
        Hooks {
            connect,
            refresh,
            subscribe,
            sub_refresh,
            publish,
            rpc,
            message,
            events,
            secret: self.secret.clone(),
            headers: self
                .headers
                .iter()
                .map(|name| name.to_lowercase())
                .collect(),
            concurrency: self.concurrency,
            queue: self.queue,
            events_queue: self.events_queue,
            events_batch: self.events_batch,
        }
    }
}

impl Default for Hooks {
    fn default() -> Self {
        HooksSection::default().checked()
    }
}
