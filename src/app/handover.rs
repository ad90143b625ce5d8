//! The hand-over as the old process sees it: one at a time, from SIGUSR2 until the new process
//! serves or this one goes on. Run by the loop of [`App::run`](super::App::run), which serves
//! meanwhile.

use std::{future::Future, pin::Pin, sync::Arc};

use super::{
    control,
    successor::{HandoverError, Launch, Successor},
};
use crate::{
    metrics::HandoverOutcome,
    node::{Node, phase::Phase},
    supervisor,
    transport::accept::Accepting,
};

type Attempt<'a> = Pin<Box<dyn Future<Output = Result<Successor, HandoverError>> + 'a>>;

/// The hand-over of this process, while it goes on.
pub(super) struct Handover<'a> {
    node: &'a Arc<Node>,
    accepting: &'a Accepting,
    launch: &'a Launch,
    attempt: Option<Attempt<'a>>,
    /// It was asked for before this process had taken over itself.
    is_put_off: bool,
}

impl<'a> Handover<'a> {
    /// None goes on yet.
    pub(super) fn new(node: &'a Arc<Node>, accepting: &'a Accepting, launch: &'a Launch) -> Self {
        Self {
            node,
            accepting,
            launch,
            attempt: None,
            is_put_off: false,
        }
    }

    /// Starts the new process, unless one is being started.
    pub(super) fn begin(&mut self) {
        if self.attempt.is_some() {
            self.node.metrics.handover(HandoverOutcome::Ignored);
            log::warn!("SIGUSR2 is ignored: a new process is being started already");
            return;
        }
        if self.node.phase() < Phase::Running {
            self.is_put_off = true;
            log::info!("SIGUSR2 counts once the state of the process before is read");
            return;
        }
        supervisor::reloading();
        let limit = self.node.settings.drain.handover_timeout;
        let start = self.launch.start(self.accepting.sockets(), limit);
        self.attempt = Some(Box::pin(start));
    }

    /// This process has taken over: one that was put off begins.
    pub(super) fn catch_up(&mut self) {
        if std::mem::take(&mut self.is_put_off) {
            self.begin();
        }
    }

    /// Waits until the new process is ready or cannot be; for ever while there is none.
    pub(super) async fn next(&mut self) -> Result<Successor, HandoverError> {
        let Some(attempt) = &mut self.attempt else {
            return std::future::pending().await;
        };
        let result = attempt.await;
        self.attempt = None;
        result
    }

    /// Lets the new process accept, or says why this one goes on; whether the new one serves.
    pub(super) async fn finish(&self, ready: Result<Successor, HandoverError>) -> bool {
        let gone = match ready {
            Ok(successor) => {
                // Before it speaks for itself, which a supervisor would not take from it.
                supervisor::handed_over(successor.id());
                successor.go().await
            }
            Err(error) => Err(error),
        };
        match gone {
            Ok((process, channel)) => {
                control::receive(self.node, channel);
                self.node.metrics.handover(HandoverOutcome::Done);
                log::info!("process {process} has taken over");
                true
            }
            Err(error) => {
                supervisor::handed_over(std::process::id());
                self.node.metrics.handover(match error {
                    HandoverError::Timeout(_) => HandoverOutcome::Timeout,
                    _ => HandoverOutcome::Failed,
                });
                log::error!("the new process does not take over, so this one goes on: {error}");
                false
            }
        }
    }

    /// Ends a new process that is not ready yet, since this one ends.
    pub(super) fn stop(&mut self) {
        if self.attempt.take().is_some() {
            self.node.metrics.handover(HandoverOutcome::Stopped);
            log::warn!("the new process is ended: this one was told to stop");
        }
    }
}
