//! The clock of the interval pushes: each tick asks whether anyone would hear it, publishes, and sets the next. A tick
//! whose predecessor is not through is left out.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use tokio::time::Instant;

use crate::{
    broker::{BrokerError, PublishRequest, PublishResult},
    publication::Payload,
    server::Server,
};

impl Server {
    pub(in crate::server) fn schedule_push(&mut self, index: usize, ctx: &mut Context<Self>) {
        let push = &self.pushes[index];
        let delay = push
            .at(push.tick + 1)
            .saturating_duration_since(Instant::now());
        ctx.run_later(delay, move |server, ctx| {
            server.run_push(index, ctx);
            server.schedule_push(index, ctx);
        });
    }

    fn run_push(&mut self, index: usize, ctx: &mut Context<Self>) {
        let push = &mut self.pushes[index];
        push.catch_up(Instant::now());
        if std::mem::replace(&mut push.is_running, true) {
            // A broker that takes longer than the interval is not asked twice at a time.
            push.skipped += 1;
            return;
        }
        let asking = self.broker.has_subscribers(&push.request.target);
        ctx.spawn(asking.into_actor(self).map(move |has, server, ctx| {
            // Without an answer it is published, which says what is the matter.
            let publishing = server.push_request(index, has.unwrap_or(true));
            let Some(request) = publishing else {
                server.pushes[index].is_running = false;
                return;
            };
            let publishing = server.broker.publish(request).into_actor(server);
            ctx.spawn(publishing.map(move |result, server, _| {
                server.push_published(index, result);
            }));
        }));
    }

    /// What a tick publishes; absent: nothing, which is counted.
    fn push_request(&mut self, index: usize, has_subscribers: bool) -> Option<PublishRequest> {
        let sessions = self.directory.len() as u64;
        let push = &mut self.pushes[index];
        if !has_subscribers {
            push.skipped += 1;
            return None;
        }
        let text = push.text(sessions, self.data_bytes_max)?;
        if push.settings.only_changed && push.last.as_ref() == Some(&text) {
            push.skipped += 1;
            return None;
        }
        let payload = Payload::Text(text.as_str().into());
        push.seq += 1;
        push.last = push.settings.only_changed.then_some(text);
        Some(PublishRequest {
            payload,
            ..push.request.clone()
        })
    }

    fn push_published(&mut self, index: usize, result: Result<PublishResult, BrokerError>) {
        let push = &mut self.pushes[index];
        push.is_running = false;
        if let Err(refused) = result {
            // Not counted as a run, and not taken for the last text: the next tick says it again.
            push.refused += 1;
            push.seq -= 1;
            push.last = None;
            log::warn!(
                "push to {} left out: {refused}",
                push.settings.channel.as_deref().unwrap_or("every session")
            );
        }
    }
}
