//! What must hold for `listen`, `[tls]` and `address_header`. Opens no address, and of the files
//! of TLS only looks whether they can be read.

use std::{collections::HashSet, fs::File};

use crate::config::{
    errors::{Errors, Warning},
    raw_settings::RawSettings,
    setting_type::check_header_name,
    settings::Tls,
    values::Listen,
};

/// Certificate and key belong together, and a `tls:` listener needs both.
pub(super) fn check_tls(raw: &RawSettings, errors: &mut Errors) -> Option<Tls> {
    let with_tls = |listen: &Listen| matches!(listen, Listen::Tls(_));
    let wants = entries(raw).find(|(_, listen)| with_tls(listen));
    match (&raw.tls.cert, &raw.tls.key) {
        (Some(cert), Some(key)) => {
            return Some(Tls {
                cert: cert.clone(),
                key: key.clone(),
                handshake_timeout: raw.tls.handshake_timeout,
            });
        }
        // Given, and an error already, since it could not be read.
        _ if raw.is_unreadable("tls.cert") || raw.is_unreadable("tls.key") => {}
        (Some(_), None) => errors.add(
            &raw.origin("tls.cert"),
            "tls.cert",
            "needs tls.key beside it",
        ),
        (None, Some(_)) => errors.add(
            &raw.origin("tls.key"),
            "tls.key",
            "needs tls.cert beside it",
        ),
        (None, None) => {
            if let Some((path, _)) = wants {
                errors.add(
                    &raw.origin(path),
                    path,
                    "a tls: listener needs tls.cert and tls.key (PEM files)",
                );
            }
        }
    }
    None
}

/// Files of TLS that cannot be read, to be told beside what else is wrong; where nothing is,
/// reading them is an error of its own.
pub(super) fn warn_of_files(raw: &RawSettings, errors: &Errors, warnings: &mut Vec<Warning>) {
    if errors.0.is_empty() {
        return;
    }
    for (path, file) in [("tls.cert", &raw.tls.cert), ("tls.key", &raw.tls.key)] {
        let Some(file) = file else { continue };
        if let Err(error) = File::open(file) {
            let file = file.display();
            warnings.push(Warning::of(format!(
                "{path}: {file} cannot be read: {error}"
            )));
        }
    }
}

/// The addresses to listen at, those of `/admin` behind the others, each with its setting.
pub(super) fn entries(raw: &RawSettings) -> impl Iterator<Item = (&'static str, &Listen)> {
    let listen = raw.root.listen.iter().map(|entry| ("listen", entry));
    let admin = raw.admin.listen.iter().flatten();
    listen.chain(admin.map(|entry| ("admin.listen", entry)))
}

/// No address may be there twice, but for port 0, which is another each time.
pub(super) fn check_listen(raw: &RawSettings, errors: &mut Errors) {
    let mut known = HashSet::new();
    for (path, entry) in entries(raw) {
        let address = match entry {
            Listen::Tcp(address) | Listen::Tls(address) if !address.ends_with(":0") => {
                address.clone()
            }
            Listen::Unix(socket) => socket.path.display().to_string(),
            _ => continue,
        };
        if !known.insert(address) {
            let what = match path {
                "listen" => format!("{entry} stands there twice"),
                _ => format!("{entry} stands there twice, or in listen too"),
            };
            errors.add(&raw.origin(path), path, what);
        }
    }
}

/// The header of the client's address, in lower case.
pub(super) fn check_address_header(raw: &RawSettings, errors: &mut Errors) -> Option<String> {
    let name = raw.root.address_header.as_deref()?.trim();
    if let Err(what) = check_header_name(name) {
        raw.refuse(errors, "address_header", what);
    }
    Some(name.to_ascii_lowercase())
}
