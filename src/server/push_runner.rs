//! The interval pushes as the `Server` actor runs them: when each comes, whether anyone would hear
//! it, and what is noted of it before and after it is published.
//!
//! One timer a push, and one publication of it on its way: a tick that comes meanwhile is skipped.

use actix::{ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use super::{RunPushes, Server, entries::is_kept};
use crate::{
    broker::{BrokerError, PublishRequest},
    publication::Target,
};

impl Server {
    fn schedule_push(&mut self, index: usize, ctx: &mut Context<Self>) {
        let delay = self.pushes[index].until_next(tokio::time::Instant::now());
        ctx.run_later(delay, move |server, ctx| {
            server.run_push(index, ctx);
            server.schedule_push(index, ctx);
        });
    }

    fn run_push(&mut self, index: usize, ctx: &mut Context<Self>) {
        if self.entries.is_stopped() {
            return;
        }
        let push = &mut self.pushes[index];
        if !push.begin(tokio::time::Instant::now()) {
            return;
        }
        let asking = self.broker.has_subscribers(push.target());
        ctx.spawn(asking.into_actor(self).map(move |has, server, ctx| {
            let (sessions, bytes_max) = (server.reports.counts().now, server.data_bytes_max);
            // Without an answer it is published, which says what is the matter.
            let has = has.unwrap_or(true);
            let push = &mut server.pushes[index];
            let Some(request) = push.publish_request(sessions, bytes_max, has) else {
                return;
            };
            // Written first, so that no restart gives its `{seq}` to another.
            match server.entries.note_push(push.record(None)) {
                None => server.publish(index, request, ctx),
                Some(noting) => {
                    ctx.spawn(noting.into_actor(server).map(move |written, server, ctx| {
                        let push = &mut server.pushes[index];
                        if written.unwrap_or(false) || !push.names_seq() {
                            server.publish(index, request, ctx);
                        } else {
                            push.published(Err(BrokerError::NotKept));
                        }
                    }));
                }
            }
        }));
    }

    fn publish(&mut self, index: usize, request: PublishRequest, ctx: &mut Context<Self>) {
        let publishing = self.broker.publish(request).into_actor(self);
        ctx.spawn(publishing.map(move |result, server, _| {
            let place = result.as_ref().ok().and_then(|result| result.position);
            let push = &mut server.pushes[index];
            push.published(result);
            if place.is_some() {
                // Nobody waits: without it the next text publishes.
                let _ = server.entries.note_push(push.record(place));
            }
        }));
    }

    /// Whether what a push published before the start still counts, its channel says.
    fn restore_last(&mut self, index: usize, ctx: &mut Context<Self>) {
        let push = &self.pushes[index];
        let Some((hash, place)) = push.last_before(&self.entries) else {
            return;
        };
        if let Target::Channel(channel) = push.target() {
            let asking = is_kept(self.broker.clone(), channel.clone(), place);
            ctx.spawn(asking.into_actor(self).map(move |is_kept, server, _| {
                if is_kept {
                    server.pushes[index].restore_last(hash);
                }
            }));
        }
    }
}

impl Handler<RunPushes> for Server {
    type Result = ();

    fn handle(&mut self, RunPushes: RunPushes, ctx: &mut Self::Context) {
        for index in 0..self.pushes.len() {
            self.pushes[index].begin_at(tokio::time::Instant::now(), &self.entries);
            self.restore_last(index, ctx);
            self.schedule_push(index, ctx);
        }
    }
}
