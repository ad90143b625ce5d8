//! The settings while they are being put together: groups as they were written, and where each value came from.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    path::PathBuf,
};

use super::{
    form::Input,
    settings::{
        Admin, Close, Deflate, Drain, Heartbeat, Http, Limits, Log, PushTable, RawTable, Root,
        Route, Slow, Tcp, TlsFiles,
    },
    table::Group,
    tables::{
        Api, ChannelsTable, ClientTable, HooksTable, NamespaceTable, PollTable, TokenSettings,
    },
};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A line of the file.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// The built-in demonstration or a default.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
            Self::BuiltIn => f.write_str("built in"),
        }
    }
}

/// The settings as written.
#[derive(Clone, Debug, Default)]
pub(super) struct Sheet {
    pub(super) root: Root,
    pub(super) limits: Limits,
    pub(super) heartbeat: Heartbeat,
    pub(super) slow: Slow,
    pub(super) close: Close,
    pub(super) deflate: Deflate,
    pub(super) tcp: Tcp,
    pub(super) http: Http,
    pub(super) drain: Drain,
    pub(super) tls: TlsFiles,
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
    pub(super) client: ClientTable,
    pub(super) token: TokenSettings,
    pub(super) channels: ChannelsTable,
    pub(super) hooks: HooksTable,
    pub(super) namespace: Vec<NamespaceTable>,
    pub(super) poll: Vec<PollTable>,
    pub(super) raw: Vec<RawTable>,
    pub(super) push: Vec<PushTable>,
    /// By path (`limits.sessions`, `raw.0.path`); what is not here is a default.
    pub(super) origins: HashMap<String, Origin>,
    /// Paths whose value could not be read and was told: what is checked later says no more of them.
    pub(super) broken: HashSet<String>,
}

/// Calls a macro with every group that is a table of its own: its name, its field, its sentence.
macro_rules! for_each_table {
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

/// One setting of the sheet, whatever its group.
pub(super) struct Named {
    pub(super) path: String,
    pub(super) table: &'static str,
    pub(super) name: &'static str,
    pub(super) doc: &'static [&'static str],
    pub(super) says: &'static str,
    pub(super) shown: Option<String>,
}

impl Named {
    /// The environment variable that sets it.
    pub(super) fn variable(&self) -> String {
        format!("FANFARE_{}", self.path.replace('.', "_").to_uppercase())
    }
}

fn named<G: Group>(table: &'static str, group: &G) -> Vec<Named> {
    let entry = |entry: &super::table::Entry<G>| Named {
        path: match table {
            "" => entry.name.to_string(),
            table => format!("{table}.{}", entry.name),
        },
        table,
        name: entry.name,
        doc: entry.doc,
        says: entry.says,
        shown: (entry.show)(group),
    };
    G::ENTRIES.iter().map(entry).collect()
}

fn read<G: Group>(group: &mut G, name: &str, input: Input<'_>) -> Option<Result<(), String>> {
    let entry = G::ENTRIES.iter().find(|entry| entry.name == name)?;
    Some((entry.read)(group, input))
}

impl Sheet {
    /// Tables and what they are about, in the order of the documentation; "" is the top of the file.
    pub(super) fn tables() -> Vec<(&'static str, &'static str)> {
        macro_rules! list {
            (; $($table:ident $about:literal,)*) => { vec![$((stringify!($table), $about)),*] };
        }
        let mut tables = vec![("", "The node.")];
        tables.extend(for_each_table!(list!()));
        tables
    }

    /// Every setting but those of elements, such as `[[raw]]`.
    pub(super) fn settings(&self) -> Vec<Named> {
        let mut all = named("", &self.root);
        macro_rules! extend {
            ($sheet:ident, $all:ident; $($table:ident $about:literal,)*) => {
                $($all.extend(named(stringify!($table), &$sheet.$table));)*
            };
        }
        let sheet = self;
        for_each_table!(extend!(sheet, all));
        all
    }

    /// Reads one setting; `None` if there is none of this table and name.
    pub(super) fn read(
        &mut self,
        table: &str,
        name: &str,
        input: Input<'_>,
    ) -> Option<Result<(), String>> {
        macro_rules! dispatch {
            ($sheet:ident, $wanted:ident, $name:ident, $input:ident; $($table:ident $about:literal,)*) => {
                match $wanted {
                    "" => read(&mut $sheet.root, $name, $input),
                    $(stringify!($table) => read(&mut $sheet.$table, $name, $input),)*
                    _ => None,
                }
            };
        }
        let sheet = self;
        for_each_table!(dispatch!(sheet, table, name, input))
    }

    /// Whether rules of channels are written, even if they only repeat the defaults.
    pub(super) fn writes_channels(&self) -> bool {
        let is_there = |path: &String| path == "channels" || path.starts_with("channels.");
        !self.namespace.is_empty()
            || self.channels != ChannelsTable::default()
            || self.origins.keys().any(is_there)
    }

    /// Whether a setting was given in a way that could not be read.
    pub(super) fn is_broken(&self, path: &str) -> bool {
        self.broken.contains(path)
    }

    /// Where a setting's value came from.
    pub(super) fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or(Origin::BuiltIn)
    }
}

/// Settings of an element, such as a `[[raw]]`.
pub(super) fn element<G: Group>(table: &'static str, element: &G) -> Vec<Named> {
    named(table, element)
}

/// Reads one setting of an element, such as a `[[raw]]`.
pub(super) fn read_element<G: Group>(
    element: &mut G,
    name: &str,
    input: Input<'_>,
) -> Option<Result<(), String>> {
    read(element, name, input)
}
