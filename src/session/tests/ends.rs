//! The ends of sessions, for each protocol alike. The clock that counts dates stands still while
//! that of the timers goes on, so what rings early is told from what is due.

use super::*;
use crate::unix_time::{unix_now, unix_now_ms};

fn refresh(expire_at: Option<u64>) -> SessionMessage {
    let command = ServerCommand::Refresh {
        expired: false,
        expire_at,
        info: None,
    };
    SessionMessage::Command(command.into())
}

/// So that what ends in a second does not end at once.
async fn early_in_a_second() {
    while unix_now_ms() % 1000 > 500 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_session_ends_when_its_time_does_whatever_its_protocol() {
    each(|kind, harness| async move {
        let mut client = harness.client(kind);
        client.got().await;
        client.tell(refresh(Some(unix_now() + 60)));
        tokio::time::sleep(Duration::from_secs(90)).await;
        settle().await;
        let ending = client.connection.ending();
        assert_eq!(ending, None, "{kind:?}: a timer is no date");
        client.tell(refresh(Some(unix_now() + 1)));
        tokio::time::sleep(Duration::from_secs(2)).await;
        settle().await;
        let ending = client.connection.ending();
        assert_eq!(ending, Some(Ending::ByServer(Close::EXPIRED)), "{kind:?}");
    });
}

#[test]
fn what_renews_a_session_takes_the_place_of_its_end() {
    each(|kind, harness| async move {
        let mut client = harness.client(kind);
        client.got().await;
        early_in_a_second().await;
        client.tell(refresh(Some(unix_now() + 1)));
        client.tell(refresh(None));
        tokio::time::sleep(Duration::from_secs(60)).await;
        settle().await;
        assert_eq!(client.connection.ending(), None, "{kind:?}");
    });
}

#[test]
fn what_the_server_says_has_ended_ends_the_session_at_once() {
    each(|kind, harness| async move {
        let mut client = harness.client(kind);
        client.got().await;
        client.tell(refresh(Some(unix_now())));
        settle().await;
        let ending = client.connection.ending();
        assert_eq!(ending, Some(Ending::ByServer(Close::EXPIRED)), "{kind:?}");
    });
}
