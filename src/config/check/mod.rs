//! What must hold for settings beyond the type of each, and between them; makes [`Settings`] of
//! [`RawSettings`]. A value that could not be read is among the errors already and draws no others.

mod access;
mod channels;
mod danmaku;
mod element;
mod exposure;
mod hooks;
mod ineffective;
mod listen;
mod look_alikes;
mod numbers;
mod polls;
mod pushes;
mod raw_endpoints;
mod routes;
mod rules;

use std::{path::PathBuf, sync::Arc};

use super::{
    errors::{Errors, Warning},
    raw_settings::RawSettings,
    settings::{Settings, WrittenSettings},
};

/// Checks the raw settings. What is returned counts only if there are no errors.
pub(super) fn check(
    raw: RawSettings,
    file: Option<PathBuf>,
    errors: &mut Errors,
    warnings: &mut Vec<Warning>,
) -> Settings {
    numbers::check_numbers(&raw, errors, warnings);
    let tls = listen::check_tls(&raw, errors);
    let address_header = listen::check_address_header(&raw, errors);
    listen::check_listen(&raw, errors);
    let channels = channels::check_channels(&raw, errors);
    let client = access::check_access(&raw, &channels, errors);
    let hooks = hooks::check_hooks(&raw, errors);
    let poll = polls::check_polls(&raw, &channels, errors);
    let endpoints = raw_endpoints::check_raw_endpoints(&raw, &channels, errors);
    let push = pushes::check_pushes(&raw, &channels, errors, warnings);
    let page = danmaku::check_page(&raw, &channels, &client, errors);
    let demonstration = file.is_none();
    listen::warn_of_files(&raw, errors, warnings);
    if !demonstration {
        ineffective::warn_of_ineffective(&raw, &channels, &endpoints, warnings);
    }
    let settings = Settings {
        written: WrittenSettings(Arc::new(raw.clone())),
        listen: raw.root.listen,
        workers: raw.root.workers,
        node: raw.root.node,
        trusted_proxies: raw.root.trusted_proxies,
        address_header,
        limits: raw.limits,
        heartbeat: raw.heartbeat,
        slow: raw.slow,
        close: raw.close,
        deflate: raw.deflate,
        tcp: raw.tcp,
        http: raw.http,
        drain: raw.drain,
        state: raw.state,
        tls,
        admin: raw.admin,
        log: raw.log,
        page,
        status: raw.status,
        health: raw.health,
        ready: raw.ready,
        metrics: raw.metrics,
        diag: raw.diag,
        connection: raw.connection,
        sse: raw.sse,
        longpoll: raw.longpoll,
        send: raw.send,
        channels,
        token: raw.token,
        client,
        api: raw.api,
        hooks,
        poll,
        raw: endpoints,
        push,
        demonstration,
        file,
    };
    exposure::warn_of_exposure(&settings, warnings);
    look_alikes::warn_of_look_alikes(&settings, warnings);
    settings
}
