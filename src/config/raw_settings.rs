//! The settings while they are being put together: sections as they were written, and where each value came from.

use std::collections::{HashMap, HashSet};

use super::{
    errors::Origin,
    sections::{
        Admin, Api, ChannelsSection, ClientSection, Close, Deflate, Drain, Field, Heartbeat,
        HooksSection, Http, Limits, Log, NamespaceSection, PollSection, PushSection, RawSection,
        Root, Route, Section, Slow, Tcp, TlsSection, TokenSettings,
    },
    setting_type::Input,
};

/// The settings as written.
#[derive(Clone, Debug, Default)]
pub(super) struct RawSettings {
    pub(super) root: Root,
    pub(super) limits: Limits,
    pub(super) heartbeat: Heartbeat,
    pub(super) slow: Slow,
    pub(super) close: Close,
    pub(super) deflate: Deflate,
    pub(super) tcp: Tcp,
    pub(super) http: Http,
    pub(super) drain: Drain,
    pub(super) tls: TlsSection,
    pub(super) admin: Admin,
    pub(super) log: Log,
    pub(super) page: Route,
    pub(super) status: Route,
    pub(super) health: Route,
    pub(super) ready: Route,
    pub(super) metrics: Route,
    pub(super) diag: Route,
    pub(super) connection: Route,
    pub(super) sse: Route,
    pub(super) longpoll: Route,
    pub(super) send: Route,
    pub(super) api: Api,
    pub(super) client: ClientSection,
    pub(super) token: TokenSettings,
    pub(super) channels: ChannelsSection,
    pub(super) hooks: HooksSection,
    pub(super) namespace: Vec<NamespaceSection>,
    pub(super) poll: Vec<PollSection>,
    pub(super) raw: Vec<RawSection>,
    pub(super) push: Vec<PushSection>,
    /// By path (`limits.sessions`, `raw.0.path`); what is not here is a default.
    pub(super) origins: HashMap<String, Origin>,
    /// Paths whose value could not be read and was told: what is checked later says no more of them.
    pub(super) unreadable: HashSet<String>,
}

/// Calls a macro with every section: its name, its field, its sentence.
macro_rules! for_each_section {
    ($call:ident!($($argument:tt)*)) => {
        $call!($($argument)*;
            limits "Bounds on what clients may use.",
            heartbeat "How it is found out that a client is gone.",
            slow "Clients that take less than they are sent.",
            close "Ends of connections.",
            deflate "Compression of WebSocket messages (permessage-deflate), for clients that ask for it.",
            tcp "Options of TCP sockets.",
            http "Plain HTTP connections.",
            drain "How the node goes away on SIGTERM and SIGINT.",
            tls "TLS for `tls:` listeners; renewed files are taken up while the server runs.",
            channels "Rules of channels. What is not allowed here is refused. Until this table or a [[namespace]] is written, plain \
                clients may name any channel with ?channel=, and clients of the protocol none.",
            client "Sessions of clients, at /connection/*, /sse, /poll and /send.",
            token "Tokens (JWT) that say who a client is.",
            api "The API of backends at /api/*: publish, disconnect, and whatever else the backend says.",
            hooks "Calls to the backend, which decides and is told; [hooks.connect] with url and timeout is the same as connect.url.",
            connection "The routes of the client protocol: /connection/* and /emulation.",
            sse "/sse: channels as server-sent events.",
            longpoll "/poll: channels by long polling.",
            send "/send: messages from those who have no WebSocket.",
            admin "The administrator.",
            log "Logging, to standard error.",
            page "The test page at / and its files at /static/.",
            status "Numbers of the node at /status, and its sessions at /status/sessions.",
            health "/health: the process answers.",
            ready "/ready: the node takes new sessions.",
            metrics "/metrics in OpenMetrics form.",
            diag "/diag: what arrived of the caller's request.",
        )
    };
}

/// One setting of the raw settings, whatever its section.
pub(super) struct Setting {
    pub(super) path: String,
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) doc: &'static [&'static str],
    pub(super) expected: &'static str,
    pub(super) value: Option<String>,
}

impl Setting {
    /// The environment variable that sets it.
    pub(super) fn variable(&self) -> String {
        format!("FANFARE_{}", self.path.replace('.', "_").to_uppercase())
    }
}

fn settings_of<S: Section>(name: &'static str, section: &S) -> Vec<Setting> {
    let setting = |field: &Field<S>| Setting {
        path: match name {
            "" => field.name.to_string(),
            section => format!("{section}.{}", field.name),
        },
        section: name,
        name: field.name,
        doc: field.doc,
        expected: field.expected,
        value: (field.to_toml)(section),
    };
    S::FIELDS.iter().map(setting).collect()
}

fn read<S: Section>(section: &mut S, name: &str, input: Input<'_>) -> Option<Result<(), String>> {
    let field = S::FIELDS.iter().find(|field| field.name == name)?;
    Some((field.read)(section, input))
}

impl RawSettings {
    /// Tables and what they are about, in the order of the documentation; "" is the top of the file.
    pub(super) fn sections() -> Vec<(&'static str, &'static str)> {
        macro_rules! list {
            (; $($section:ident $about:literal,)*) => { vec![$((stringify!($section), $about)),*] };
        }
        let mut sections = vec![("", "The node.")];
        sections.extend(for_each_section!(list!()));
        sections
    }

    /// Every setting but those of elements, such as `[[raw]]`.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let mut all = settings_of("", &self.root);
        macro_rules! extend {
            ($raw:ident, $all:ident; $($section:ident $about:literal,)*) => {
                $($all.extend(settings_of(stringify!($section), &$raw.$section));)*
            };
        }
        let raw = self;
        for_each_section!(extend!(raw, all));
        all
    }

    /// Reads one setting; `None` if there is none of this section and name.
    pub(super) fn read(
        &mut self,
        section: &str,
        name: &str,
        input: Input<'_>,
    ) -> Option<Result<(), String>> {
        macro_rules! dispatch {
            ($raw:ident, $wanted:ident, $name:ident, $input:ident; $($section:ident $about:literal,)*) => {
                match $wanted {
                    "" => read(&mut $raw.root, $name, $input),
                    $(stringify!($section) => read(&mut $raw.$section, $name, $input),)*
                    _ => None,
                }
            };
        }
        let raw = self;
        for_each_section!(dispatch!(raw, section, name, input))
    }

    /// Whether rules of channels are written, even if they only repeat the defaults.
    pub(super) fn writes_channels(&self) -> bool {
        let is_there = |path: &String| path == "channels" || path.starts_with("channels.");
        !self.namespace.is_empty()
            || self.channels != ChannelsSection::default()
            || self.origins.keys().any(is_there)
    }

    /// Whether a hook is set. One that could not be read counts, since that was told already.
    pub(super) fn has_hook(&self, name: &str) -> bool {
        let hooks = &self.hooks;
        let url = match name {
            "connect" => &hooks.connect_url,
            "subscribe" => &hooks.subscribe_url,
            "publish" => &hooks.publish_url,
            _ => &hooks.message_url,
        };
        url.is_some() || self.is_unreadable(&format!("hooks.{name}.url"))
    }

    /// Whether a key for tokens is set. One that could not be read counts, since that was told already.
    pub(super) fn has_keys(&self) -> bool {
        let token = &self.token;
        !token.hmac_secret.is_empty()
            || !token.public_keys.is_empty()
            || token.jwks_url.is_some()
            || ["hmac_secret", "public_keys", "jwks_url"]
                .iter()
                .any(|name| self.is_unreadable(&format!("token.{name}")))
    }

    /// Whether a setting was given in a way that could not be read.
    pub(super) fn is_unreadable(&self, path: &str) -> bool {
        self.unreadable.contains(path)
    }

    /// Where a setting's value came from.
    pub(super) fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or(Origin::BuiltIn)
    }
}

/// Settings of an element, such as a `[[raw]]`.
pub(super) fn element<S: Section>(section: &'static str, element: &S) -> Vec<Setting> {
    settings_of(section, element)
}

/// Reads one setting of an element, such as a `[[raw]]`.
pub(super) fn read_element<S: Section>(
    element: &mut S,
    name: &str,
    input: Input<'_>,
) -> Option<Result<(), String>> {
    read(element, name, input)
}
