//! Sections that say who may connect and do what: channels, namespaces, tokens, clients.
//! Declared here; read by `file` and `load`, checked by `check`.

use std::time::Duration;

use super::declaration::sections;
use crate::config::{
    channels::{Allow, HISTORY_TTL, WINDOW_BYTES},
    setting_type::{
        AllowList, Bool, Bytes, KeepRule, KeyOrList, Optional, SlowPolicyName, Text, TextList,
        TextOrList, Time, Usize,
    },
    values::{Keep, Secret, SlowPolicy},
};

sections! {
    /// Rules of channels. What is not allowed here is refused. Until this table or a [[namespace]]
    /// is written, plain clients may name any channel with ?channel=, and clients of the protocol
    /// none.
    ChannelsSection {
        /// Publications kept of each channel, from which clients recover what they missed; 0 is
        /// none.
        history_size: usize as Usize = 0;
        /// How long each is kept.
        history_ttl: Duration as Time = HISTORY_TTL;
        /// Whether every subscriber gets positions and recovers, without asking for it; needs
        /// history_size.
        recovery: bool as Bool = false;
        /// Whether a new subscriber gets the newest publication at once; needs history_size.
        cache_recovery: bool as Bool = false;
        /// Whether it is known who is in a channel.
        presence: bool as Bool = false;
        /// Whether joins and leaves are sent to subscribers who ask for them.
        join_leave: bool as Bool = false;
        /// Whether joins and leaves are sent to every subscriber, without asking for it; needs
        /// join_leave.
        force_push_join_leave: bool as Bool = false;
        /// Whether subscribers that ask get differences (Fossil delta) instead of whole
        /// publications; needs history_size.
        delta: bool as Bool = false;
        /// What happens to slow clients in these channels; absent: slow.policy.
        slow_policy: Option<SlowPolicy> as Optional<SlowPolicyName> = None;
        /// How long publications, joins and leaves of a channel wait for each other at most, to
        /// leave together; the first after a quiet time leaves at once. 0 is off.
        window: Duration as Time = Duration::ZERO;
        /// Bytes of messages that leave together at most; a window in which several have them ends
        /// early, and a longer message leaves in a frame of its own.
        window_bytes: usize as Bytes = WINDOW_BYTES;
        /// What leaves of the publications that wait in a window: all, the newest, or of each value
        /// of a tag the newest. Only with all are there positions to recover from.
        keep: Keep as KeepRule = Keep::All;
        /// Who may subscribe: `client` is anyone with a user, `anonymous` anyone without one,
        /// `token` who brings a subscription token, `hook` whom hooks.subscribe lets in. Empty:
        /// nobody.
        allow_subscribe ("allow.subscribe"): Allow as AllowList = Allow::default();
        /// Who may publish: as above, with `subscriber` for who is subscribed, and `hook` for what
        /// hooks.publish lets through.
        allow_publish ("allow.publish"): Allow as AllowList = Allow::default();
        /// Who may read the history; `hook` is whom the answer of hooks.subscribe lets.
        allow_history ("allow.history"): Allow as AllowList = Allow::default();
        /// Who may ask who is there, as above; needs presence.
        allow_presence ("allow.presence"): Allow as AllowList = Allow::default();
    }

    /// Rules of channels whose names begin with the namespace's and a colon, such as chat:room-1.
    /// What is left out is taken from [channels].
    NamespaceSection {
        /// The text before the first `:` of its channels: letters and digits of any script, `-`,
        /// `_` and `.`.
        name: String as Text = String::new();
        /// Publications kept of each channel; 0 is none.
        history_size: Option<usize> as Optional<Usize> = None;
        /// How long each is kept.
        history_ttl: Option<Duration> as Optional<Time> = None;
        /// Whether every subscriber gets positions and recovers, without asking for it.
        recovery: Option<bool> as Optional<Bool> = None;
        /// Whether a new subscriber gets the newest publication at once.
        cache_recovery: Option<bool> as Optional<Bool> = None;
        /// Whether it is known who is in a channel.
        presence: Option<bool> as Optional<Bool> = None;
        /// Whether joins and leaves are sent to subscribers who ask for them.
        join_leave: Option<bool> as Optional<Bool> = None;
        /// Whether joins and leaves are sent to every subscriber, without asking for it.
        force_push_join_leave: Option<bool> as Optional<Bool> = None;
        /// Whether subscribers that ask get differences (Fossil delta).
        delta: Option<bool> as Optional<Bool> = None;
        /// What happens to slow clients in these channels.
        slow_policy: Option<SlowPolicy> as Optional<SlowPolicyName> = None;
        /// How long publications, joins and leaves of a channel wait for each other at most, to
        /// leave together; the first after a quiet time leaves at once. 0 is off.
        window: Option<Duration> as Optional<Time> = None;
        /// Bytes of messages that leave together at most; a window that has them ends early.
        window_bytes: Option<usize> as Optional<Bytes> = None;
        /// What leaves of the publications that wait in a window: all, the newest, or of each value
        /// of a tag the newest. Only with all are there positions to recover from.
        keep: Option<Keep> as Optional<KeepRule> = None;
        /// Who may subscribe.
        allow_subscribe ("allow.subscribe"): Option<Allow> as Optional<AllowList> = None;
        /// Who may publish.
        allow_publish ("allow.publish"): Option<Allow> as Optional<AllowList> = None;
        /// Who may read the history.
        allow_history ("allow.history"): Option<Allow> as Optional<AllowList> = None;
        /// Who may ask who is there.
        allow_presence ("allow.presence"): Option<Allow> as Optional<AllowList> = None;
    }

    /// Tokens (JWT) that say who a client is.
    TokenSettings {
        /// Secrets that tokens are signed with (HS256, HS384, HS512), of 32 bytes or more. With
        /// two, both are valid, which is how one takes over from the other.
        hmac_secret: Vec<Secret> as KeyOrList = Vec::new();
        /// Public keys for RS, PS, ES and EdDSA tokens: PEM texts, or paths of PEM files;
        /// relative ones count from the directory in which the server was started.
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

    /// Sessions of clients, at /connection/*, /sse, /poll and /send.
    ClientSection {
        /// Whether sessions without a token are taken, on raw endpoints too; by default exactly as
        /// long as no key for tokens is set.
        anonymous: Option<bool> as Optional<Bool> = None;
        /// Origins that may use /connection/*, /sse, /poll and /send from a browser, such as
        /// `https://www.example.com`, `https://*.example.com` (all names below it), `null` and
        /// `file://` (pages opened as files), `["*"]` for all; absent: pages of the same scheme,
        /// host and port, and mini programs (`weapp://`). Requests without an Origin header are
        /// always allowed, since phones send none.
        origins: Option<Vec<String>> as Optional<TextList> = None;
        /// How long a connection may stay without its connect command; then it is closed with 3502.
        connect_timeout: Duration as Time = Duration::from_secs(10);
        /// Whether every client of the protocol that has a user is subscribed to its user's own
        /// channel from the start: `#` and the user, such as #42.
        personal_channel_enabled ("personal_channel.enabled"): bool as Bool = false;
        /// The namespace of these channels, such as personal:#42; absent: none.
        personal_channel_namespace ("personal_channel.namespace"):
            Option<String> as Optional<Text> = None;
        /// Whether a user's new session of the protocol ends the user's other sessions, with 3504.
        personal_channel_single_connection ("personal_channel.single_connection"):
            bool as Bool = false;
    }
}
