//! The settings as written, before they are checked: a value for each, and where it came from.
//! Built by `load` and consumed by `check`.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use super::{
    errors::{Errors, SettingOrigin},
    sections::{
        Admin, Api, ChannelsSection, ClientSection, Close, Deflate, Drain, Heartbeat, HookCall,
        HooksSection, Http, Limits, Log, NamespaceSection, Page, PollSection, PushSection,
        RawSection, Root, Route, Section, Setting, Slow, State, Tcp, TlsSection, TokenSettings,
    },
    setting_type::SettingInput,
};

/// What a section is about: the sentence given here, or else that of its type.
macro_rules! about {
    ($section:ident) => {
        <$section as Section>::ABOUT
    };
    ($section:ident $about:literal) => {
        $about
    };
}

/// Declares [`RawSettings`]: the sections that the file has once, in the order of the
/// documentation, each with its type, and with what it is about where several sections have one
/// type.
macro_rules! raw_settings {
    ($($name:ident: $section:ident $(= $about:literal)?;)*) => {
        /// The settings as written.
        #[derive(Clone, Debug, Default)]
        pub(super) struct RawSettings {
            pub(super) root: Root,
            $(pub(super) $name: $section,)*
            pub(super) raw: Vec<RawSection>,
            pub(super) push: Vec<PushSection>,
            pub(super) namespace: Vec<NamespaceSection>,
            pub(super) poll: Vec<PollSection>,
            /// By path (`limits.sessions`, `raw.0.path`); what is not here is a default.
            pub(super) origins: HashMap<String, SettingOrigin>,
            /// Paths whose value could not be read, which is among the errors already: later checks
            /// say no more of them.
            pub(super) unreadable: HashSet<String>,
        }

        impl RawSettings {
            /// Name of each section that the file has once, and what it is about, in the order of
            /// the documentation; "" is the top of the file.
            pub(super) fn sections() -> Vec<(&'static str, &'static str)> {
                vec![
                    ("", Root::ABOUT),
                    $((stringify!($name), about!($section $($about)?)),)*
                ]
            }

            /// Every setting but those of [`ARRAYS`].
            pub(super) fn settings(&self) -> Vec<Setting> {
                let mut all = self.root.settings("");
                $(all.extend(self.$name.settings(stringify!($name)));)*
                all
            }

            /// Paths of the settings that have another value in `other`; of [`ARRAYS`] their
            /// names in brackets.
            pub(super) fn changes(&self, other: &Self) -> Vec<String> {
                let path = |section: &str, name: &str| match section {
                    "" => name.to_string(),
                    section => format!("{section}.{name}"),
                };
                let mut changes = Vec::new();
                let of_root = self.root.changes(&other.root);
                changes.extend(of_root.into_iter().map(|name| path("", name)));
                $(
                    let of_section = self.$name.changes(&other.$name);
                    let paths = of_section.into_iter().map(|name| path(stringify!($name), name));
                    changes.extend(paths);
                )*
                let arrays = [
                    ("raw", self.raw != other.raw),
                    ("push", self.push != other.push),
                    ("namespace", self.namespace != other.namespace),
                    ("poll", self.poll != other.poll),
                ];
                let changed = arrays.iter().filter(|(_, is_changed)| *is_changed);
                changes.extend(changed.map(|(name, _)| format!("[[{name}]]")));
                changes
            }

            /// Reads one setting; `None` if there is none of this section and name.
            pub(super) fn read(
                &mut self,
                section: &str,
                name: &str,
                input: SettingInput<'_>,
            ) -> Option<Result<(), String>> {
                match section {
                    "" => self.root.read(name, input),
                    $(stringify!($name) => self.$name.read(name, input),)*
                    _ => None,
                }
            }
        }
    };
}

raw_settings! {
    limits: Limits;
    heartbeat: Heartbeat;
    slow: Slow;
    close: Close;
    deflate: Deflate;
    tcp: Tcp;
    http: Http;
    drain: Drain;
    state: State;
    tls: TlsSection;
    channels: ChannelsSection;
    client: ClientSection;
    token: TokenSettings;
    api: Api;
    hooks: HooksSection;
    connection: Route = "The routes of the client protocol: /connection/* and /emulation.";
    sse: Route = "/sse: channels as server-sent events.";
    longpoll: Route = "/poll: channels by long polling.";
    send: Route = "/send: messages from those who have no WebSocket.";
    admin: Admin;
    log: Log;
    page: Page;
    status: Route = "Numbers of the node at /status, and its sessions at /status/sessions.";
    health: Route = "/health: the process answers.";
    ready: Route = "/ready: the node takes new sessions.";
    metrics: Route = "/metrics in OpenMetrics form.";
    diag: Route = "/diag: what arrived of the caller's request.";
}

/// Sections that the file may have any number of times, as arrays of tables.
pub(super) const ARRAYS: [&str; 4] = ["raw", "push", "namespace", "poll"];

impl RawSettings {
    /// Names of the settings of a section.
    pub(super) fn names_in(&self, section: &str) -> Vec<&'static str> {
        let settings = self.settings();
        let here = settings.iter().filter(|setting| setting.section == section);
        here.map(|setting| setting.name).collect()
    }

    /// Whether rules of channels are written, be it only an empty `[channels]`.
    pub(super) fn writes_channels(&self) -> bool {
        let is_there = |path: &String| path == "channels" || path.starts_with("channels.");
        !self.namespace.is_empty()
            || self.channels != ChannelsSection::default()
            || self.origins.keys().any(is_there)
    }

    /// Whether a hook is set. One that could not be read counts, since that is among the errors
    /// already.
    pub(super) fn has_hook(&self, name: &str) -> bool {
        let has_url = |hook: &HookCall<'_>| hook.name == name && hook.url.is_some();
        self.hooks.calls().iter().any(has_url) || self.is_unreadable(&format!("hooks.{name}.url"))
    }

    /// Whether a key for tokens is set. One that could not be read counts, since that is among the
    /// errors already.
    pub(super) fn has_token_keys(&self) -> bool {
        let token = &self.token;
        !token.hmac_secret.is_empty()
            || !token.public_keys.is_empty()
            || token.jwks_url.is_some()
            || ["hmac_secret", "public_keys", "jwks_url"]
                .iter()
                .any(|name| self.is_unreadable(&format!("token.{name}")))
    }

    /// Adds what is wrong with a setting, at the place where it was written; nothing where it could
    /// not be read.
    pub(super) fn refuse(&self, errors: &mut Errors, path: &str, what: impl fmt::Display) {
        if !self.is_unreadable(path) {
            errors.add(&self.origin(path), path, what);
        }
    }

    /// Whether a setting was given in a way that could not be read.
    pub(super) fn is_unreadable(&self, path: &str) -> bool {
        self.unreadable.contains(path)
    }

    /// Where a setting's value came from.
    pub(super) fn origin(&self, path: &str) -> SettingOrigin {
        self.origins
            .get(path)
            .cloned()
            .unwrap_or(SettingOrigin::BuiltIn)
    }
}
