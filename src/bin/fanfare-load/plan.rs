//! What all clients of a run have in common: where they go, what they ask for, how they speak.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use crate::{
    clock::Clock,
    endpoint::Endpoint,
    error::LoadError,
    handshake,
    options::{Options, Work},
    protocol::{Session, Terms},
};

/// What stands unescaped in an address.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':');

/// The plan of a run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub clock: Clock,
    pub terms: Terms,
    /// Of each `--url`.
    pub endpoints: Vec<Endpoint>,
    pub options: Options,
    headers: String,
}

impl Plan {
    pub(crate) fn new(options: Options) -> Result<Self, LoadError> {
        let mut terms = terms(&options);
        let channel = terms.channel_name(0);
        let urls = options
            .url
            .iter()
            .map(|url| parse_url("--url", url, &channel))
            .collect::<Result<Vec<_>, _>>()?;
        let is_web_socket = |url: &Url| matches!(url.scheme(), "ws" | "wss");
        terms.is_web_socket = urls.iter().all(is_web_socket);
        if !terms.is_web_socket && urls.iter().any(is_web_socket) {
            let why = "several --url are all ws or all http";
            return Err(LoadError::Usage(why.to_owned()));
        }
        let endpoint = |url| endpoint(url, &options);
        Ok(Self {
            clock: Clock::start(),
            endpoints: urls.iter().map(endpoint).collect::<Result<_, _>>()?,
            headers: header_lines("--header", &options.header)?,
            terms,
            options,
        })
    }

    /// Which of the servers a client connects to: those of one channel to each in turn.
    fn server_of(&self, client: usize) -> usize {
        client / self.terms.channels % self.endpoints.len()
    }

    pub(crate) fn endpoint_of(&self, client: usize) -> &Endpoint {
        &self.endpoints[self.server_of(client)]
    }

    /// The clients that publish into a channel: the first one at each server.
    pub(crate) fn publishing_clients(&self, channel: usize) -> impl Iterator<Item = usize> + use<> {
        let channels = self.terms.channels;
        (0..self.endpoints.len()).map(move |server| channel + server * channels)
    }

    /// How many publish into each channel: by HTTP each connection is one, in an order of its own.
    pub(crate) fn publishers(&self) -> usize {
        // The command line bounds both.
        if !self.options.publishes_by_http() {
            1
        } else if self.options.rate.is_some() {
            self.options.publish_conns as usize
        } else {
            self.options.in_flight.unwrap_or(1) as usize
        }
    }

    /// The request with which a client begins.
    pub(crate) fn request(&self, session: &Session) -> Result<Vec<u8>, LoadError> {
        let name = self.terms.channel_name_of(session.number);
        let url = &self.options.url[self.server_of(session.number)];
        let url = parse_url("--url", url, &name)?;
        let mut target = self.terms.protocol.target(&url);
        let host = &self.endpoint_of(session.number).host;
        let mut headers = Cow::Borrowed(self.headers.as_str());
        if let Some(position) = &session.position {
            self.terms
                .protocol
                .resume(position, &mut target, headers.to_mut());
        }
        Ok(if self.terms.is_web_socket {
            let subprotocol = self.terms.protocol.subprotocol(self.terms.keeps_positions);
            handshake::upgrade(host, &target, &headers, subprotocol, self.options.deflate)
        } else {
            handshake::events(host, &target, &headers)
        })
    }
}

/// A server, with as many source addresses as are asked for or needed.
fn endpoint(url: &Url, options: &Options) -> Result<Endpoint, LoadError> {
    let sources = options.sources.unwrap_or(0).max(1);
    let endpoint = Endpoint::new(url, options.insecure, sources)?;
    if options.sources.is_some() || !endpoint.is_local() {
        return Ok(endpoint);
    }
    let sources = options.conns.div_ceil(crate::endpoint::PER_SOURCE);
    Endpoint::new(url, options.insecure, sources.max(1))
}

/// What clients ask for; by which way, only their address says.
fn terms(options: &Options) -> Terms {
    Terms {
        protocol: options.protocol,
        is_web_socket: false,
        keeps_positions: options.work == Work::Storm,
        token: options.token.clone(),
        subscribes: options.channels > 0,
        channel: options.channel.clone(),
        // One a client: the sources of its messages are told apart by the client.
        channels: match options.work {
            Work::Echo => options.conns,
            _ => options.channels.max(1),
        },
    }
}

/// An address of the command line, for a channel.
pub(crate) fn parse_url(option: &str, text: &str, channel: &str) -> Result<Url, LoadError> {
    let channel = utf8_percent_encode(channel, ESCAPED).to_string();
    let url = Url::parse(&text.replace("{channel}", &channel))
        .map_err(|error| LoadError::Usage(format!("{option} {text}: {error}")))?;
    if matches!(url.scheme(), "ws" | "wss" | "http" | "https") {
        Ok(url)
    } else {
        let why = "an address begins with ws://, wss://, http:// or https://";
        Err(LoadError::Usage(format!("{option} {text}: {why}")))
    }
}

/// Header fields of the command line as they stand in a request.
pub(crate) fn header_lines(option: &str, headers: &[String]) -> Result<String, LoadError> {
    let mut lines = String::new();
    for header in headers {
        if !header.contains(':') || header.contains(['\r', '\n']) {
            let why = "a header is written Name: value";
            return Err(LoadError::Usage(format!("{option} {header:?}: {why}")));
        }
        lines.push_str(header);
        lines.push_str("\r\n");
    }
    Ok(lines)
}
