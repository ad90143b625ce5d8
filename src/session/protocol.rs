//! What a protocol adds to a session: the meaning of messages, and the words for what the server tells.

use actix::Context;
use bytes::Bytes;

use super::{ConnectedUser, Session, SessionContext};
use crate::{close::Ending, publication::Payload, registry::ChannelName, shard::ServerCommand};

/// A protocol that plugs into a [`Session`]. It is plain data: it owns what only its clients have, and speaks through the
/// session's connection. A function that gets a session may find it closing; what it sends then goes nowhere.
pub trait Protocol: Sized + Unpin + 'static {
    /// What the request has settled beside the session's connection.
    type Params;

    /// Whether the client follows no joins and leaves, and takes a message that goes to several of its channels once.
    fn is_plain(params: &Self::Params) -> bool;

    /// Begins: the session is in the tables, and nothing has been sent or read yet.
    fn begin(
        context: SessionContext,
        params: Self::Params,
        ctx: &mut Context<Session<Self>>,
    ) -> Session<Self>;

    /// The client's user, once it is known who that is.
    fn user(&mut self) -> Option<&mut ConnectedUser>;

    /// Answers that may be waited for before nothing more is read from the client.
    fn pending_max(session: &Session<Self>) -> usize;

    /// A whole text or binary message came.
    fn on_message(session: &mut Session<Self>, message: Payload, ctx: &mut Context<Session<Self>>);

    /// A frame of commands came by a request of its own; only sessions that entered the emulation registry hear any.
    fn on_frame(_: &mut Session<Self>, _: &Bytes, _: &mut Context<Session<Self>>) {}

    /// The server wants something of the session other than its end.
    fn on_command(
        session: &mut Session<Self>,
        command: &ServerCommand,
        ctx: &mut Context<Session<Self>>,
    );

    /// Subscriptions that the client was told of have gone live.
    fn on_live(_: &mut Session<Self>, _: &mut Context<Session<Self>>) {}

    /// A subscription that follows offsets has missed a publication; nothing more is delivered to it.
    fn on_missed(session: &mut Session<Self>, channel: &ChannelName);

    /// The session leaves; called once.
    fn leave(session: &mut Session<Self>, ending: &Ending) {
        if let Some(user) = session.protocol.user() {
            user.leave(&session.context, ending);
        }
    }
}
