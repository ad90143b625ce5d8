//! The process that takes over on SIGUSR2: the binary, started anew with the listening sockets.
//!
//! It gets them by systemd's protocol, and a stream socket to this process as its standard input,
//! over which both speak in lines: the new one says `READY` once it has everything but has accepted
//! nothing, or `FAILED` and why; this one answers `GO`, and only then does the new one accept. Then
//! it forwards [`control`](super::control) commands, as long as this one has sessions. One that
//! does not come that far in `drain.handover_timeout`, or that nobody waits for any more, is
//! killed, and has lost nobody.

use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use command_fds::{CommandFdExt as _, FdMapping};
use humantime::format_duration;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    process::{Child, Command},
    time::timeout,
};

use super::predecessor::{FAILED, GO, HANDOVER, READY};
use crate::transport::{accept::HandedSocket, inherited::FIRST_DESCRIPTOR};

/// Bytes of what the new process says that are read.
const SAID_BYTES_MAX: u64 = 4096;
/// How long the exit status of a process that has gone silent is waited for.
const STATUS_GRACE: Duration = Duration::from_secs(1);

/// Why this process goes on.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandoverError {
    #[error("it cannot be started: {0}")]
    Start(#[from] io::Error),
    #[error("it says: {0}")]
    Failed(String),
    #[error("it ended ({0}) before it listened; what it wrote stands before this line")]
    Ended(String),
    #[error("it does not serve after {} (drain.handover_timeout)", format_duration(*.0))]
    Timeout(Duration),
    #[error(
        "this is process 1 of its container, which ends with it; start another container and stop \
         this one"
    )]
    Container,
}

/// How this process was started, as it was then: its file may be another one since.
pub(super) struct Launch {
    program: io::Result<PathBuf>,
    name: Option<OsString>,
    arguments: Vec<OsString>,
}

impl Launch {
    /// Of this process; called at its start.
    pub(super) fn of_this_process() -> Self {
        let mut arguments = std::env::args_os();
        let name = arguments.next();
        Self {
            program: program(name.as_deref().map(Path::new)),
            name,
            arguments: arguments.collect(),
        }
    }

    fn command(&self, sockets: Vec<HandedSocket>, channel: StdUnixStream) -> io::Result<Command> {
        let own = sockets.iter().enumerate();
        let own = own.filter(|(_, socket)| socket.is_own);
        let own = own.map(|(index, _)| index.to_string());
        let own = own.collect::<Vec<_>>().join(",");
        let program = self.program.as_ref();
        let program = program.map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
        let mut command = Command::new(program);
        if let Some(name) = &self.name {
            command.arg0(name);
        }
        command
            .args(&self.arguments)
            .stdin(Stdio::from(OwnedFd::from(channel)))
            .env("LISTEN_FDS", sockets.len().to_string())
            // Only the new process knows its number, and without one listenfd takes it as meant.
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDNAMES")
            .env(HANDOVER, format!("{}:{own}", std::process::id()));
        let mappings = sockets.into_iter().zip(FIRST_DESCRIPTOR..);
        let mappings = mappings.map(|(socket, child_fd)| FdMapping {
            parent_fd: socket.descriptor,
            child_fd,
        });
        command
            .fd_mappings(mappings.collect())
            .map_err(io::Error::other)?;
        Ok(command)
    }

    /// Starts the new process and waits until it is ready to accept.
    pub(super) async fn start(
        &self,
        sockets: io::Result<Vec<HandedSocket>>,
        limit: Duration,
    ) -> Result<Successor, HandoverError> {
        if std::process::id() == 1 {
            return Err(HandoverError::Container);
        }
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let child = self.command(sockets?, theirs)?.spawn()?;
        let mut successor = Successor {
            process: NewProcess {
                child,
                serves: false,
            },
            channel: UnixStream::from_std(ours)?,
        };
        log::info!("process {} is started to take over", successor.id());
        let said = timeout(limit, successor.listen()).await;
        match said.map_err(|_| HandoverError::Timeout(limit))?? {
            line if line == READY => Ok(successor),
            line => match line.strip_prefix(FAILED) {
                Some(why) => Err(HandoverError::Failed(why.trim().to_string())),
                None => Err(HandoverError::Ended(successor.status().await)),
            },
        }
    }
}

/// The file of this process: as it was called, where that leads there, since a deployment may point
/// the link to another file meanwhile; else the file itself.
fn program(called: Option<&Path>) -> io::Result<PathBuf> {
    let file = std::env::current_exe()?;
    let called = called.filter(|path| path.components().count() > 1);
    let leads_there = |path: &&Path| path.canonicalize().is_ok_and(|path| path == file);
    match called.filter(leads_there) {
        Some(path) => std::path::absolute(path),
        None => Ok(file),
    }
}

/// The new process; killed when dropped before it was told to go.
pub(super) struct Successor {
    process: NewProcess,
    channel: UnixStream,
}

struct NewProcess {
    child: Child,
    serves: bool,
}

impl Successor {
    /// Its number; 0 once it has ended.
    pub(super) fn id(&self) -> u32 {
        self.process.child.id().unwrap_or_default()
    }

    /// Tells it to accept. From here on it stands for itself, and sends its commands over the
    /// channel that this answers beside its number.
    pub(super) async fn go(mut self) -> Result<(u32, UnixStream), HandoverError> {
        let process = self.id();
        if self.channel.write_all(GO.as_bytes()).await.is_err() || process == 0 {
            return Err(HandoverError::Ended(self.status().await));
        }
        self.process.serves = true;
        Ok((process, self.channel))
    }

    /// The first line that it says; empty if it ends before.
    async fn listen(&mut self) -> io::Result<String> {
        let mut line = String::new();
        let mut said = BufReader::new((&mut self.channel).take(SAID_BYTES_MAX));
        match said.read_line(&mut line).await {
            Ok(_) => Ok(line),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    /// How it ended.
    async fn status(&mut self) -> String {
        match timeout(STATUS_GRACE, self.process.child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it closed its channel".to_string(),
        }
    }
}

impl Drop for NewProcess {
    fn drop(&mut self) {
        if !self.serves {
            // It has ended by itself otherwise.
            let _ = self.child.start_kill();
        }
    }
}
