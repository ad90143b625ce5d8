//! Types that only settings have: addresses to listen at, trusted proxies, secrets, policies.
//! Pure data; nothing is opened or resolved.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use ipnet::IpNet;

/// One entry of `listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `host:port`, plain TCP.
    Tcp(String),
    /// `tls:host:port`: TCP on which TLS is spoken.
    Tls(String),
    /// `unix:/path?mode=0660&group=www-data`: who may write to the file may connect.
    Unix(UnixSocket),
}

/// A unix socket to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// Where its file is, in place of one that nobody listens at.
    pub(crate) path: PathBuf,
    /// Permissions of the file; who may write to it may connect.
    pub(crate) mode: u32,
    /// Group of the file, by name or number; absent: the process's own.
    pub(crate) group: Option<String>,
}

impl UnixSocket {
    /// Unless it is said otherwise a unix socket is as open as 127.0.0.1: to all of this machine.
    const MODE: u32 = 0o666;
}

impl FromStr for UnixSocket {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, options) = text.split_once('?').unwrap_or((text, ""));
        if path.is_empty() {
            return Err("\"unix:\" needs a path, such as \"unix:/run/fanfare.sock\"".into());
        }
        let mut socket = Self {
            path: path.into(),
            mode: Self::MODE,
            group: None,
        };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("mode", mode)) => {
                    socket.mode = u32::from_str_radix(mode, 8)
                        .ok()
                        .filter(|mode| *mode <= 0o777)
                        .ok_or_else(|| {
                            format!("mode={mode}: expected permissions in octal, such as 0660")
                        })?;
                }
                Some(("group", group)) if !group.is_empty() => socket.group = Some(group.into()),
                _ => {
                    return Err(format!(
                        "{option:?} is unknown; after the path of a unix socket may stand \
                         ?mode=0660 and &group=www-data"
                    ));
                }
            }
        }
        Ok(socket)
    }
}

impl fmt::Display for UnixSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        let mut mark = '?';
        if self.mode != Self::MODE {
            write!(f, "{mark}mode={:04o}", self.mode)?;
            mark = '&';
        }
        match &self.group {
            Some(group) => write!(f, "{mark}group={group}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(socket) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(socket.parse()?));
        }
        let (address, is_tls) = match text.strip_prefix("tls:") {
            Some(address) => (address, true),
            None => (text, false),
        };
        let port = address
            .rsplit_once(':')
            .filter(|(host, _)| is_host(host))
            .and_then(|(_, port)| port.parse::<u16>().ok());
        match port {
            None => Err(format!(
                "{text:?} is no address; expected \"host:port\" with a port up to 65535, \
                 \"tls:host:port\" or \"unix:/path\""
            )),
            Some(_) if is_tls => Ok(Self::Tls(address.into())),
            Some(_) => Ok(Self::Tcp(address.into())),
        }
    }
}

/// Whether this is a host name, an IPv4 address, or an IPv6 address in brackets; whether it
/// resolves shows when it is bound.
fn is_host(text: &str) -> bool {
    match text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => {
            let in_names = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            !text.is_empty() && text.bytes().all(in_names)
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Tls(address) => write!(f, "tls:{address}"),
            Self::Unix(socket) => write!(f, "unix:{socket}"),
        }
    }
}

/// Peers whose headers about the client's address (X-Forwarded-For and the like) are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

impl TrustedProxies {
    /// Whether a peer with this address is trusted.
    #[must_use]
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    /// Whether every peer is trusted, at least of one version of IP.
    #[must_use]
    pub(crate) fn trusts_everyone(&self) -> bool {
        self.networks
            .iter()
            .any(|network| network.prefix_len() == 0)
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Whether peers on unix sockets are trusted.
    #[must_use]
    pub(crate) fn trusts_unix(&self) -> bool {
        self.unix
    }

    /// The entries as they are written; an address is a network of itself.
    #[must_use]
    pub(crate) fn entries(&self) -> Vec<String> {
        let networks = self.networks.iter().map(ToString::to_string);
        networks
            .chain(self.unix.then(|| "unix".to_string()))
            .collect()
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut proxies = Self::default();
        let mut faults = Vec::new();
        for entry in text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            if entry == "unix" {
                proxies.unix = true;
            } else if let Ok(address) = entry.parse::<IpAddr>() {
                proxies.networks.push(address.to_canonical().into());
            } else if let Ok(network) = entry.parse::<IpNet>() {
                proxies.networks.push(network.trunc());
            } else {
                faults.push(format!(
                    "{entry:?} is neither an address nor a network; expected for example \
                     \"10.0.0.7\", \"10.0.0.0/8\" or \"unix\""
                ));
            }
        }
        if faults.is_empty() {
            Ok(proxies)
        } else {
            Err(faults.join("; "))
        }
    }
}

/// When the disk is asked to hold what was written to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before it is acknowledged.
    Always,
    /// Once in so long a time, where anything was written.
    Every(Duration),
    /// When the system sees fit, and at the end.
    Never,
}

/// What happens when publications overflow a client's outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowPolicy {
    /// The client is closed with 3008.
    Disconnect,
    /// The oldest publications are dropped.
    DropOldest,
    /// Of every channel only the newest publication is kept.
    Latest,
}

/// Which of the publications that wait in a channel's window leave with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// All of them.
    #[default]
    All,
    /// The newest of all.
    Newest,
    /// Of each value of this tag the newest, and all that have no such tag.
    NewestBy(String),
}

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people, values behind the message.
    Text,
    /// A JSON object each.
    Json,
}

/// A text that no debug form shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret with this text.
    #[must_use]
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_string())
    }

    /// The text itself.
    #[must_use]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// How a token of a login at /admin begins, so that it is told from keys, here and where leaked
/// secrets are looked for.
pub const ADMIN_TOKEN_PREFIX: &str = "fanfare_admin_";

/// What a raw endpoint does with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnMessage {
    /// It is ignored.
    Ignore,
    /// It is sent back as it came, text or binary.
    Echo,
    /// This text is sent back, with `{message}` filled in.
    Reply(String),
    /// It is sent to everyone in the client's channels, or on the path if it has none.
    Relay {
        /// Whether the sender gets its own message too.
        relay_self: bool,
    },
    /// It is sent to the backend (`hooks.message`), whose answer goes to the sender.
    Hook {
        /// What the sender sees when the backend does not answer.
        on_failure: HookFailureAction,
    },
}

/// What a client of a raw endpoint sees when the backend does not answer its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookFailureAction {
    /// Its connection is closed with 1011.
    Close,
    /// It gets this text, and its session goes on.
    Reply(String),
}
