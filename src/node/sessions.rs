//! What is asked of the sessions of this node and told to them: commands of the server's API, who
//! is connected, who is in a channel. Each call asks every shard or the `Server` actor, and holds
//! nothing; what a shard that ends does not answer counts as nothing.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use super::{
    Node,
    control::{ControlCommand, NamedSelector},
};
use crate::{
    admission::{LimitReached, Permit},
    close::{Close, Ending},
    connection::info::SessionInfo,
    id::SessionId,
    registry::ChannelName,
    server::{
        FindSession, GetOverview, ListSessions, Overview, SessionFilter, SessionPage,
        reports::{REPORT_DELAY, SessionCounts, TakeReports},
    },
    shard::{
        ChannelsOf, CountMembers, Disconnect, MembersOf, Selector, SendCommand, ServerCommand,
    },
};

/// How long the last ends of sessions are waited for.
const SETTLE_MAX: Duration = Duration::from_secs(1);

impl Node {
    /// Gives a command to sessions; answers how many there were.
    pub(crate) async fn send_command(&self, selector: Selector, command: ServerCommand) -> usize {
        let command = Arc::new(command);
        // All hear it before any answers: who comes back at once, on another shard, is not told
        // again.
        let shards = self.shards.all();
        let sent: Vec<_> = shards
            .iter()
            .map(|shard| {
                shard.addr().send(SendCommand {
                    selector: selector.clone(),
                    command: command.clone(),
                })
            })
            .collect();
        let mut notified = 0;
        for answer in sent {
            notified += answer.await.unwrap_or(0);
        }
        notified
    }

    /// Ends one session; whether it was there. Where it was not, the process before this one may
    /// have it.
    pub(crate) async fn disconnect(&self, session: SessionId, close: Close) -> bool {
        let mut found = false;
        for shard in self.shards.all() {
            let close = close.clone();
            let answer = shard.addr().send(Disconnect { session, close }).await;
            found |= answer.unwrap_or(false);
        }
        let command = ControlCommand::of(
            &NamedSelector::session(session),
            &ServerCommand::Disconnect(close),
        );
        if let Some(command) = command.filter(|_| !found) {
            self.forward(&command);
        }
        found
    }

    /// A place for a session from this address, or for a request that is answered like one.
    ///
    /// # Errors
    /// The limit that is reached; also that of all sessions, while the `Server` actor is far behind
    /// with those that came and went.
    pub(crate) fn admit(&self, address: Option<IpAddr>) -> Result<Permit, LimitReached> {
        if self.is_behind() {
            return Err(LimitReached::Full);
        }
        self.admission.admit(address)
    }

    /// Whether the next session would be refused, wherever it comes from.
    pub(crate) fn is_full(&self) -> bool {
        self.admission.is_full() || self.is_behind()
    }

    fn is_behind(&self) -> bool {
        self.reports.is_behind(self.settings.limits.sessions)
    }

    /// How many sessions there are.
    pub(crate) fn session_counts(&self) -> SessionCounts {
        self.reports.counts()
    }

    /// A session began.
    pub(crate) fn tell_opened(&self, info: Arc<SessionInfo>) {
        if self.reports.opened(info) {
            self.have_reports_taken();
        }
    }

    /// A session that has told its beginning ended, by this close. Once a session.
    pub(crate) fn tell_closed(&self, session: SessionId, ending: Ending) {
        if self.reports.closed(session, ending) {
            self.have_reports_taken();
        }
    }

    /// Tells the `Server` actor of the reports that wait, and of those that come meanwhile.
    fn have_reports_taken(&self) {
        let server = self.server.clone();
        actix_rt::spawn(async move {
            tokio::time::sleep(REPORT_DELAY).await;
            // Where its mailbox is full the actor is awake, and looks at its next tick too.
            let _ = server.try_send(TakeReports);
        });
    }

    /// Waits until the `Server` actor has logged every end of a session that was told, at most
    /// [`SETTLE_MAX`]: a thread that stands still must not hold up the end of the process.
    pub(crate) async fn settle_reports(&self) {
        let taken = self.server.send(TakeReports);
        if tokio::time::timeout(SETTLE_MAX, taken).await.is_err() {
            log::warn!(
                "the ends of some sessions are not in the log: the server's thread stands still"
            );
        }
    }

    /// Sessions by endpoint and the interval pushes; absent while the node ends.
    pub(crate) async fn overview(&self) -> Option<Overview> {
        self.server.send(GetOverview).await.ok()
    }

    /// A page of sessions; absent while the node ends.
    pub(crate) async fn list_sessions(&self, filter: SessionFilter) -> Option<SessionPage> {
        self.server.send(ListSessions(filter)).await.ok()
    }

    /// One session; absent while the node ends.
    pub(crate) async fn find_session(
        &self,
        session: SessionId,
    ) -> Option<Option<Arc<SessionInfo>>> {
        self.server.send(FindSession(session)).await.ok()
    }

    /// The sessions of this node that are in a channel.
    pub(crate) async fn members(&self, channel: &ChannelName) -> HashSet<SessionId> {
        let mut members = HashSet::new();
        for shard in self.shards.all() {
            let here = shard.addr().send(MembersOf(channel.clone())).await;
            members.extend(here.unwrap_or_default());
        }
        members
    }

    /// The channels of sessions of this node.
    pub(crate) async fn channels_of(
        &self,
        sessions: &[SessionId],
    ) -> HashMap<SessionId, Vec<ChannelName>> {
        let mut channels = HashMap::new();
        if sessions.is_empty() {
            return channels;
        }
        for shard in self.shards.all() {
            let here = shard.addr().send(ChannelsOf(sessions.into())).await;
            channels.extend(here.unwrap_or_default());
        }
        channels
    }

    /// How many memberships of channels there are on this node.
    pub(crate) async fn count_memberships(&self) -> usize {
        let mut count = 0;
        for shard in self.shards.all() {
            count += shard.addr().send(CountMembers).await.unwrap_or(0);
        }
        count
    }
}
