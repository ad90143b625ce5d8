//! The session behind a plain event stream or a waiting long poll: it stands in the tables, reads
//! what was missed, and does what the server wants. What it is sent is taken from its connection by
//! whoever holds the [`SessionHandle`]; when that is dropped, the client is gone and the session
//! ends at once. It reads nothing from its client and never writes.

pub(crate) mod cursor;

use std::{rc::Rc, sync::Arc};

use actix::Recipient;
use tokio::sync::oneshot;

use self::cursor::RecoveredChannel;
use super::{
    ConnectedUser, NewSession, Protocol, Session, SessionContext, TaskContext,
    channel_request::ChannelRequest,
    connect_info::ConnectInfo,
    plain::{PlainProtocol, PlainUser},
    subscribe::RecoveredSubscription,
};
use crate::{
    broker::BrokerError,
    close::Close,
    connection::{Connection, ConnectionProfile},
    node::{
        Node,
        access::AdmittedClient,
        recovery::{self, RecoveryRequest},
    },
    publication::Payload,
    registry::ChannelName,
    shard::{ServerCommand, SessionMessage, Shard},
};

/// What the request of a stream or a poll has settled.
pub(crate) struct StreamParams {
    /// What every session has.
    pub(crate) connect_info: ConnectInfo,
    /// Who it is, and its channels.
    pub(crate) admitted: AdmittedClient<Vec<ChannelRequest>>,
    /// Whether publications come in an envelope.
    pub(crate) envelope: bool,
    /// Whether comment lines keep the connection alive; a poll is too short for that.
    pub(crate) comments: bool,
}

/// What was read of all channels before they went live.
pub(crate) type Recovered = Result<Vec<RecoveredChannel>, BrokerError>;

/// The protocol of a streamed session.
pub(crate) struct Stream {
    /// Absent where the session was refused after all.
    plain: Option<PlainUser>,
}

/// What [`Stream`] begins with.
pub(crate) struct StreamStart {
    admitted: AdmittedClient<Vec<ChannelRequest>>,
    recovered: oneshot::Sender<Recovered>,
}

/// Begins a session on this thread, whose shard it joins.
#[must_use]
pub(crate) fn start(params: StreamParams, shard: &Rc<Shard>, node: &Arc<Node>) -> SessionHandle {
    let (sender, recovered) = oneshot::channel();
    let (connection, session) = Session::<Stream>::start_on_body(NewSession {
        connect_info: params.connect_info,
        profile: ConnectionProfile::stream(params.envelope, params.comments),
        params: StreamStart {
            admitted: params.admitted,
            recovered: sender,
        },
        shard,
        node,
    });
    SessionHandle {
        connection,
        session,
        recovered: Some(recovered),
    }
}

/// Reads what was missed in channels, without a session.
///
/// # Errors
/// The broker's.
pub(crate) async fn recover(node: &Node, channels: &[ChannelRequest]) -> Recovered {
    let wanted = channels.iter().map(ChannelRequest::recovery_request);
    let wanted: Vec<RecoveryRequest> = wanted.collect();
    let names = channels.iter().map(|request| &request.channel);
    let requests = names.zip(wanted.iter().map(Some));
    let bytes_max = node.settings.limits.recovery_bytes();
    let recoveries = recovery::read_all(node, requests, bytes_max).await?;
    let each = channels.iter().zip(&wanted).zip(recoveries);
    let recovered = each.map(|((request, wanted), mut recovery)| {
        if request.conflated {
            recovery.hide_place();
        }
        RecoveredChannel {
            channel: request.channel.clone(),
            recovery,
            unknown: wanted.is_unknown(),
        }
    });
    Ok(recovered.collect())
}

impl Protocol for Stream {
    type Params = StreamStart;

    /// A message that comes by several channels is sorted out where positions are kept, since each
    /// of them moves on.
    fn is_plain(_: &StreamStart) -> bool {
        false
    }

    fn begin(
        context: SessionContext,
        params: StreamStart,
        ctx: &mut TaskContext<Session<Self>>,
    ) -> Session<Self> {
        let mut session = Session {
            context,
            protocol: Self { plain: None },
        };
        match ConnectedUser::of_admitted(&session.context, params.admitted) {
            Ok((user, channels)) => {
                session.protocol.plain = Some(PlainUser::new(user));
                let to_recover = session.enter_plain(&channels);
                session.watch_expiry(ctx);
                session.subscribe(to_recover, ctx, move |_, recovered, _| {
                    tell(recovered, params.recovered)
                });
            }
            Err(close) => session.context.close(close),
        }
        session
    }

    fn user(&mut self) -> Option<&mut ConnectedUser> {
        self.plain.as_mut().map(|plain| &mut plain.user)
    }

    fn pending_max(_: &Session<Self>) -> usize {
        usize::MAX
    }

    /// Nothing is read from a streamed client.
    fn on_message(_: &mut Session<Self>, _: Payload, _: &mut TaskContext<Session<Self>>) {}

    fn on_command(
        session: &mut Session<Self>,
        command: &ServerCommand,
        ctx: &mut TaskContext<Session<Self>>,
    ) {
        session.on_plain_command(command, ctx);
    }

    fn on_missed(session: &mut Session<Self>, _: &ChannelName) {
        session.context.close(Close::INSUFFICIENT_STATE);
    }
}

impl PlainProtocol for Stream {
    fn plain_user(&mut self) -> Option<&mut PlainUser> {
        self.plain.as_mut()
    }
}

/// Gives what was read to the holder of the session's handle, which tells its client.
fn tell(
    recovered: Result<&[RecoveredSubscription], BrokerError>,
    holder: oneshot::Sender<Recovered>,
) -> bool {
    let recovered = recovered.map(|recovered| {
        let channels = recovered.iter().map(|it| RecoveredChannel {
            channel: it.subscription.channel.clone(),
            recovery: it.recovery.clone(),
            unknown: it
                .subscription
                .recover
                .as_ref()
                .is_some_and(RecoveryRequest::is_unknown),
        });
        channels.collect()
    });
    let is_read = recovered.is_ok();
    // Whoever is gone by now needs no answer.
    holder.send(recovered).is_ok() && is_read
}

/// The client's end of a session.
pub(crate) struct SessionHandle {
    connection: Rc<Connection>,
    session: Recipient<SessionMessage>,
    recovered: Option<oneshot::Receiver<Recovered>>,
}

impl SessionHandle {
    /// What the session is sent.
    #[must_use]
    pub(crate) fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// What was missed; to be asked for once, before anything is taken from the connection.
    ///
    /// # Errors
    /// The broker could not say.
    pub(crate) async fn recovered(&mut self) -> Recovered {
        match self.recovered.take() {
            // The session ended first.
            Some(recovered) => recovered.await.unwrap_or(Err(BrokerError::Unavailable)),
            None => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
impl SessionHandle {
    /// The session's inbox.
    pub(super) fn session_for_test(&self) -> Recipient<SessionMessage> {
        self.session.clone()
    }

    /// As [`recovered`](Self::recovered); it can be given up and asked for again.
    pub(super) async fn peek_recovered(&mut self) -> Recovered {
        match &mut self.recovered {
            Some(recovered) => recovered.await.unwrap_or(Err(BrokerError::Unavailable)),
            None => Ok(Vec::new()),
        }
    }
}

impl Drop for SessionHandle {
    #[expect(
        clippy::disallowed_methods,
        reason = "one, by the only handle of its session"
    )]
    fn drop(&mut self) {
        self.session.do_send(SessionMessage::Gone);
    }
}
