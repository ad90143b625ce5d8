//! The rules of channels, checked: what each namespace keeps and who may do what in it. Made once
//! when the settings are checked, then only read; a namespace is shared, so that asking for the
//! rules of a channel copies nothing.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::values::{Keep, SlowPolicy};

/// How long a history keeps a publication, unless the settings say otherwise.
pub(super) const HISTORY_TTL: Duration = Duration::from_secs(300);

/// Bytes of messages that leave together, unless the settings say otherwise.
pub(super) const WINDOW_BYTES: usize = 64 << 10;

/// Who may do one thing in a channel: whoever one of these names; nobody by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Any client with a user.
    pub(crate) client: bool,
    /// Any client without a user.
    pub(crate) anonymous: bool,
    /// Clients that are subscribed to the channel.
    pub(crate) subscriber: bool,
    /// Clients that bring a subscription token.
    pub token: bool,
    /// Clients that the backend allows it, asked by a hook.
    pub(crate) hook: bool,
}

impl Allow {
    /// Whether it names nobody.
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Each word of the setting, and whether it is in the list.
    pub(super) fn words(self) -> [(&'static str, bool); 5] {
        [
            ("client", self.client),
            ("anonymous", self.anonymous),
            ("subscriber", self.subscriber),
            ("token", self.token),
            ("hook", self.hook),
        ]
    }
}

/// The rules of the channels of one namespace, with what its `[[namespace]]` leaves out taken from
/// `[channels]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Namespace {
    /// The text before the first `:` of its channels; empty for `[channels]`.
    pub name: String,
    /// Publications kept of each channel; 0 is none.
    pub history_size: usize,
    /// How long each is kept.
    pub history_ttl: Duration,
    /// Whether every subscriber gets positions and recovers, without asking for it.
    pub recovery: bool,
    /// Whether a new subscriber gets the newest publication at once.
    pub cache_recovery: bool,
    /// Whether presence is kept.
    pub presence: bool,
    /// Whether joins and leaves are sent to subscribers that ask for them.
    pub join_leave: bool,
    /// Whether joins and leaves are sent to all subscribers, without asking for it.
    pub force_push_join_leave: bool,
    /// Whether subscribers that ask get differences (Fossil delta) instead of whole publications.
    pub delta: bool,
    /// What happens to slow clients in these channels; `None` is `slow.policy`.
    pub slow_policy: Option<SlowPolicy>,
    /// How long what is sent to a channel waits at most, to leave together; zero: not at all.
    pub window: Duration,
    /// Bytes of messages that leave together at most.
    pub window_bytes: usize,
    /// What of the publications that wait leaves.
    pub keep: Keep,
    /// Who may subscribe.
    pub allow_subscribe: Allow,
    /// Who may publish.
    pub allow_publish: Allow,
    /// Who may read the history.
    pub allow_history: Allow,
    /// Who may read the presence.
    pub allow_presence: Allow,
}

impl Default for Namespace {
    fn default() -> Self {
        Self {
            name: String::new(),
            history_size: 0,
            history_ttl: HISTORY_TTL,
            recovery: false,
            cache_recovery: false,
            presence: false,
            join_leave: false,
            force_push_join_leave: false,
            delta: false,
            slow_policy: None,
            window: Duration::ZERO,
            window_bytes: WINDOW_BYTES,
            keep: Keep::All,
            allow_subscribe: Allow::default(),
            allow_publish: Allow::default(),
            allow_history: Allow::default(),
            allow_presence: Allow::default(),
        }
    }
}

impl Namespace {
    /// Where it is written in the file, as errors and warnings name it.
    #[must_use]
    pub(crate) fn section(&self) -> String {
        match self.name.as_str() {
            "" => "[channels]".to_string(),
            name => format!("[[namespace]] {name:?}"),
        }
    }

    /// Whether publications leave some of those before them out, so that nobody can follow offsets.
    #[must_use]
    pub(crate) fn conflates(&self) -> bool {
        self.keep != Keep::All
    }

    /// What may be allowed, by the name of its setting, and to whom.
    pub(super) fn allow_lists(&self) -> [(&'static str, Allow); 4] {
        [
            ("allow.subscribe", self.allow_subscribe),
            ("allow.publish", self.allow_publish),
            ("allow.history", self.allow_history),
            ("allow.presence", self.allow_presence),
        ]
    }
}

/// The rules of all channels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Channels {
    /// Whether `[channels]` or a `[[namespace]]` is written; until then plain clients may name any
    /// channel with `?channel=`.
    pub configured: bool,
    /// The rules of channels without a `:`, and what namespaces inherit.
    pub default: Arc<Namespace>,
    /// The namespaces by name.
    pub namespaces: BTreeMap<String, Arc<Namespace>>,
}

impl Channels {
    /// The rules of a channel; `None` where its namespace is unknown (error 102). The text before
    /// the first `:` names the namespace; without one, or with none before it, the rules are those
    /// of `[channels]`.
    #[must_use]
    pub(crate) fn rules(&self, channel: &str) -> Option<&Arc<Namespace>> {
        match channel.split_once(':') {
            None | Some(("", _)) => Some(&self.default),
            Some((name, _)) => self.namespaces.get(name),
        }
    }

    /// Whether anything waits for anything in any channel.
    #[must_use]
    pub(crate) fn have_windows(&self) -> bool {
        self.all().any(|rules| !rules.window.is_zero())
    }

    /// The rules of `[channels]` and of every namespace.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Namespace>> {
        std::iter::once(&self.default).chain(self.namespaces.values())
    }
}
