//! What administrators ask the server: slices of a search, one session, and the node's numbers each
//! second. Nothing here waits, and each turn looks at a bounded number of sessions.

use actix::{ActorFutureExt, AsyncContext, Context, Handler, MessageResult, WrapFuture};

use super::{
    FindSession, Server,
    search::{ScanSessions, SessionSlice},
    stats::STATS_CHANNEL,
};
use crate::{
    broker::PublishRequest,
    publication::{Payload, Target},
    registry::ChannelName,
    unix_time::unix_now_ms,
};

impl Server {
    /// Tells the node's numbers, if anyone listens.
    pub(super) fn run_stats(&mut self, ctx: &mut Context<Self>) {
        let Some(meter) = &mut self.stats else { return };
        if std::mem::replace(&mut meter.is_publishing, true) {
            return;
        }
        let channel: ChannelName = STATS_CHANNEL.into();
        let asking = self.broker.has_subscribers(&Target::Channel(channel));
        ctx.spawn(asking.into_actor(self).map(|heard, server, ctx| {
            server.publish_stats(heard.unwrap_or(false), ctx);
        }));
    }

    fn publish_stats(&mut self, heard: bool, ctx: &mut Context<Self>) {
        let sessions = self.sessions().len() as u64;
        let Some(meter) = &mut self.stats else { return };
        let (now, time_ms) = (std::time::Instant::now(), unix_now_ms());
        let Some(text) = meter.tick(now, time_ms, sessions, heard) else {
            meter.is_publishing = false;
            return;
        };
        let target = Target::Channel(STATS_CHANNEL.into());
        let request = PublishRequest::new(target, Payload::Text(text.into()));
        let publishing = self.broker.publish(request).into_actor(self);
        ctx.spawn(publishing.map(|_, server, _| {
            // What could not be told is told again by nobody: the next one is newer.
            if let Some(meter) = &mut server.stats {
                meter.is_publishing = false;
            }
        }));
    }
}

impl Handler<ScanSessions> for Server {
    type Result = MessageResult<ScanSessions>;

    fn handle(&mut self, scan: ScanSessions, _: &mut Self::Context) -> Self::Result {
        let slice: SessionSlice = self.sessions().slice(&scan);
        MessageResult(slice)
    }
}

impl Handler<FindSession> for Server {
    type Result = MessageResult<FindSession>;

    fn handle(&mut self, FindSession(id): FindSession, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.sessions().find(id))
    }
}
