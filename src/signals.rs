//! The signals that a node listens to: SIGTERM and SIGINT stop it, SIGHUP makes it take up
//! certificates and what of the log is set, SIGUSR2 makes it start its successor. SIGUSR1 means
//! nothing yet, and is ignored instead of ending the process.
//!
//! They have a thread of their own, which waits for nothing else: the second SIGTERM or SIGINT
//! ends the process whatever the other threads are doing.

use std::{collections::VecDeque, io};

use tokio::sync::mpsc;

/// Signals that may wait for the node; who sends more of them means no more by it.
const WAITING_MAX: usize = 8;
/// Exit status after a second signal.
const ABORTED: i32 = 1;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Drain and end. Comes once: the second one ends the process by itself.
    Stop,
    /// Take up what can be taken up anew.
    Reload,
    /// Start the binary anew, and hand the listeners over to it.
    HandOver,
}

/// A stream of signals. Ends never; a process without unix signals only has Ctrl-C.
pub struct Signals {
    receiver: mpsc::Receiver<Signal>,
    /// Those that came before the node could take them up, at most [`WAITING_MAX`].
    held: VecDeque<Signal>,
}

impl Signals {
    /// Begins to listen; from now on the signals do not end the process by themselves.
    ///
    /// # Errors
    /// The system refuses the handlers or the thread.
    pub fn listen() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let handlers = {
            let _inside = runtime.enter();
            Handlers::listen()?
        };
        std::thread::Builder::new()
            .name("signals".to_string())
            .spawn(move || runtime.block_on(pass_on(handlers, sender)))?;
        Ok(Self {
            receiver,
            held: VecDeque::new(),
        })
    }

    /// Waits until the node has to stop; everything else is kept for [`Signals::next`].
    pub(crate) async fn stop(&mut self) {
        loop {
            match self.receive().await {
                Signal::Stop => return,
                signal if self.held.len() < WAITING_MAX => self.held.push_back(signal),
                _ => {}
            }
        }
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> Signal {
        match self.held.pop_front() {
            Some(signal) => signal,
            None => self.receive().await,
        }
    }

    async fn receive(&mut self) -> Signal {
        match self.receiver.recv().await {
            Some(signal) => signal,
            // The thread panicked, so there are none any more.
            None => std::future::pending().await,
        }
    }
}

/// Hands signals to the node until a second one stops the process.
async fn pass_on(mut handlers: Handlers, sender: mpsc::Sender<Signal>) {
    let mut stops = false;
    loop {
        let signal = handlers.next().await;
        if signal == Signal::Stop && std::mem::replace(&mut stops, true) {
            log::warn!("second signal: ending at once");
            log::logger().flush();
            std::process::exit(ABORTED);
        }
        // A node that does not take them is told no more than it is told already.
        let _ = sender.try_send(signal);
    }
}

#[cfg(unix)]
struct Handlers {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    user1: tokio::signal::unix::Signal,
    user2: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Handlers {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> Signal {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Signal::Stop,
                _ = self.interrupt.recv() => return Signal::Stop,
                _ = self.hangup.recv() => return Signal::Reload,
                _ = self.user2.recv() => return Signal::HandOver,
                _ = self.user1.recv() => log::debug!("SIGUSR1 is ignored"),
            }
        }
    }
}

#[cfg(not(unix))]
struct Handlers;

#[cfg(not(unix))]
impl Handlers {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        let _ = tokio::signal::ctrl_c().await;
        Signal::Stop
    }
}
