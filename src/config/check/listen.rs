//! What must hold for `listen`, `[tls]` and `address_header`. Opens no address, and of the files
//! of TLS only looks whether they can be read.

use std::fs::File;

use crate::config::{
    errors::{Errors, Warning},
    raw_settings::RawSettings,
    setting_type::check_header_name,
    settings::Tls,
    values::Listen,
};

/// Certificate and key belong together, and a `tls:` listener needs both.
pub(super) fn check_tls(raw: &RawSettings, errors: &mut Errors) -> Option<Tls> {
    let wants = raw
        .root
        .listen
        .iter()
        .any(|listen| matches!(listen, Listen::Tls(_)));
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
        (None, None) if wants => errors.add(
            &raw.origin("listen"),
            "listen",
            "a tls: listener needs tls.cert and tls.key (PEM files)",
        ),
        (None, None) => {}
    }
    None
}

/// Files of TLS that cannot be read, to be told beside what else is wrong; where nothing is, reading
/// them is an error of its own.
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

/// No address may be there twice, but for port 0, which is another each time.
pub(super) fn check_listen(raw: &RawSettings, errors: &mut Errors) {
    let listen = &raw.root.listen;
    for (index, entry) in listen.iter().enumerate() {
        let address = |listen: &Listen| match listen {
            Listen::Tcp(address) | Listen::Tls(address) if !address.ends_with(":0") => {
                Some(address.clone())
            }
            Listen::Unix(socket) => Some(socket.path.display().to_string()),
            _ => None,
        };
        let this = address(entry);
        if this.is_some() && listen[..index].iter().any(|other| address(other) == this) {
            errors.add(
                &raw.origin("listen"),
                "listen",
                format!("{entry} stands there twice"),
            );
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
