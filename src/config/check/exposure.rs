//! Warnings about settings that are valid but expose something: to everyone, or to whoever can read
//! the traffic. Made from the checked settings. The demonstration is open on purpose; the binary
//! warns when it can be reached from other machines.

use std::{net::IpAddr, sync::Arc};

use crate::config::{
    backend::public_url,
    channels::{Channels, Namespace},
    errors::Warning,
    settings::{RawEndpoint, Settings},
    values::OnMessage,
};

/// Shorter keys can be guessed by trying; 16 random letters are more than anyone can try.
const KEY_BYTES_MIN: usize = 16;

/// Shorter secrets can be guessed from one token (RFC 7518, section 3.2, asks for the length of the
/// hash).
const SECRET_BYTES_MIN: usize = 32;

/// Adds a warning for everything that is exposed.
pub(super) fn warn_of_exposure(settings: &Settings, warnings: &mut Vec<Warning>) {
    let mut texts = passed_cookies(settings);
    texts.extend(plain_http_urls(settings));
    if allow_any(settings.client.origins.as_deref()) {
        texts.push(
            "client.origins is [\"*\"]: every web page may connect as its visitors' browsers"
                .to_string(),
        );
    }
    if settings.trusted_proxies.trusts_everyone() {
        texts.push(
            "trusted_proxies has a network of all addresses: every client is believed whatever \
             address it says it has; name those of the proxies"
                .to_string(),
        );
    }
    if !settings.demonstration {
        texts.extend(open_to_anonymous(settings));
        texts.extend(serves_nobody(settings));
        texts.extend(mute_relays(settings));
        if settings.api.enabled && settings.api.key.is_empty() {
            texts.push(
                "api.key is not set: the API answers only on loopback, with a key made anew at \
                 each start; api.enabled = false leaves it out"
                    .to_string(),
            );
        }
    }
    texts.extend(short_keys(settings));
    for (index, secret) in settings.token.hmac_secret.iter().enumerate() {
        let length = secret.expose().len();
        if length < SECRET_BYTES_MIN {
            texts.push(format!(
                "token.hmac_secret: secret {} has {length} bytes; from fewer than \
                 {SECRET_BYTES_MIN} it can be guessed from a token",
                index + 1
            ));
        }
    }
    warnings.extend(texts.into_iter().map(Warning::of));
}

/// Keys that can be guessed. None is shown.
fn short_keys(settings: &Settings) -> Vec<String> {
    let api = settings.api.key.iter().map(|key| ("api.key", key));
    let admin = settings.admin.key.iter().map(|key| ("admin.key", key));
    let hooks = settings
        .hooks
        .secret
        .iter()
        .map(|key| ("hooks.secret", key));
    let keys = api.chain(admin).chain(hooks);
    let short = keys.filter(|(_, key)| key.expose().len() < KEY_BYTES_MIN);
    short
        .map(|(name, key)| {
            let length = key.expose().len();
            let bytes = if length == 1 { "byte" } else { "bytes" };
            format!(
                "{name} has {length} {bytes} and can be guessed; `openssl rand -hex 32` makes a \
                 good one"
            )
        })
        .collect()
}

/// Whether a list of origins lets every page in.
fn allow_any(origins: Option<&[String]>) -> bool {
    origins.is_some_and(|origins| origins.iter().any(|origin| origin == "*"))
}

/// What clients without a user may do, where there are such clients.
fn open_to_anonymous(settings: &Settings) -> Vec<String> {
    let mut texts = Vec::new();
    if !settings.channels.configured {
        if !settings.raw.is_empty() {
            texts.push(
                "neither [channels] nor a [[namespace]] is written: every plain client may join \
                 any channel with ?channel="
                    .to_string(),
            );
        }
        return texts;
    }
    if !settings.client.anonymous {
        return texts;
    }
    let what = [
        "subscribe there",
        "publish there",
        "read the history there",
        "see who is there",
    ];
    for (index, what) in what.iter().enumerate() {
        let name = settings.channels.default.allow_lists()[index].0;
        let open = namespaces_open_in(&settings.channels, index);
        if !open.is_empty() {
            texts.push(format!(
                "{name} names anonymous in {}, and client.anonymous is true: everyone may {what}",
                open.join(", ")
            ));
        }
    }
    texts
}

/// The namespaces in which anonymous clients may do what [`Namespace::allow_lists`] has at `index`,
/// left out those that keep nothing to read.
fn namespaces_open_in(channels: &Channels, index: usize) -> Vec<String> {
    let is_open = |rules: &&Arc<Namespace>| {
        let (name, allow) = rules.allow_lists()[index];
        let is_there = match name {
            "allow.history" => rules.history_size > 0,
            "allow.presence" => rules.presence,
            _ => true,
        };
        allow.anonymous && is_there
    };
    let name = |rules: &Arc<Namespace>| match rules.name.as_str() {
        "" => "[channels]".to_string(),
        name => format!("namespace {name}"),
    };
    channels.all().filter(is_open).map(name).collect()
}

/// Endpoints that relay into channels of their own in which no client may publish, so that whoever
/// sends something is closed. What the publish hook would allow does not count, since it is not
/// asked about relayed messages.
fn mute_relays(settings: &Settings) -> Vec<String> {
    let channels = &settings.channels;
    let relays = settings
        .raw
        .iter()
        .filter(|raw| channels.configured && matches!(raw.on_message, OnMessage::Relay { .. }));
    let speaks = |channel: &String| {
        channels.rules(channel).is_some_and(|rules| {
            let allow = rules.allow_publish;
            allow.client || allow.anonymous || allow.subscriber
        })
    };
    let mute = relays.filter(|raw| !raw.channels.is_empty() && !raw.channels.iter().any(speaks));
    mute.map(|raw| {
        format!(
            "raw endpoint {} relays, and allow.publish lets no client publish in {}: whoever sends \
             something is closed with 3507",
            raw.path,
            raw.channels.join(", ")
        )
    })
    .collect()
}

/// A node on which no client could do anything.
fn serves_nobody(settings: &Settings) -> Option<String> {
    let has_routes =
        settings.connection.enabled || settings.sse.enabled || settings.longpoll.enabled;
    let token = &settings.token;
    let is_granted = settings.channels.configured
        || settings.hooks.connect.is_some()
        || token.jwks_url.is_some()
        || !(token.hmac_secret.is_empty() && token.public_keys.is_empty());
    if !settings.raw.is_empty() || (has_routes && is_granted) {
        return None;
    }
    Some(
        "no [[raw]] endpoint is set, and clients of the protocol may do nothing without \
         [channels]; `fanfare config` shows an example"
            .to_string(),
    )
}

/// Cookies that are passed on to the backend though any web page can make a browser send them.
fn passed_cookies(settings: &Settings) -> Vec<String> {
    let hooks = &settings.hooks;
    let mut open = Vec::new();
    if !hooks.headers.iter().any(|name| name == "cookie") {
        return open;
    }
    let tail = "while hooks.headers passes Cookie on: other people's pages act as their visitors; \
                name the origins";
    if hooks.configured().next().is_some() && allow_any(settings.client.origins.as_deref()) {
        open.push(format!("client.origins is [\"*\"] {tail}"));
    }
    let asks =
        |raw: &&RawEndpoint| raw.connect_hook || matches!(raw.on_message, OnMessage::Hook { .. });
    for raw in settings.raw.iter().filter(asks) {
        if raw.origins.is_none() || allow_any(raw.origins.as_deref()) {
            open.push(format!("raw endpoint {} takes any origin {tail}", raw.path));
        }
    }
    open
}

/// URLs that are called unencrypted on another host, with something worth reading or changing.
fn plain_http_urls(settings: &Settings) -> Vec<String> {
    let hooks = settings
        .hooks
        .configured()
        .map(|(name, hook)| (format!("hooks.{name}.url"), &hook.url));
    let jwks = settings
        .token
        .jwks_url
        .iter()
        .map(|url| ("token.jwks_url".to_string(), url));
    let polls = settings.poll.iter().filter(|poll| !poll.headers.is_empty());
    let polls = polls.map(|poll| ("poll.url".to_string(), &poll.url));
    hooks
        .chain(jwks)
        .chain(polls)
        .filter(|(_, url)| is_plain_http(url))
        .map(|(name, url)| {
            format!(
                "{name}: {} goes over plain http to another host, where it can be read and changed \
                 on the way",
                public_url(url)
            )
        })
        .collect()
}

/// Whether a URL is http and of another host than this one.
fn is_plain_http(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host == "localhost"
        || host.ends_with(".localhost")
        || address
            .parse()
            .is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback());
    url.scheme() == "http" && !is_loopback
}
