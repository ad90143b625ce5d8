//! What a process was started with: listening sockets, and the process that it takes over from.
//!
//! That one is told over a stream socket, which is this process's standard input, when all is there
//! that is needed to serve; nothing is accepted until it says so. See
//! [`successor`](super::successor) for its side.

use std::{
    io::{self, Write as _},
    os::{fd::AsFd as _, unix::net::UnixStream as StdUnixStream},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
};

use crate::transport::inherited::InheritedSockets;

/// The variable that a process is started with to take over: the number of the process that starts
/// it, and which of the sockets are only held by processes of ours: `1234:0,2`.
pub(super) const HANDOVER: &str = "FANFARE_HANDOVER";
/// The new process has everything and waits for [`GO`].
pub(super) const READY: &str = "READY\n";
/// The new process does not serve; the reason follows.
pub(super) const FAILED: &str = "FAILED ";
/// The old process lets the new one accept.
pub(super) const GO: &str = "GO\n";

/// What this process was started with.
#[derive(Debug, Default)]
pub struct Inheritance {
    /// The listening sockets.
    pub(super) sockets: InheritedSockets,
    /// There were some.
    has_sockets: bool,
    /// The process that it takes over from.
    predecessor: Option<StdUnixStream>,
}

impl Inheritance {
    /// Of this process; called once, before any thread is started.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = std::env::var(HANDOVER).unwrap_or_default();
        let (process, own) = variable.split_once(':').unwrap_or_default();
        // In the environment of a process that was started by another one it means nothing.
        let is_meant = process.parse() == Ok(std::os::unix::process::parent_id());
        let own: Vec<usize> = own.split(',').filter_map(|n| n.parse().ok()).collect();
        let sockets = InheritedSockets::from_environment(if is_meant { &own } else { &[] });
        Self {
            has_sockets: !sockets.is_empty(),
            sockets,
            predecessor: is_meant.then(channel).and_then(Result::ok),
        }
    }

    /// Whether a variable of the environment is one of these, and so no setting.
    #[must_use]
    pub fn is_variable(name: &str) -> bool {
        name == HANDOVER
    }

    /// Tells the process that this one was to take over from why it does not.
    pub fn fail(&self, why: &dyn std::fmt::Display) {
        if let Some(mut predecessor) = self.predecessor.as_ref() {
            let why = why.to_string().replace('\n', "; ");
            // One that has gone needs no words.
            let _ = predecessor.write_all(format!("{FAILED}{why}\n").as_bytes());
        }
    }

    /// Whether clients may wait on a socket of this process's already: it was started with some.
    pub(super) fn has_sockets(&self) -> bool {
        self.has_sockets
    }

    /// Whether a process before this one serves until this one does, and drains then.
    pub(super) fn takes_over(&self) -> bool {
        self.predecessor.is_some()
    }

    /// Says that everything is there, and waits until this process may accept. A process that has
    /// gone without a word leaves the service to this one. Answers the way to one that has not, and
    /// is sent [`control`](super::control) commands from here on.
    pub(super) async fn take_over(&self) -> Option<StdUnixStream> {
        let predecessor = self.predecessor.as_ref()?;
        match ask(predecessor).await {
            Ok(said) if said == GO => {
                log::info!("this process takes over");
                let channel = predecessor.try_clone();
                channel
                    .inspect_err(|error| {
                        log::error!("commands of the API will not hold in the process before this one: {error}");
                    })
                    .ok()
            }
            Ok(_) | Err(_) => {
                log::warn!("the process before this one has gone; taking over");
                None
            }
        }
    }
}

async fn ask(predecessor: &StdUnixStream) -> io::Result<String> {
    let channel = predecessor.try_clone()?;
    channel.set_nonblocking(true)?;
    let mut channel = UnixStream::from_std(channel)?;
    channel.write_all(READY.as_bytes()).await?;
    let mut said = String::new();
    BufReader::new(channel).read_line(&mut said).await?;
    Ok(said)
}

/// Standard input, as the stream socket that the process before this one made it.
fn channel() -> io::Result<StdUnixStream> {
    let channel = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    channel.peer_addr()?;
    Ok(channel)
}
