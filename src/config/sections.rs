//! The settings of channels and the backend as they are written: channels, tokens, clients, the API, hooks and polls, with every name,
//! type, default and sentence. The part of the settings that [`settings`](super::settings) does not hold; the
//! checked types are in [`channels`](super::channels).

use std::time::Duration;

use super::{
    channels::{HISTORY_TTL, HOOK_TIMEOUT, Hook, Hooks},
    section::sections,
    setting_type::{
        Allow, AllowList, Bytes, Count, Flag, Headers, Key, KeyOrList, Optional, Policy, Text,
        TextList, TextOrList, Time, U32,
    },
    values::{Secret, SlowPolicy},
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

sections! {
    /// `[channels]` as it is written.
    ChannelsSection {
        /// Publications kept of each channel, from which clients recover what they missed; 0 is none.
        history_size: usize as Count = 0;
        /// How long each is kept.
        history_ttl: Duration as Time = HISTORY_TTL;
        /// Whether every subscriber gets positions and recovers, without asking for it; needs history_size.
        recovery: bool as Flag = false;
        /// Whether a new subscriber gets the newest publication at once; needs history_size.
        cache_recovery: bool as Flag = false;
        /// Whether it is known who is in a channel.
        presence: bool as Flag = false;
        /// Whether joins and leaves are sent to subscribers who ask for them.
        join_leave: bool as Flag = false;
        /// Whether subscribers that ask get differences (Fossil delta) instead of whole publications; needs history_size.
        delta: bool as Flag = false;
        /// What happens to slow clients in these channels; absent: slow.policy.
        slow_policy: Option<SlowPolicy> as Optional<Policy> = None;
        /// Who may subscribe: `client` is anyone with a user, `anonymous` anyone without one, `token` who brings a subscription
        /// token, `hook` whom hooks.subscribe lets in. Empty: nobody.
        allow_subscribe ("allow.subscribe"): Allow as AllowList = Allow::default();
        /// Who may publish: as above, with `subscriber` for who is subscribed, and `hook` for what hooks.publish lets through.
        allow_publish ("allow.publish"): Allow as AllowList = Allow::default();
        /// Who may read the history; `hook` is whom the answer of hooks.subscribe lets.
        allow_history ("allow.history"): Allow as AllowList = Allow::default();
        /// Who may ask who is there, as above; needs presence.
        allow_presence ("allow.presence"): Allow as AllowList = Allow::default();
    }

    /// A `[[namespace]]` as it is written.
    NamespaceSection {
        /// The text before the first `:` of its channels: letters, digits, `-`, `_` and `.`.
        name: String as Text = String::new();
        /// Publications kept of each channel; 0 is none.
        history_size: Option<usize> as Optional<Count> = None;
        /// How long each is kept.
        history_ttl: Option<Duration> as Optional<Time> = None;
        /// Whether every subscriber gets positions and recovers, without asking for it.
        recovery: Option<bool> as Optional<Flag> = None;
        /// Whether a new subscriber gets the newest publication at once.
        cache_recovery: Option<bool> as Optional<Flag> = None;
        /// Whether it is known who is in a channel.
        presence: Option<bool> as Optional<Flag> = None;
        /// Whether joins and leaves are sent to subscribers who ask for them.
        join_leave: Option<bool> as Optional<Flag> = None;
        /// Whether subscribers that ask get differences (Fossil delta).
        delta: Option<bool> as Optional<Flag> = None;
        /// What happens to slow clients in these channels.
        slow_policy: Option<SlowPolicy> as Optional<Policy> = None;
        /// Who may subscribe.
        allow_subscribe ("allow.subscribe"): Option<Allow> as Optional<AllowList> = None;
        /// Who may publish.
        allow_publish ("allow.publish"): Option<Allow> as Optional<AllowList> = None;
        /// Who may read the history.
        allow_history ("allow.history"): Option<Allow> as Optional<AllowList> = None;
        /// Who may ask who is there.
        allow_presence ("allow.presence"): Option<Allow> as Optional<AllowList> = None;
    }

    /// Keys of the tokens that say who a client is, and what they must claim.
    TokenSettings {
        /// Secrets that tokens are signed with (HS256, HS384, HS512), of 32 bytes or more. With two, both are valid, which is
        /// how one takes over from the other.
        hmac_secret: Vec<Secret> as KeyOrList = Vec::new();
        /// Public keys for RS, PS, ES and EdDSA tokens: PEM texts, or paths of PEM files.
        public_keys: Vec<String> as TextOrList = Vec::new();
        /// Where public keys are fetched from as a JWKS document.
        jwks_url: Option<String> as Optional<Text> = None;
        /// What a token's `aud` must contain; absent: anything.
        audience: Option<String> as Optional<Text> = None;
        /// What a token's `iss` must be; absent: anything.
        issuer: Option<String> as Optional<Text> = None;
        /// How long a token counts beyond its times, for clocks that differ.
        leeway: Duration as Time = Duration::ZERO;
    }

    /// `[client]` as it is written.
    ClientSection {
        /// Whether sessions without a token are taken, on raw endpoints too; by default exactly as long as no key for tokens is set.
        anonymous: Option<bool> as Optional<Flag> = None;
        /// Origins that may use /connection/*, /sse, /poll and /send from a browser, `["*"]` for all; absent: pages of the same
        /// host. Requests without an Origin header are always allowed, since phones send none.
        origins: Option<Vec<String>> as Optional<TextList> = None;
        /// How long a connection may stay without its connect command; then it is closed with 3502.
        connect_timeout: Duration as Time = seconds(10);
    }

    /// The API of backends at /api/.
    Api {
        /// Whether it is served.
        enabled: bool as Flag = true;
        /// The key that backends send as `X-API-Key`, or several. Without one the API answers only on loopback, with a key that
        /// is made at start and printed once.
        key: Vec<Secret> as KeyOrList = Vec::new();
        /// Publications a second that one key may make; 0 is no limit.
        publishes_per_second: u32 as U32 = 0;
        /// Largest body of a request; a larger one gets 413.
        body_bytes: usize as Bytes = 4 << 20;
    }

    /// `[hooks]` as it is written.
    HooksSection {
        /// Asked who a client is, when it connects.
        connect_url ("connect.url"): Option<String> as Optional<Text> = None;
        /// How long that may take; absent: 5s, as for all hooks.
        connect_timeout ("connect.timeout"): Option<Duration> as Optional<Time> = None;
        /// Asked whether a session that the connect hook made may go on when it expires.
        refresh_url ("refresh.url"): Option<String> as Optional<Text> = None;
        /// How long that may take.
        refresh_timeout ("refresh.timeout"): Option<Duration> as Optional<Time> = None;
        /// Asked whether a client may subscribe, where `hook` is in allow.subscribe.
        subscribe_url ("subscribe.url"): Option<String> as Optional<Text> = None;
        /// How long that may take.
        subscribe_timeout ("subscribe.timeout"): Option<Duration> as Optional<Time> = None;
        /// Asked whether a subscription that the subscribe hook made may go on when it expires.
        sub_refresh_url ("sub_refresh.url"): Option<String> as Optional<Text> = None;
        /// How long that may take.
        sub_refresh_timeout ("sub_refresh.timeout"): Option<Duration> as Optional<Time> = None;
        /// Asked whether a client may publish, and what, where `hook` is in allow.publish.
        publish_url ("publish.url"): Option<String> as Optional<Text> = None;
        /// How long that may take.
        publish_timeout ("publish.timeout"): Option<Duration> as Optional<Time> = None;
        /// Answers the rpc command.
        rpc_url ("rpc.url"): Option<String> as Optional<Text> = None;
        /// How long that may take.
        rpc_timeout ("rpc.timeout"): Option<Duration> as Optional<Time> = None;
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
        headers: Vec<String> as TextList = ["user-agent", "accept-language", "origin", "x-request-id"].map(str::to_string).to_vec();
        /// Calls at a time of `connect`, `refresh`, `subscribe` and `sub_refresh` together, and as many of `publish`, `rpc` and `message`.
        concurrency: usize as Count = 256;
        /// Calls of each of the two kinds that may wait for their turn; further ones fail at once.
        queue: usize as Count = 4096;
        /// Events that may wait while the backend does not take them; further ones are dropped and counted.
        events_queue: usize as Count = 65_536;
        /// Events that one call carries at most.
        events_batch: usize as Count = 100;
    }

    /// A `[[poll]]` as it is written.
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
        timeout: Duration as Time = seconds(10);
        /// Whether an outage is published, once, as `{"error":"…"}`.
        publish_failures: bool as Flag = false;
    }
}

impl HooksSection {
    /// The hooks as they are used; those without a URL are none.
    pub(super) fn checked(&self) -> Hooks {
        let hook = |url: &Option<String>, timeout: Option<Duration>| {
            url.as_ref().map(|url| Hook {
                url: url.clone(),
                timeout: timeout.unwrap_or(HOOK_TIMEOUT),
            })
        };
        Hooks {
            connect: hook(&self.connect_url, self.connect_timeout),
            refresh: hook(&self.refresh_url, self.refresh_timeout),
            subscribe: hook(&self.subscribe_url, self.subscribe_timeout),
            sub_refresh: hook(&self.sub_refresh_url, self.sub_refresh_timeout),
            publish: hook(&self.publish_url, self.publish_timeout),
            rpc: hook(&self.rpc_url, self.rpc_timeout),
            message: hook(&self.message_url, self.message_timeout),
            events: hook(&self.events_url, self.events_timeout),
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
