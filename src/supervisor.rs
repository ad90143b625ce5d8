//! What the supervisor is told (systemd's `sd_notify`): messages to the socket that `NOTIFY_SOCKET`
//! names. Without one nothing is sent; what cannot be sent is a line in the log and no more.

use sd_notify::NotifyState;

/// This process listens.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// This process drains and ends, and the service with it.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The service takes something up anew; [`ready`] or [`handed_over`] says that it has.
pub(crate) fn reloading() {
    // Since version 253 systemd wants the time with it, by its own clock.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => log::warn!("the supervisor is not told of a reload: {error}"),
    }
}

/// Another process is the service from now on, and listens.
pub(crate) fn handed_over(process: u32) {
    tell(&[NotifyState::MainPid(process), NotifyState::Ready]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!("the supervisor (NOTIFY_SOCKET) cannot be told: {error}");
    }
}
