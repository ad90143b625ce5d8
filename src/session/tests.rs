//! Every protocol through the one way into a channel, against a broker whose answers come late, out
//! of turn or never, and whose publications come late, doubled or not at all. No process, no
//! socket: each session runs on a body, whose frames the test takes. The clock stands still until
//! everything waits.

mod ends;
mod harness;
mod on_sockets;
mod turns;

use std::{future::Future, task::Waker, time::Duration};

use bytes::Bytes;
use serde_json::Value;

use self::harness::{
    Got::{Missed, Offset, Refused, Told},
    *,
};
use super::*;
use crate::{
    close::Unsubscribe,
    config::Namespace,
    testing::{Op, scripted::ScriptedDelivery},
};

#[test]
fn what_comes_while_the_history_is_read_comes_once_and_behind_it() {
    each(|kind, harness| async move {
        harness.publish(2).await;
        harness.test.broker.hold(Op::History);
        let mut client = harness.client(kind);
        assert_eq!(
            client.got().await,
            [],
            "{kind:?}: nothing is told before it is read"
        );
        harness.publish(2).await;
        assert_eq!(client.got().await, [], "{kind:?}: nor is anything live");
        harness.test.broker.release(Op::History);
        let mut got = client.got().await;
        harness.publish(1).await;
        got.extend(client.got().await);
        got.retain(|it| *it != Told(true));
        let each_once: Vec<Got> = (1..=5).map(Offset).collect();
        assert_eq!(got, each_once, "{kind:?}");
    });
}

#[test]
fn publications_that_come_twice_reach_a_client_once() {
    each(|kind, harness| async move {
        harness.test.broker.set_delivery(ScriptedDelivery::Twice);
        let mut client = harness.client(kind);
        assert_eq!(client.got().await, [Told(true)], "{kind:?}");
        harness.publish(3).await;
        let each_once = [Offset(1), Offset(2), Offset(3)];
        assert_eq!(client.got().await, each_once, "{kind:?}");
    });
}

#[test]
fn publications_that_come_after_they_were_read_are_not_told_again() {
    each(|kind, harness| async move {
        harness.test.broker.set_delivery(ScriptedDelivery::Late);
        harness.publish(2).await;
        let mut client = harness.client(kind);
        let read = [Offset(1), Offset(2), Told(true)];
        assert_eq!(client.got().await, read, "{kind:?}");
        harness.publish(1).await;
        harness.test.broker.deliver(None);
        assert_eq!(client.got().await, [Offset(3)], "{kind:?}");
    });
}

#[test]
fn a_publication_that_never_came_is_missed_once_the_next_one_comes() {
    each(|kind, harness| async move {
        let mut client = harness.client(kind);
        assert_eq!(client.got().await, [Told(true)], "{kind:?}");
        harness.test.broker.set_delivery(ScriptedDelivery::Lost);
        harness.publish(1).await;
        harness.test.broker.set_delivery(ScriptedDelivery::AtOnce);
        harness.publish(2).await;
        assert_eq!(
            client.got().await,
            [Missed],
            "{kind:?}: and nothing behind the gap"
        );
    });
}

#[test]
fn nobody_is_told_that_it_is_subscribed_before_the_broker_listens() {
    each(|kind, harness| async move {
        harness.test.broker.hold(Op::Listening);
        let mut client = harness.client(kind);
        harness.publish(1).await;
        assert_eq!(client.got().await, [], "{kind:?}");
        assert_eq!(
            harness.test.broker.calls(Op::History),
            0,
            "{kind:?}: nor is history read"
        );
        harness.test.broker.release(Op::Listening);
        assert_eq!(client.got().await, [Offset(1), Told(true)], "{kind:?}");
    });
}

#[test]
fn a_broker_that_never_answers_is_away_after_the_deadline_and_nothing_is_left_half_done() {
    each(|kind, harness| async move {
        let before = harness.listeners();
        harness.test.broker.hold(Op::History);
        let mut client = harness.client(kind);
        assert_eq!(client.got().await, []);
        assert_eq!(harness.listeners(), before + 1, "{kind:?}: it is entered");
        let deadline = harness.test.node.settings.limits.broker_timeout;
        tokio::time::sleep(deadline + Duration::from_millis(10)).await;
        let refused = match kind {
            Kind::Raw => 1013,
            Kind::Centrifuge => 100,
            Kind::Stream => 503,
        };
        assert_eq!(client.got().await, [Refused(refused)], "{kind:?}");
        assert_eq!(harness.listeners(), before, "{kind:?}: and has left");
        // An answer that comes after all finds nobody.
        harness.test.broker.release(Op::History);
        harness.publish(1).await;
        assert_eq!(client.got().await, [], "{kind:?}");
    });
}

#[test]
fn who_goes_while_the_history_is_read_leaves_nothing_behind() {
    each(|kind, harness| async move {
        let before = harness.listeners();
        harness.test.broker.hold(Op::History);
        let mut client = harness.client(kind);
        assert_eq!(client.got().await, []);
        client.tell(SessionMessage::Gone);
        settle().await;
        assert_eq!(harness.listeners(), before, "{kind:?}");
        harness.test.broker.release(Op::History);
        harness.publish(1).await;
        settle().await;
        assert_eq!(harness.test.node.session_counts().now, 0, "{kind:?}");
        assert_eq!(harness.admission.sessions(), 0, "{kind:?}");
    });
}

/// A command that came while the history was read waited until it was there, for the actor heard
/// nothing meanwhile.
#[test]
fn who_is_taken_out_of_a_channel_while_its_history_is_read_does_not_go_live() {
    each(|kind, harness| async move {
        let before = harness.listeners();
        harness.test.broker.hold(Op::History);
        let mut client = harness.client(kind);
        assert_eq!(client.got().await, []);
        let out = ServerCommand::Unsubscribe {
            channel: CHANNEL.into(),
            why: Unsubscribe::SERVER,
        };
        client.tell(SessionMessage::Command(out.into()));
        settle().await;
        assert_eq!(harness.listeners(), before, "{kind:?}: it is heard at once");
        harness.test.broker.release(Op::History);
        harness.publish(1).await;
        let got = client.got().await;
        assert!(
            !got.contains(&Offset(1)) && !got.contains(&Told(true)),
            "{kind:?}: {got:?}"
        );
    });
}

#[test]
fn a_disconnect_is_heard_while_the_broker_is_waited_for() {
    each(|kind, harness| async move {
        harness.test.broker.hold(Op::History);
        let mut client = harness.client(kind);
        assert_eq!(client.got().await, []);
        let end = ServerCommand::Disconnect(Close::KICKED);
        client.tell(SessionMessage::Command(end.into()));
        settle().await;
        let ending = client.connection.ending();
        assert_eq!(ending, Some(Ending::ByServer(Close::KICKED)), "{kind:?}");
        harness.test.broker.release(Op::History);
        assert!(!client.got().await.contains(&Told(true)), "{kind:?}");
    });
}

// Two sessions of a user that came together, where only one may stay, each ended the other, and the
// user had none: both were in the tables when either was heard.
#[test]
fn of_sessions_that_end_one_another_the_one_whose_user_was_known_last_stays() {
    each(|kind, harness| async move {
        let before = Instant::now();
        let mut client = harness.client(kind);
        client.got().await;
        let close = Close::CONNECTION_LIMIT;
        for (than, ended) in [(before, false), (Instant::now(), true)] {
            let command = ServerCommand::DisconnectOlder {
                than,
                close: close.clone(),
            };
            client.tell(SessionMessage::Command(command.into()));
            settle().await;
            let ending = ended.then(|| Ending::ByServer(close.clone()));
            assert_eq!(client.connection.ending(), ending, "{kind:?}");
        }
    });
}

/// Runs a test of the Centrifuge protocol alone.
fn centrifuge<F: Future<Output = ()> + 'static>(test: impl Fn(Rc<Harness>) -> F + Sync) {
    let nothing = |_| async {};
    each(|kind, harness| {
        let run: std::pin::Pin<Box<dyn Future<Output = ()>>> = match kind {
            Kind::Centrifuge => Box::pin(test(harness)),
            Kind::Raw | Kind::Stream => Box::pin(nothing(harness)),
        };
        run
    });
}

/// A connect that waits for the history of a channel that the client has from the start.
const SLOW_CONNECT: &str = "{\"id\":1,\"connect\":{\"subs\":{\"c\":{\"recover\":true}}}}";

/// It was closed with 3004 where a raw client was told 1013, as for a fault of the server's own.
#[test]
fn a_connect_whose_history_cannot_be_read_is_to_come_again() {
    centrifuge(|harness| async move {
        let before = harness.listeners();
        harness.test.broker.hold(Op::History);
        let mut client = harness.centrifuge_with(SLOW_CONNECT);
        assert_eq!(client.got().await, []);
        let deadline = harness.test.node.settings.limits.broker_timeout;
        tokio::time::sleep(deadline + Duration::from_millis(10)).await;
        assert_eq!(client.got().await, [Refused(1013)]);
        assert_eq!(harness.listeners(), before, "and it has left");
    });
}

/// What stood behind a connect that waited, in the same frame, was refused with 111: reading was
/// still paused when its turn came.
#[test]
fn commands_behind_a_connect_that_waits_are_done_once_it_is_answered() {
    centrifuge(|harness| async move {
        harness.test.broker.hold(Op::History);
        let behind = "{\"id\":2,\"subscribe\":{\"channel\":\"d\"}}";
        let mut client = harness.centrifuge_with(&format!("{SLOW_CONNECT}\n{behind}"));
        assert_eq!(client.got().await, [], "nothing before the welcome");
        harness.test.broker.release(Op::History);
        assert_eq!(client.got().await, [Told(false)]);
        harness.publish(1).await;
        assert_eq!(client.got().await, [Offset(1)]);
    });
}

/// What the API wanted of a session before it was connected was lost, or done out of order.
#[test]
fn commands_of_the_server_before_the_welcome_are_done_behind_it_in_order() {
    centrifuge(|harness| async move {
        let before = harness.listeners();
        harness.test.broker.hold(Op::History);
        let mut client = harness.centrifuge_with(SLOW_CONNECT);
        assert_eq!(client.got().await, []);
        let given = crate::subscription::ServerSubscription {
            channel: "given".into(),
            ..Default::default()
        };
        let why = Unsubscribe::SERVER;
        let leave = |channel: &str| ServerCommand::Unsubscribe {
            channel: channel.into(),
            why,
        };
        for command in [
            ServerCommand::Subscribe(given),
            leave("given"),
            leave(CHANNEL),
        ] {
            client.tell(SessionMessage::Command(command.into()));
        }
        assert_eq!(
            client.got().await,
            [],
            "it does not know yet that it is connected"
        );
        harness.test.broker.release(Op::History);
        assert_eq!(client.got().await, [Refused(2000), Refused(2000)]);
        assert_eq!(harness.listeners(), before, "out of both");
    });
}

/// A subscription that failed took a later one of its channel with it: that went on being
/// delivered, and nothing could end it.
#[test]
fn a_subscription_that_fails_late_leaves_the_next_one_of_its_channel_alone() {
    centrifuge(|harness| async move {
        let mut client = harness.centrifuge_with("{\"id\":1,\"connect\":{}}");
        assert_eq!(client.got().await, []);
        harness.test.broker.hold(Op::History);
        let say = |command: &str| SessionMessage::Frame(Bytes::from(command.to_string()).into());
        let subscribe = "\"subscribe\":{\"channel\":\"c\",\"recover\":true}}";
        client.tell(say(&format!("{{\"id\":2,{subscribe}")));
        settle().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        client.tell(say("{\"id\":3,\"unsubscribe\":{\"channel\":\"c\"}}"));
        client.tell(say(&format!("{{\"id\":4,{subscribe}")));
        settle().await;
        tokio::time::sleep(Duration::from_millis(2100)).await;
        assert_eq!(client.got().await, [Refused(100)], "the first one");
        harness.test.broker.release(Op::History);
        assert_eq!(client.got().await, [Told(true)], "the second one");
        harness.publish(1).await;
        assert_eq!(client.got().await, [Offset(1)]);
        client.tell(say("{\"id\":5,\"unsubscribe\":{\"channel\":\"c\"}}"));
        settle().await;
        harness.publish(1).await;
        assert_eq!(client.got().await, [], "it can be left");
    });
}
